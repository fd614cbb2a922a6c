//! From held-out scores to probabilities: what a score means, what a rule's hit adds to it, and from
//! which probability a category's evidence is shown.

use rayon::prelude::*;

use crate::taxonomy::Category;

use super::blend::Blend;
use super::heads;
use super::judge::looks;
use super::labels::Label;
use super::logistic::{Linear, Rows, fit, sigmoid};
use super::model::Second;
use super::rules::Strengths;

/// A document and what models that had not seen it say of it, uncalibrated.
pub struct Held<'a> {
    pub label: &'a Label,
    /// What rules' hits say to each head.
    pub strengths: &'a Strengths,
    pub scores: &'a [f32],
}

/// Calibration on the held-out scores of the documents that are judged: Platt scaling of every
/// head, then the worth of a rule's hit beside it. Of categories most are too rare to tell what a
/// hit is worth, so they share one answer.
pub fn calibrate(second: &mut Second, judged: &[Held<'_>]) {
    let lines: Vec<(f32, f32)> = (0..heads::COUNT)
        .into_par_iter()
        .map(|head| {
            let line = platt(judged, &[head], &|_, score| score);
            let slope = line.weights[0];
            if slope > 0.05 { (slope.min(2.0), line.bias) } else { (1.0, 0.0) }
        })
        .collect();
    let categories: Vec<usize> = (heads::CATEGORY..heads::FRAME).collect();
    let groups = (0..heads::CATEGORY)
        .chain(heads::FRAME..heads::COUNT)
        .map(|head| vec![head])
        .chain([categories]);
    second.hit = vec![0.0; heads::COUNT];
    second.opposed = vec![0.0; heads::COUNT];
    for group in groups {
        let scaled = |head: usize, score: f32| lines[head].0 * score + lines[head].1;
        let joint = platt(judged, &group, &scaled);
        let usable = joint.weights[0] > 0.05;
        for head in group {
            let (slope, offset) = lines[head];
            let (again, shift) = if usable { (joint.weights[0], joint.bias) } else { (1.0, 0.0) };
            second.slope[head] = again * slope;
            second.offset[head] = again * offset + shift;
            if usable {
                second.hit[head] = joint.weights[1].clamp(0.0, MOST_WORTH);
                second.opposed[head] = joint.weights[2].clamp(-MOST_WORTH, 0.0);
            }
        }
    }
    second.evidence = evidence_thresholds(judged, second);
    let answers: Vec<(&Label, Vec<f32>)> = judged
        .iter()
        .map(|held| {
            let calibrated = |(head, score): (usize, &f32)| second.calibrate(head, *score);
            let mut scores: Vec<f32> = held.scores.iter().enumerate().map(calibrated).collect();
            if looks(&scores) {
                second.raise(&mut scores, held.strengths);
            }
            (held.label, scores)
        })
        .collect();
    second.blend = Blend::fit(&answers);
}

/// Log-odds that a hit may add at most: rules were written with labelled texts at hand, so what
/// they are worth on those flatters.
const MOST_WORTH: f32 = 4.0;

/// A line through the score (input 0) and the strength of hits for (1) and against (2) the heads.
fn platt(judged: &[Held<'_>], group: &[usize], scaled: &dyn Fn(usize, f32) -> f32) -> Linear {
    let mut rows = Rows::new(3);
    let mut targets = Vec::new();
    for held in judged {
        for head in group {
            let Strengths { own, opposed } = held.strengths;
            let inputs = [scaled(*head, held.scores[*head]), own[*head], opposed[*head]];
            rows.push((0..).zip(inputs));
            targets.push(heads::target(held.label, *head));
        }
    }
    fit(&rows, &targets, 0.01, 60)
}

/// The lowest threshold per category at which seven of ten predictions are right on held-out
/// texts, within 0.1..=0.6.
fn evidence_thresholds(judged: &[Held<'_>], second: &Second) -> Vec<f32> {
    Category::ALL
        .iter()
        .map(|category| {
            let head = heads::CATEGORY + category.index();
            let p = |held: &Held<'_>| {
                let raised = second.worth(head, held.strengths);
                sigmoid(second.calibrate(head, held.scores[head]) + raised)
            };
            let good = |threshold: f32| {
                let (mut right, mut all) = (0.0_f32, 0.0_f32);
                for held in judged {
                    if p(held) >= threshold {
                        all += 1.0;
                        right += f32::from(u8::from(held.label.has(*category)));
                    }
                }
                all == 0.0 || right / all >= 0.7
            };
            (0..11).map(|step| 0.1 + 0.05 * step as f32).find(|t| good(*t)).unwrap_or(0.6)
        })
        .collect()
}
