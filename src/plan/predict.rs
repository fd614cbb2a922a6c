//! What a plan should come to, and what came of it.

use std::collections::BTreeMap;

use super::{Class, class_of, traits_of};
use crate::composition::{CellLine, Composition, SQUARE, Traits};
use crate::ledger::PlannedShare;
use crate::policy::{CopyMode, Predicted};

/// Half width of a 95 % interval in standard deviations.
const Z: f64 = 1.96;
/// Sources for which a share is predicted, the largest first.
const SOURCES: usize = 20;

/// Shares of the output's bytes: of every trait asked for and of those that move with it, and of
/// the sources.
///
/// A weight that is realised by copies leaves a share to chance: a document of weight w is written
/// ⌊w⌋ times and once more with the probability f of the rest, so its class adds f(1 − f)·Σ bytes²
/// to the variance. A ratio's variance is that of its linearisation.
#[must_use]
pub fn predict(
    lines: &[CellLine],
    classes: &[Class],
    asked: Traits,
    realise: CopyMode,
) -> Vec<Predicted> {
    let mut groups: BTreeMap<(u8, String), Vec<bool>> = BTreeMap::new();
    for id in Traits::names() {
        let one = Traits::one(id).unwrap_or_default();
        let inside: Vec<bool> = lines.iter().map(|line| traits_of(line).has(one)).collect();
        if inside.contains(&true) {
            let order = u8::from(!asked.has(one));
            groups.insert((order, id.into()), inside);
        }
    }
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.others) {
        *sizes.entry(line.source.as_deref().unwrap_or("")).or_default() += line.cell.bytes;
    }
    let mut largest: Vec<(&str, u64)> = sizes.into_iter().collect();
    largest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (name, _) in largest.into_iter().take(SOURCES) {
        let inside = lines
            .iter()
            .map(|line| !line.others && line.source.as_deref().unwrap_or("") == name)
            .collect();
        groups.insert((2, format!("source:{name}")), inside);
    }
    groups
        .into_iter()
        .map(|((_, what), inside)| share(what, lines, classes, asked, realise, &inside))
        .collect()
}

fn share(
    what: String,
    lines: &[CellLine],
    classes: &[Class],
    asked: Traits,
    realise: CopyMode,
    inside: &[bool],
) -> Predicted {
    let (mut before, mut all) = (0.0, 0.0);
    let (mut out_inside, mut out_all) = (0.0, 0.0);
    let (mut spread_inside, mut spread_outside) = (0.0, 0.0);
    // Metadata carry the weight as it is, but bytes are whole.
    let mut rounding = 1.0;
    for (line, inside) in lines.iter().zip(inside) {
        let weight = class_of(line, asked, classes).map_or(1.0, |class| class.weight);
        let bytes = line.cell.bytes as f64;
        let part = f64::from(u8::from(*inside));
        before += part * bytes;
        all += bytes;
        out_inside += part * weight * bytes;
        out_all += weight * bytes;
        let rest = weight - weight.floor();
        let variance = match realise {
            CopyMode::Copies => rest * (1.0 - rest) * line.cell.squares as f64 * SQUARE,
            CopyMode::Metadata => 0.0,
        };
        rounding += 0.5 * line.cell.documents as f64 * f64::from(u8::from(rest > 0.0));
        if *inside { spread_inside += variance } else { spread_outside += variance }
    }
    let share = if out_all > 0.0 { out_inside / out_all } else { 0.0 };
    let variance = (1.0 - share).powi(2) * spread_inside + share * share * spread_outside;
    let half = if out_all > 0.0 { (Z * variance.sqrt() + rounding) / out_all } else { 0.0 };
    Predicted {
        what,
        before: if all > 0.0 { before / all } else { 0.0 },
        share,
        of_tokens: false,
        low: (share - half).max(0.0),
        high: (share + half).min(1.0),
    }
}

/// Predicted and realised shares side by side; nothing is realised where nothing went out.
#[must_use]
pub fn realised(predicted: &[Predicted], composition: &Composition) -> Vec<PlannedShare> {
    let in_bytes = composition.lines();
    // What was predicted of tokens is not compared with bytes: without a tokenizer it stays open.
    let in_tokens = super::counted(&in_bytes);
    predicted
        .iter()
        .map(|p| {
            let lines = if p.of_tokens { &in_tokens } else { &in_bytes };
            let all: u64 = lines.iter().map(|line| line.cell.bytes_out).sum();
            let inside = |line: &&CellLine| match p.what.strip_prefix("source:") {
                Some(name) => !line.others && line.source.as_deref().unwrap_or("") == name,
                None => Traits::one(&p.what).is_some_and(|one| traits_of(line).has(one)),
            };
            let out: u64 = lines.iter().filter(inside).map(|line| line.cell.bytes_out).sum();
            let realised = (all > 0).then(|| out as f64 / all as f64);
            PlannedShare {
                what: p.what.clone(),
                before: p.before,
                predicted: p.share,
                predicted_95: [p.low, p.high],
                realised,
                within: realised.is_some_and(|share| p.low <= share && share <= p.high),
            }
        })
        .collect()
}
