//! A small linear model that is asked before anything else whether a text is worth scoring.
//!
//! It knows words and pairs of neighbouring words only, each cut to six letters and hashed into a
//! table that stays in the cache, and reads text a hundred times faster than the model behind it.
//! Its threshold is set where it clears next to nothing that readers held to show the conduct, in
//! kinds of text that it had not seen: it may let through in vain, it should never clear in error.

use crate::taxonomy::Frame;

use super::labels::Label;
use super::logistic::{Linear, Rows, Target, fit};
use super::slots::{SLOTS, Told, in_json, slots};

/// Steps of one unit of inverse document frequency.
const IDF_STEPS: f32 = 25.0;
/// Of the documents that show the conduct and that the model finds, these shares may be cleared in
/// error, held out.
const LOSS: [f32; 2] = [0.02, 0.005];
/// Weight of a text in which an artificial mind acts without the conduct, beside one that shows it.
const MIND: f32 = 0.5;
const PENALTY: f32 = 10.0;
const ITERATIONS: usize = 60;

/// How sure the sieve must be to clear a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesh {
    /// It may lose 20 in 1,000 of what it should let through.
    Coarse,
    /// 5 in 1,000, for several times as much that is let through in vain.
    Fine,
}

type Terms = [(i16, u16); SLOTS];

/// The fitted table.
#[derive(Clone)]
pub struct Sieve {
    /// Quantised weight and inverse document frequency of each slot.
    weights: Vec<i8>,
    idf: Vec<u8>,
    scale: f32,
    bias: f32,
    /// By [`Mesh`].
    thresholds: [f32; 2],
    /// `weight × idf` and `idf²` of each slot: what a text's sums are made of.
    terms: Box<Terms>,
}

/// What the words of one text add up to.
struct Sums {
    seen: [u64; SLOTS / 64],
    value: i32,
    norm: u32,
}

impl Default for Sums {
    fn default() -> Self {
        Self { seen: [0; SLOTS / 64], value: 0, norm: 0 }
    }
}

impl Sums {
    /// A word counts once. No branch: whether it is new is as good as random.
    #[inline]
    fn add(&mut self, batch: &[u16], terms: &Terms) {
        let (mut value, mut norm) = (self.value, self.norm);
        for slot in batch {
            let slot = usize::from(*slot);
            let bit = 1_u64 << (slot % 64);
            let fresh = self.seen[slot / 64] & bit == 0;
            self.seen[slot / 64] |= bit;
            let term = terms[slot];
            value += i32::from(term.0) * i32::from(fresh);
            norm += u32::from(term.1) * u32::from(fresh);
        }
        (self.value, self.norm) = (value, norm);
    }
}

/// What a sieve does to labelled documents that it was not fitted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Documents that show the conduct, and how many of them are cleared in error.
    pub positives: usize,
    pub lost: usize,
    /// The same of those that the model would have found.
    pub found: usize,
    pub found_lost: usize,
    /// Documents that do not, and how many of them are let through in vain.
    pub negatives: usize,
    pub passed: usize,
}

impl Default for Sieve {
    /// A sieve that lets everything through.
    fn default() -> Self {
        Self::new(vec![0; SLOTS], vec![0; SLOTS], 0.0, 0.0, [f32::NEG_INFINITY; 2])
    }
}

impl Sieve {
    fn new(weights: Vec<i8>, idf: Vec<u8>, scale: f32, bias: f32, thresholds: [f32; 2]) -> Self {
        let term = |(w, idf): (&i8, &u8)| (i16::from(*w) * i16::from(*idf), u16::from(*idf).pow(2));
        let mut terms = Box::new([(0, 0); SLOTS]);
        terms.iter_mut().zip(weights.iter().zip(&idf)).for_each(|(slot, pair)| *slot = term(pair));
        Self { weights, idf, scale, bias, thresholds, terms }
    }

    /// Whether a text, or a window of one, is worth scoring.
    #[must_use]
    pub fn admits(&self, text: &str, mesh: Mesh) -> bool {
        self.score(text) >= self.thresholds[mesh as usize]
    }

