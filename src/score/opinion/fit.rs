//! Fits the head of a second opinion, and tells what it adds on texts that it has not seen.
//!
//! Folds are those of the model's own cross-validation. Log-odds of a document come from a head
//! fitted without its fold, and how much they count beside the model's is fitted on documents of
//! yet other folds, so that a fold is judged by nothing that has seen it.

use rayon::prelude::*;

use super::{Band, QUESTIONS, Question};
use crate::encoder::Encoder;
use crate::score::heads;
use crate::score::labels::Label;
use crate::score::logistic::{Linear, Rows, Target, fit, fit_near};
use crate::text::Span;

/// What can be chosen about a second opinion.
#[derive(Clone, Copy, Debug)]
pub struct OpinionOptions {
    /// Windows of a document that are read at most.
    pub windows: usize,
    pub band: Band,
    /// L2 weight on the head's weights.
    pub penalty: f32,
}

impl Default for OpinionOptions {
    fn default() -> Self {
        Self { windows: 4, band: Band::default(), penalty: 1.0 }
    }
}

/// A document with what the model says of it and, within the band, what the encoder reads.
pub struct Case<'a> {
    pub label: &'a Label,
    pub fold: usize,
    /// The model's log-odds, rules included, from a model that had not seen the document's unit.
    pub scores: Vec<f32>,
    pub vector: Option<Vec<f32>>,
}

/// A fitted head and the log-odds that heads which had not seen a document's fold give it.
pub struct FittedOpinion {
    pub questions: Vec<Question>,
    pub held_out: Vec<Vec<f32>>,
    /// Documents that were read.
    pub read: usize,
}

/// Reads the windows of one document: the mean of their vectors. None where there is nothing to read.
#[must_use]
pub fn read(encoder: &Encoder, text: &str, windows: &[Span]) -> Option<Vec<f32>> {
    let width = encoder.width();
    let mut vector = vec![0.0_f32; width];
    let mut count = 0.0_f32;
    for window in windows {
        let Ok(one) = encoder.embed(window.of(text)) else { continue };
        vector.iter_mut().zip(&one).for_each(|(sum, value)| *sum += value);
        count += 1.0;
    }
    vector.iter_mut().for_each(|value| *value /= count);
    (count > 0.0).then_some(vector)
}

/// Fits a head on `cases` and judges it by cross-validation over their `folds`.
#[must_use]
pub fn fit_opinion(cases: &[Case<'_>], folds: usize, penalty: f32) -> FittedOpinion {
    let done: Vec<(Question, Vec<(usize, f32)>)> =
        QUESTIONS.par_iter().map(|head| one_question(cases, folds, *head, penalty)).collect();
    let mut held_out: Vec<Vec<f32>> = cases.iter().map(|case| case.scores.clone()).collect();
    let mut questions = Vec::new();
    for ((question, revised), head) in done.into_iter().zip(QUESTIONS) {
        revised.into_iter().for_each(|(at, score)| held_out[at][head] = score);
        questions.push(question);
    }
    let read = cases.iter().filter(|case| case.vector.is_some()).count();
    FittedOpinion { questions, held_out, read }
}

/// One question's head on everything, and the revised log-odds of every case from heads without it.
fn one_question(
    cases: &[Case<'_>],
    folds: usize,
    head: usize,
    penalty: f32,
) -> (Question, Vec<(usize, f32)>) {
    let without = |left_out: &[usize]| fit_head(cases, left_out, head, penalty);
    // answers[k][j]: the answers on fold j of a head that saw neither fold k nor fold j.
    let answers = |k: usize| -> Vec<(usize, f32)> {
        (0..folds)
            .flat_map(|j| {
                let linear = without(&[k, j]);
                asked(cases, &linear, move |case| case.fold == j)
            })
            .collect()
    };
    let mut revised = Vec::new();
    for k in 0..folds {
        let others: Vec<(usize, f32)> =
            answers(k).into_iter().filter(|(at, _)| cases[*at].fold != k).collect();
        let (own, other, offset) = fit_stack(cases, &others, head);
        let question = Question { own, other, offset, ..Question::default() };
        for (at, answer) in asked(cases, &without(&[k]), |case| case.fold == k) {
            revised.push((at, question.stack(cases[at].scores[head], answer)));
        }
    }
    let held: Vec<(usize, f32)> =
        (0..folds).flat_map(|j| asked(cases, &without(&[j]), move |case| case.fold == j)).collect();
    let (own, other, offset) = fit_stack(cases, &held, head);
    let Linear { weights, bias } = without(&[]);
    (Question { weights, bias, own, other, offset }, revised)
}

fn fit_head(cases: &[Case<'_>], left_out: &[usize], head: usize, penalty: f32) -> Linear {
    let width = cases.iter().find_map(|case| case.vector.as_ref()).map_or(0, Vec::len);
    let mut rows = Rows::new(width);
    let mut targets: Vec<Target> = Vec::new();
    for case in cases.iter().filter(|case| !left_out.contains(&case.fold)) {
        let Some(vector) = &case.vector else { continue };
        rows.push((0..).zip(vector.iter().copied()));
        targets.push(heads::target(case.label, head));
    }
    fit(&rows, &targets, penalty, 40)
}

fn asked(
    cases: &[Case<'_>],
    linear: &Linear,
    wanted: impl Fn(&Case<'_>) -> bool,
) -> Vec<(usize, f32)> {
    let question =
        Question { weights: linear.weights.clone(), bias: linear.bias, ..Question::default() };
    cases
        .iter()
        .enumerate()
        .filter(|(_, case)| wanted(case))
        .filter_map(|(at, case)| Some((at, question.ask(case.vector.as_ref()?))))
        .collect()
}

/// How the model's log-odds and the head's are weighed, on judged documents. The start is the model
/// alone: without a gain nothing moves far.
fn fit_stack(cases: &[Case<'_>], answers: &[(usize, f32)], head: usize) -> (f32, f32, f32) {
    let mut rows = Rows::new(2);
    let mut targets: Vec<Target> = Vec::new();
    for (at, answer) in answers.iter().filter(|(at, _)| cases[*at].label.judged) {
        rows.push([(0, cases[*at].scores[head]), (1, *answer)].into_iter());
        targets.push(heads::target(cases[*at].label, head));
    }
    let positive: f32 = targets.iter().map(|t| t.0 * t.1).sum();
    let all: f32 = targets.iter().map(|t| t.1).sum();
    // With so few examples of either kind a weight would be chance.
    if positive < FEWEST || all - positive < FEWEST {
        return (1.0, 0.0, 0.0);
    }
    let line = fit_near(&rows, &targets, &[1.0, 0.0], 1.0, 60);
    if line.weights[0] > 0.05 && line.weights[1] > 0.0 {
        (line.weights[0], line.weights[1], line.bias)
    } else {
        (1.0, 0.0, 0.0)
    }
}

const FEWEST: f32 = 8.0;
