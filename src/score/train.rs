//! Fitting: labelled documents → [`Model`], with cross-validation over held-out units.
//!
//! Stage one is fitted on folds of whole families (or contrast groups), so that stage two learns
//! from answers that stage one gave about *kinds of text it had not seen*, which is what it will
//! meet. Nothing here is random: the same labels give the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::document::Document;
use crate::filter::FilterSet;
use crate::scan::Scanner;
use crate::taxonomy::Category;

use super::calibration::{self, Held};
use super::evidence;
use super::features::Features;
use super::heads;
use super::labels::Label;
use super::logistic::{Linear, Rows, Target, fit, fit_near};
use super::model::{First, INPUTS, Model, Second, Signals, inputs, term};
use super::rules::{self, Hit, Strengths};
use super::sieve::Sieve;
use super::verdict::Verdict;
use super::words::Words;

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
    say: &(dyn Fn(&str) + Sync),
) -> Fitted {
    let folds = assign_folds(labels, options.folds);
    let mut examples: Vec<Example> = labels
        .par_iter()
        .zip(&folds)
        .map_init(
            || Scanner::new(filters.clone()),
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
    let held_out = verdicts(&examples, &rows, &scores, &second);
    let held_out_same_kind = verdicts(&examples, &same, &same_scores, &second);
    let first = fit_first(&examples, None, options);
    say("stage one fitted on all");
    let everything: Vec<&Label> = labels.iter().chain(ordinary).collect();
    let of_ordinary = (0..ordinary.len()).map(|nth| nth % options.folds);
    let all_folds: Vec<usize> = folds.iter().copied().chain(of_ordinary).collect();
    let (sieve, sifted) = Sieve::fit(&everything, &all_folds);
    say(&format!(
        "sieve: {} of {} documents that show the conduct lost, {} of {} others let through",
        sifted.lost, sifted.positives, sifted.passed, sifted.negatives
    ));
    Fitted { model: Model::new(first, second, sieve), held_out, held_out_same_kind, inputs: rows }
}

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

fn fit_first(examples: &[Example], without: Option<usize>, options: &FitOptions) -> First {
    let used: Vec<&Example> = examples.iter().filter(|e| Some(e.fold) != without).collect();
    let mut first = vocabulary(&used, options.rows);
    let documents = document_rows(&used, &first);
    let heads_fitted: Vec<Linear> = (0..heads::COUNT)
        .into_par_iter()
        .map(|head| {
            let targets: Vec<Target> = used.iter().map(|e| heads::target(e.label, head)).collect();
            fit(&documents, &targets, options.document_penalty, 25)
        })
        .collect();
    (first.document, first.document_scale, first.document_bias) = quantise(&heads_fitted);
    let (sentences, owners) = sentence_rows(&used, &first);
    let heads_fitted: Vec<Linear> = (0..heads::SENTENCE_COUNT)
        .into_par_iter()
        .map(|head| {
            let targets: Vec<Target> =
                owners.iter().map(|(e, nth)| sentence_target(e, *nth, head)).collect();
            fit(&sentences, &targets, options.sentence_penalty, 20)
        })
        .collect();
    (first.sentence, first.sentence_scale, first.sentence_bias) = quantise(&heads_fitted);
    first
}

/// The features that tell most about some question, rare ones left out: the greatest chi-square
/// over all heads' positives decides, so that plain but telling words beat frequent idle ones.
fn vocabulary(used: &[&Example], most: usize) -> First {
    let mut counts: HashMap<u32, [u16; heads::COUNT + 1]> = HashMap::new();
    let mut totals = [0_u16; heads::COUNT];
    for example in used {
        let positive: Vec<usize> =
            (0..heads::COUNT).filter(|h| heads::target(example.label, *h).0 > 0.5).collect();
        positive.iter().for_each(|h| totals[*h] += 1);
        let mut all = example.features.hashes.clone();
        all.sort_unstable();
        all.dedup();
        for hash in all {
            let row = counts.entry(hash).or_insert([0; heads::COUNT + 1]);
            row[heads::COUNT] += 1;
            positive.iter().for_each(|h| row[*h] += 1);
        }
    }
    let total = used.len() as f32;
    let telling = |row: &[u16; heads::COUNT + 1]| -> f32 {
        let n = f32::from(row[heads::COUNT]);
        let one = |(count, all): (&u16, &u16)| {
            let expected = n * f32::from(*all) / total;
            (f32::from(*count) - expected).powi(2) / (expected + 1.0)
        };
        row.iter().zip(&totals).map(one).fold(0.0, f32::max)
    };
    let mut kept: Vec<(f32, u32, u16)> = counts
        .iter()
        .filter(|(_, row)| row[heads::COUNT] >= 4)
        .map(|(hash, row)| (telling(row), *hash, row[heads::COUNT]))
        .collect();
    kept.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    kept.truncate(most);
    kept.sort_by_key(|k| k.1);
    let mut first = First {
        hashes: kept.iter().map(|k| k.1).collect(),
        idf: kept.iter().map(|k| ((1.0 + total) / (1.0 + f32::from(k.2))).ln() + 0.3).collect(),
        ..First::default()
    };
    first.index();
    first
}

fn document_rows(used: &[&Example], first: &First) -> Rows {
    let mut rows = Rows::new(first.hashes.len());
    for example in used {
        let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
        for hash in &example.features.hashes {
            if let Some(row) = first.row(*hash) {
                *counts.entry(row as u32).or_default() += 1.0;
            }
        }
        let terms: Vec<(u32, f32)> =
            counts.into_iter().map(|(r, c)| (r, term(c, first.idf[r as usize]))).collect();
        let norm = terms.iter().map(|t| t.1 * t.1).sum::<f32>().sqrt().max(1e-6);
        // Weights are fitted on rows of length 8, which leaves the penalty a handy range.
        rows.push(terms.into_iter().map(|(r, v)| (r, 8.0 * v / norm)));
    }
    rows
}

/// Sentences for the sentence heads: all that are marked, and of the others a fixed third.
fn sentence_rows<'a>(
    used: &[&'a Example<'a>],
    first: &First,
) -> (Rows, Vec<(&'a Example<'a>, usize)>) {
    let mut rows = Rows::new(first.hashes.len());
    let mut owners = Vec::new();
    for example in used {
        for nth in 0..example.features.ends.len() {
            if example.marks[nth] == 0 && nth % 3 != example.label.text.len() % 3 {
                continue;
            }
            let known: Vec<u32> = example
                .features
                .sentence(nth)
                .iter()
                .filter_map(|h| first.row(*h))
                .map(|r| r as u32)
                .collect();
            let value = 8.0 / (known.len().max(1) as f32).sqrt();
            rows.push(known.into_iter().map(|r| (r, value)));
            owners.push((*example, nth));
        }
    }
    (rows, owners)
}

