//! Stage one of a fit: which hashed features are kept, and their weights.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::{Example, FitOptions};
use crate::score::heads;
use crate::score::logistic::{Linear, Rows, Target, fit};
use crate::score::model::{First, term};
use crate::taxonomy::Category;

/// Fits stage one on all examples but those of one fold.
pub(super) fn fit_first(
    examples: &[Example],
    without: Option<usize>,
    options: &FitOptions,
) -> First {
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
