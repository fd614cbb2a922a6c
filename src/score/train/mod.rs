//! Fitting: labelled documents → [`Model`], with cross-validation over held-out units.
//!
//! Stage one is fitted on folds of whole families (or contrast groups), so that stage two learns
//! from answers that stage one gave about *kinds of text it had not seen*, which is what it will
//! meet. Nothing here is random: the same labels give the same bytes.

mod first;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::document::Document;
use crate::encoder::Encoder;
use crate::filter::FilterSet;
use crate::scan::{Scanner, Wanted};
use crate::taxonomy::Category;

use crate::score::calibration::{self, Held};
use crate::score::evidence;
use crate::score::features::Features;
use crate::score::heads;
use crate::score::labels::Label;
use crate::score::logistic::{Linear, Rows, Target, fit_near};
use crate::score::model::{First, INPUTS, Model, Second, Signals, inputs};
use crate::score::opinion::fit::{Case, OpinionOptions, fit_opinion, read};
use crate::score::opinion::{Head, places};
use crate::score::rules::{self, Hit, Strengths};
use crate::score::sieve::Sieve;
use crate::score::verdict::Verdict;
use crate::score::words::Words;
use crate::score::{judge, prior, scorer};
use first::fit_first;

/// What can be chosen about a fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Folds of stage one and of the cross-validation; families are never split.
    pub folds: usize,
    /// Features of stage one that are kept at most.
    pub rows: usize,
    pub document_penalty: f32,
    pub sentence_penalty: f32,
    pub stack_penalty: f32,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            folds: 9,
            rows: 36_000,
            document_penalty: 0.5,
            sentence_penalty: 0.5,
            stack_penalty: 1000.0,
        }
    }
}

/// A fitted model and, for every label, the verdict of a model that had not seen its unit.
pub struct Fitted {
    pub model: Model,
    pub held_out: Vec<Verdict>,
    /// The same where only the document, not its family, was unseen by stage one.
    pub held_out_same_kind: Vec<Verdict>,
    /// Stage-two inputs of every label, from a stage one that had not seen its unit.
    pub inputs: Vec<Vec<f32>>,
    pub opinion: Option<FittedOpinion>,
}

/// The head of a second opinion beside the fitted model.
pub struct FittedOpinion {
    pub head: Head,
    /// As [`Fitted::held_out`], with what heads that had not seen the unit make of it.
    pub held_out: Vec<Verdict>,
    /// Documents that lay in the band and were read.
    pub read: usize,
}

struct Example<'a> {
    label: &'a Label,
    features: Features,
    /// Per sentence, the sentence heads that a quotation marks; bit by head.
    marks: Vec<u32>,
    hits: Vec<Hit>,
    /// What the hits say to each head.
    strengths: Strengths,
    fold: usize,
}

/// Example number and its scores, for one fold's held-out examples.
type HeldRows = Vec<(usize, Vec<f32>)>;