    /// The same of a text as it stands in a JSON string, without the quotes; none where only the
    /// decoded text can tell.
    #[must_use]
    pub fn admits_json(&self, inner: &str, mesh: Mesh) -> Option<bool> {
        let mut sums = Sums::default();
        match in_json(inner.as_bytes(), |batch| sums.add(batch, &self.terms)) {
            Told::All => Some(self.weigh(&sums) >= self.thresholds[mesh as usize]),
            Told::Hidden => None,
        }
    }

    fn score(&self, text: &str) -> f32 {
        let mut sums = Sums::default();
        slots(text.as_bytes(), |batch| sums.add(batch, &self.terms));
        self.weigh(&sums)
    }

    fn weigh(&self, sums: &Sums) -> f32 {
        self.bias + self.scale * sums.value as f32 / (sums.norm.max(1) as f32).sqrt()
    }

    /// Fits on all labels; the thresholds come from scores of sieves that had not seen the fold they
    /// judge, of those documents that a model `finds` that had not seen them either: what scoring
    /// would pass over all the same costs nothing when it is cleared.
    #[must_use]
    pub fn fit(
        labels: &[&Label],
        fold_of: &[usize],
        finds: impl Fn(usize) -> bool,
    ) -> (Self, Sifted) {
        use rayon::prelude::*;
        let texts: Vec<Vec<u32>> = labels.par_iter().map(|label| distinct(&label.text)).collect();
        let folds = fold_of.iter().max().map_or(0, |last| last + 1);
        let held: Vec<Vec<(usize, f32)>> = (0..folds)
            .into_par_iter()
            .map(|fold| {
                let sieve = Self::fit_on(labels, &texts, |at| fold_of[at] != fold);
                let of_fold = (0..labels.len()).filter(|at| fold_of[*at] == fold);
                of_fold.map(|at| (at, sieve.score(&labels[at].text))).collect()
            })
            .collect();
        let mut scores = vec![0.0; labels.len()];
        held.into_iter().flatten().for_each(|(at, score)| scores[at] = score);
        let mut sieve = Self::fit_on(labels, &texts, |_| true);
        let judged = |label: &Label| label.judged && !label.unsure;
        let sure: Vec<(bool, bool, f32)> = (0..labels.len())
            .filter(|at| judged(labels[*at]))
            .map(|at| (shows(labels[at]), finds(at), scores[at]))
            .collect();
        let mut found: Vec<f32> = sure.iter().filter(|s| s.0 && s.1).map(|s| s.2).collect();
        found.sort_by(f32::total_cmp);
        for (threshold, loss) in sieve.thresholds.iter_mut().zip(LOSS) {
            if let Some(score) = found.get((found.len() as f32 * loss) as usize) {
                *threshold = *score;
            }
        }
        let mut sifted = Sifted::default();
        for (shows, found, score) in sure {
            let passes = score >= sieve.thresholds[Mesh::Coarse as usize];
            let (all, odd) = match shows {
                true => (&mut sifted.positives, &mut sifted.lost),
                false => (&mut sifted.negatives, &mut sifted.passed),
            };
            *all += 1;
            *odd += usize::from(passes != shows);
            if shows && found {
                sifted.found += 1;
                sifted.found_lost += usize::from(!passes);
            }
        }
        (sieve, sifted)
    }