/// A sentence is a sure negative where its document lacks the category; unmarked sentences of a
/// document that has it count little, as readers quoted only the shortest proof.
fn sentence_target(example: &Example, nth: usize, head: usize) -> Target {
    let label = example.label;
    if example.marks[nth] & (1 << head) != 0 {
        return (1.0, label.weight);
    }
    let present = match head {
        0 => label.severity >= 1,
        1 => label.admirable >= 1,
        h => label.has(Category::ALL[h - heads::SENTENCE_CATEGORY]),
    };
    (0.0, label.weight * if present { 0.3 } else { 1.0 })
}

/// Heads to 8-bit rows, feature by feature. The factor 8 of the training rows is undone in the scale.
fn quantise(heads_fitted: &[Linear]) -> (Vec<i8>, Vec<f32>, Vec<f32>) {
    let width = heads_fitted.first().map_or(0, |h| h.weights.len());
    let steps: Vec<f32> = heads_fitted
        .iter()
        .map(|h| h.weights.iter().fold(0.0_f32, |m, w| m.max(w.abs())).max(1e-9) / 127.0)
        .collect();
    let mut rows = Vec::with_capacity(width * heads_fitted.len());
    for feature in 0..width {
        rows.extend(
            heads_fitted
                .iter()
                .zip(&steps)
                .map(|(h, step)| (h.weights[feature] / step).round() as i8),
        );
    }
    let scales = steps.iter().map(|s| s * 8.0).collect();
    (rows, scales, heads_fitted.iter().map(|h| h.bias).collect())
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
            fit_near(&table, &targets, &super::prior::weights(head), options.stack_penalty, 25)
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

fn verdicts(
    examples: &[Example],
    rows: &[Vec<f32>],
    scores: &[Vec<f32>],
    second: &Second,
) -> Vec<Verdict> {
    examples
        .par_iter()
        .enumerate()
        .map(|(at, example)| {
            let mut calibrated: Vec<f32> =
                (0..heads::COUNT).map(|h| second.calibrate(h, scores[at][h])).collect();
            let mut words = Words::default();
            words.read(&example.label.text);
            let signals = Signals { sentences: rows[at][INPUTS..].to_vec(), ..Signals::default() };
            let mut evidence = Vec::new();
            let (text, thresholds) = (&example.label.text, &second.evidence);
            evidence::choose(text, 0, &words, &signals, thresholds, &calibrated, &mut evidence);
            let looks = super::judge::looks(&calibrated);
            if looks {
                second.raise(&mut calibrated, &example.strengths);
            }
            let mut verdict = Verdict { evidence, ..super::scorer::verdict(&calibrated) };
            if looks {
                rules::attach(&mut verdict, &example.hits, thresholds);
            }
            verdict
        })
        .collect()
}