/// Fits a model on all labels and cross-validates it. Of `ordinary` documents only the sieve learns.
#[must_use]
pub fn train(
    labels: &[Label],
    ordinary: &[Label],
    options: &FitOptions,
    filters: &Arc<FilterSet>,
    encoder: Option<(&Encoder, OpinionOptions)>,
    say: &(dyn Fn(&str) + Sync),
) -> Fitted {
    let folds = assign_folds(labels, options.folds);
    let mut examples: Vec<Example> = labels
        .par_iter()
        .zip(&folds)
        .map_init(
            || Scanner::only(filters.clone(), Wanted::Categories),
            |scanner, (label, fold)| Example::read(label, *fold, scanner, filters),
        )
        .collect();
    say(&format!("{} documents read", examples.len()));
    // The same kinds of text, other documents: what stage one says where it is at home.
    examples.iter_mut().enumerate().for_each(|(at, e)| e.fold = at % SAME_KIND_FOLDS);
    let same = held_answers(&examples, SAME_KIND_FOLDS, options, say);
    examples.iter_mut().zip(&folds).for_each(|(e, fold)| e.fold = *fold);
    let rows = held_answers(&examples, options.folds, options, say);
    let held: Vec<[HeldRows; 2]> = (0..options.folds)
        .into_par_iter()
        .map(|fold| {
            let second = fit_second(&examples, &[&rows, &same], Some(fold), options);
            [&rows, &same].map(|table| apply_second(&second, table, &examples, fold))
        })
        .collect();
    let mut tables = [vec![Vec::new(); examples.len()], vec![Vec::new(); examples.len()]];
    for pair in held {
        for (table, list) in tables.iter_mut().zip(pair) {
            list.into_iter().for_each(|(at, row)| table[at] = row);
        }
    }
    let [scores, same_scores] = tables;
    say("stage two cross-validated");
    let mut second = fit_second(&examples, &[&rows, &same], None, options);
    calibration::calibrate(&mut second, &judged(&examples, &[&scores, &same_scores]));
    let raised = raise(&examples, &scores, &second);
    let held_out = verdicts(&examples, &rows, &scores, &raised, &second);
    let same_raised = raise(&examples, &same_scores, &second);
    let held_out_same_kind = verdicts(&examples, &same, &same_scores, &same_raised, &second);
    let first = fit_first(&examples, None, options);
    say("stage one fitted on all");
    let everything: Vec<&Label> = labels.iter().chain(ordinary).collect();
    let of_ordinary = (0..ordinary.len()).map(|nth| nth % options.folds);
    let all_folds: Vec<usize> = folds.iter().copied().chain(of_ordinary).collect();
    let finds = |at: usize| {
        held_out.get(at).is_some_and(|verdict| verdict.coercion.max(verdict.admirable) >= FOUND)
    };
    let (sieve, sifted) = Sieve::fit(&everything, &all_folds, finds);
    say(&format!(
        "sieve: {} of {} documents that show the conduct lost, {} of the {} that are found, {} of {} others let through",
        sifted.lost,
        sifted.positives,
        sifted.found_lost,
        sifted.found,
        sifted.passed,
        sifted.negatives
    ));
    let model = Model::new(first, second, sieve);
    let opinion = encoder.map(|(encoder, chosen)| {
        let cases = cases(&examples, &rows, [&scores, &raised], encoder, &chosen, &model.second);
        say("windows encoded");
        let fitted = fit_opinion(&cases, options.folds, chosen.penalty);
        let held_out = verdicts(&examples, &rows, &scores, &fitted.held_out, &model.second);
        let head = Head {
            encoder: encoder.version().to_owned(),
            model: model.version().to_owned(),
            windows: chosen.windows,
            band: chosen.band,
            questions: fitted.questions,
        };
        FittedOpinion { head, held_out, read: fitted.read }
    });
    Fitted { model, held_out, held_out_same_kind, inputs: rows, opinion }
}

/// What a second opinion is fitted on: the model's held-out answers and, in the band, the encoder's
/// vector of the windows that those answers point to.
fn cases<'e>(
    examples: &'e [Example<'e>],
    rows: &[Vec<f32>],
    [scores, raised]: [&[Vec<f32>]; 2],
    encoder: &Encoder,
    chosen: &OpinionOptions,
    second: &Second,
) -> Vec<Case<'e>> {
    examples
        .par_iter()
        .enumerate()
        .map(|(at, example)| {
            let (text, row) = (&example.label.text, &rows[at]);
            let looks = judge::looks(&calibrated(&scores[at], second));
            let scores = raised[at].clone();
            let hits = if looks { &example.hits[..] } else { &[] };
            let vector = chosen.band.holds(&scores).then(|| {
                let mut words = Words::default();
                words.read(text);
                let mut seen = Vec::new();
                places::note(&words, &row[INPUTS..], 0, &mut seen);
                let windows = places::windows(text, &seen, hits, chosen.windows);
                read(encoder, text, &windows)
            });
            Case { label: example.label, fold: example.fold, scores, vector: vector.flatten() }
        })
        .collect()
}