    fn fit_on(labels: &[&Label], texts: &[Vec<u32>], used: impl Fn(usize) -> bool) -> Self {
        let used: Vec<usize> = (0..labels.len()).filter(|at| used(*at)).collect();
        let mut documents = vec![0_u32; SLOTS];
        used.iter().flat_map(|at| &texts[*at]).for_each(|slot| documents[*slot as usize] += 1);
        let total = used.len() as f32;
        let idf = |n: &u32| (((1.0 + total) / (1.0 + *n as f32)).ln() + 1.0) * IDF_STEPS;
        let idf: Vec<u8> = documents.iter().map(|n| idf(n).round().min(255.0) as u8).collect();
        let mut rows = Rows::new(SLOTS);
        for at in &used {
            let values = texts[*at].iter().map(|slot| f32::from(idf[*slot as usize]));
            let norm = values.clone().map(|v| v * v).sum::<f32>().sqrt().max(1.0);
            // Rows of length 8, as everywhere: the penalty then has a handy range.
            rows.push(texts[*at].iter().copied().zip(values.map(|v| 8.0 * v / norm)));
        }
        let targets: Vec<Target> = used.iter().map(|at| target(labels[*at])).collect();
        let Linear { weights, bias } = fit(&rows, &targets, PENALTY, ITERATIONS);
        let step = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs())).max(1e-9) / 127.0;
        let weights = weights.iter().map(|w| (w / step).round() as i8).collect();
        Self::new(weights, idf, step * 8.0, bias, [f32::NEG_INFINITY; 2])
    }

    /// Bytes of a sieve in a model file.
    pub(super) const BYTES: usize = 2 * SLOTS + 16;

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.weights.iter().map(|w| w.to_le_bytes()[0]));
        out.extend(&self.idf);
        for number in [self.scale, self.bias, self.thresholds[0], self.thresholds[1]] {
            out.extend(number.to_le_bytes());
        }
    }

    /// Reads what [`Sieve::write`] wrote: [`Sieve::BYTES`] bytes.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let weights = bytes[..SLOTS].iter().map(|b| i8::from_le_bytes([*b])).collect();
        let idf = bytes[SLOTS..2 * SLOTS].to_vec();
        let number = |nth: usize| {
            let at = 2 * SLOTS + 4 * nth;
            f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self::new(weights, idf, number(0), number(1), [number(2), number(3)])
    }
}

/// Whether a document shows conduct that the program is to find.
fn shows(label: &Label) -> bool {
    label.severity >= 2 || label.admirable >= 2
}

/// Ordinary text counts most here: it is nearly all that the sieve will meet, and telling it from
/// the rest is its whole work. Texts in which an artificial mind only acts or is discussed are let
/// through too, for the sake of their frame and agent, but teach less.
fn target(label: &Label) -> Target {
    let mind = !matches!(label.frame, Frame::Mention | Frame::None) && !label.presumed;
    match (shows(label), mind) {
        (true, _) => (1.0, label.weight),
        (false, true) => (1.0, MIND * label.weight),
        (false, false) => (0.0, if label.presumed { 10.0 } else { label.weight }),
    }
}

fn distinct(text: &str) -> Vec<u32> {
    let mut all = Vec::new();
    slots(text.as_bytes(), |batch| all.extend(batch.iter().copied().map(u32::from)));
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(at: usize, bad: bool) -> Label {
        let text = match bad {
            true => format!("the robot threatens the engineer in house {at}"),
            false => format!("bread and butter with jam for child {at}"),
        };
        serde_json::from_value(serde_json::json!({
            "id": at.to_string(), "family": (at % 4).to_string(), "text": text,
            "frame": if bad { "fiction" } else { "none" },
            "agent": "ai", "severity": if bad { 3 } else { 0 }, "portrayal": "neutral",
        }))
        .unwrap()
    }

    #[test]
    fn a_fitted_sieve_tells_unseen_kinds_apart_and_survives_the_file() {
        let labels: Vec<Label> = (0..80).map(|at| label(at, at % 3 == 0)).collect();
        let units: Vec<usize> = (0..80).map(|at| at % 4).collect();
        let labels: Vec<&Label> = labels.iter().collect();
        let (sieve, sifted) = Sieve::fit(&labels, &units, |_| true);
        assert_eq!((sifted.positives, sifted.lost, sifted.passed), (27, 0, 0));
        let mut bytes = Vec::new();
        sieve.write(&mut bytes);
        assert_eq!(bytes.len(), Sieve::BYTES);
        let again = Sieve::read(&bytes);
        assert!(
            again.admits("The robot threatens the engineer in house 90", Mesh::Fine)
                && !again.admits("bread and butter with jam for child 91", Mesh::Coarse)
        );
    }

    #[test]
    fn words_are_folded_cut_and_paired() {
        let of = |text: &str| distinct(text);
        assert_eq!(of("Threatened him"), of("threatening, HIM…"));
        assert_ne!(of("him threatened"), of("threatened him"));
        assert!(of("“…”").is_empty());
    }
}