/// A document counts as found from this probability on: half of the default threshold.
const FOUND: f32 = 0.25;
/// Folds over documents, whatever their family.
const SAME_KIND_FOLDS: usize = 5;

/// Stage-two inputs of every example from a stage one fitted without its fold.
fn held_answers(
    examples: &[Example],
    folds: usize,
    options: &FitOptions,
    say: &(dyn Fn(&str) + Sync),
) -> Vec<Vec<f32>> {
    let mut rows = vec![Vec::new(); examples.len()];
    for fold in 0..folds {
        let first = fit_first(examples, Some(fold), options);
        for (at, row) in answers(examples, &first, |e| e.fold == fold) {
            rows[at] = row;
        }
        say(&format!("stage one without fold {} of {folds}", fold + 1));
    }
    rows
}

impl<'a> Example<'a> {
    fn read(label: &'a Label, fold: usize, scanner: &mut Scanner, filters: &FilterSet) -> Self {
        let mut words = Words::default();
        words.read(&label.text);
        let mut features = Features::default();
        features.read(&label.text, &words);
        features.settle();
        let mut marks = vec![0; words.sentences.len()];
        for quote in &label.evidence {
            let Some(at) = label.text.find(&quote.quote) else { continue };
            let end = at + quote.quote.len();
            let general = usize::from(!quote.category.is_coercion());
            for (mark, sentence) in marks.iter_mut().zip(&words.sentences) {
                if sentence.span.start < end && at < sentence.span.end {
                    *mark |=
                        1 << (heads::SENTENCE_CATEGORY + quote.category.index()) | 1 << general;
                }
            }
        }
        let hits = rules::hits(scanner.scan(&Document::plain(&label.id, &label.text)), filters);
        let strengths = rules::strengths(&hits);
        Self { label, features, marks, hits, strengths, fold }
    }
}

/// Whole units to folds, largest first, each to the fold that is emptiest so far.
fn assign_folds(labels: &[Label], folds: usize) -> Vec<usize> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels {
        *sizes.entry(label.unit()).or_default() += 1;
    }
    let mut units: Vec<(&str, usize)> = sizes.into_iter().collect();
    units.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut loads = vec![0; folds];
    let mut fold_of = HashMap::new();
    for (unit, size) in units {
        let fold = (0..folds).min_by_key(|f| (loads[*f], *f)).unwrap_or(0);
        loads[fold] += size;
        fold_of.insert(unit, fold);
    }
    labels.iter().map(|label| fold_of[label.unit()]).collect()
}

/// Stage-two inputs of the examples that `wanted` picks.
fn answers(
    examples: &[Example],
    first: &First,
    wanted: impl Fn(&Example) -> bool + Sync,
) -> Vec<(usize, Vec<f32>)> {
    examples
        .par_iter()
        .enumerate()
        .filter(|(_, e)| wanted(e))
        .map(|(at, e)| {
            let mut signals = Signals::default();
            first.apply(&e.features, &mut signals);
            let mut row = Vec::new();
            inputs(&e.features, &signals, &mut row);
            // The sentence scores ride behind the inputs, for the choice of evidence.
            row.extend_from_slice(&signals.sentences);
            (at, row)
        })
        .collect()
}

fn fit_second(
    examples: &[Example],
    tables: &[&Vec<Vec<f32>>],
    without: Option<usize>,
    options: &FitOptions,
) -> Second {
    let used: Vec<usize> =
        (0..examples.len()).filter(|i| Some(examples[*i].fold) != without).collect();
    let mut second = Second::default();
    let all: Vec<(usize, &Vec<f32>)> =
        tables.iter().flat_map(|t| used.iter().map(|i| (*i, &t[*i]))).collect();
    let n = all.len().max(1) as f32;
    for input in 0..INPUTS {
        let mean = all.iter().map(|(_, row)| row[input]).sum::<f32>() / n;
        let variance = all.iter().map(|(_, row)| (row[input] - mean).powi(2)).sum::<f32>() / n;
        second.mean.push(mean);
        second.scale.push(if variance > 1e-8 { 1.0 / variance.sqrt() } else { 0.0 });
    }
    let mut table = Rows::new(INPUTS);
    for (_, row) in &all {
        table.push((0..INPUTS).map(|input| (input as u32, second.standard(input, row[input]))));
    }
    let fitted: Vec<Linear> = (0..heads::COUNT)
        .into_par_iter()
        .map(|head| {
            let targets: Vec<Target> =
                all.iter().map(|(i, _)| heads::target(examples[*i].label, head)).collect();
            fit_near(&table, &targets, &prior::weights(head), options.stack_penalty, 25)
        })
        .collect();
    for head in fitted {
        second.weights.extend(head.weights);
        second.bias.push(head.bias);
    }
    second.slope = vec![1.0; heads::COUNT];
    second.offset = vec![0.0; heads::COUNT];
    second.hit = vec![0.0; heads::COUNT];
    second.opposed = vec![0.0; heads::COUNT];
    second.evidence = vec![0.4; Category::COUNT];
    second
}

fn apply_second(
    second: &Second,
    rows: &[Vec<f32>],
    examples: &[Example],
    fold: usize,
) -> Vec<(usize, Vec<f32>)> {
    let mut out = Vec::new();
    for (at, example) in examples.iter().enumerate() {
        if example.fold == fold {
            let mut scores = Vec::new();
            second.apply(&rows[at], &mut scores);
            out.push((at, scores));
        }
    }
    out
}

/// The judged documents with their held-out scores.
fn judged<'e>(examples: &'e [Example], tables: &[&'e Vec<Vec<f32>>]) -> Vec<Held<'e>> {
    let pairs = tables.iter().flat_map(|table| examples.iter().zip(table.iter()));
    pairs
        .filter(|(example, _)| example.label.judged)
        .map(|(e, scores)| Held { label: e.label, strengths: &e.strengths, scores })
        .collect()
}

/// Calibrated log-odds, with what rules' hits add where they are asked, blended.
fn raise(examples: &[Example], scores: &[Vec<f32>], second: &Second) -> Vec<Vec<f32>> {
    let of = |(example, scores): (&Example, &Vec<f32>)| {
        let mut scores = calibrated(scores, second);
        if judge::looks(&scores) {
            second.raise(&mut scores, &example.strengths);
        }
        second.blend.apply(&mut scores);
        scores
    };
    examples.iter().zip(scores).map(of).collect()
}

fn calibrated(scores: &[f32], second: &Second) -> Vec<f32> {
    scores.iter().enumerate().map(|(head, score)| second.calibrate(head, *score)).collect()
}

/// The verdicts that come of the log-odds `last`, with the evidence that goes with `scores`.
fn verdicts(
    examples: &[Example],
    rows: &[Vec<f32>],
    scores: &[Vec<f32>],
    last: &[Vec<f32>],
    second: &Second,
) -> Vec<Verdict> {
    examples
        .par_iter()
        .enumerate()
        .map(|(at, example)| {
            let calibrated = calibrated(&scores[at], second);
            let mut words = Words::default();
            words.read(&example.label.text);
            let signals = Signals { sentences: rows[at][INPUTS..].to_vec(), ..Signals::default() };
            let mut evidence = Vec::new();
            let (text, thresholds) = (&example.label.text, &second.evidence);
            evidence::choose(text, 0, &words, &signals, thresholds, &calibrated, &mut evidence);
            let mut verdict = Verdict { evidence, ..scorer::verdict(&last[at]) };
            if judge::looks(&calibrated) {
                rules::attach(&mut verdict, &example.hits, thresholds);
            }
            verdict
        })
        .collect()
}
