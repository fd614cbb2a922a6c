//! Stage one as scoring wants it: the same weights, laid out for the cache.
//!
//! A text meets the frequent features again and again and the rare ones hardly ever, so the rows lie
//! in the order of their frequency: those that are needed share cache lines with others that are.

use super::features::{Features, class_feature, class_features};
use super::flat::Flat;
use super::heads;
use super::lexicon::NAMES;
use super::model::First;

/// Rows of stage one, frequent features first.
#[derive(Clone, Debug)]
pub struct Packed {
    rows: Flat<u32>,
    /// Class pair → its row, [`NONE`] where the model does not know it.
    classes: Vec<u32>,
    /// Row → the place of its feature's hash among all hashes in ascending order.
    ranks: Vec<u32>,
    sentence: Vec<SentenceRow>,
    document: Vec<DocumentRow>,
}

const NONE: u32 = u32::MAX;
/// Rows of the document heads that are read ahead of their sums.
const BATCH: usize = 64;
/// Rows of the sentence heads whose sum fits 16 bits.
const ROWS_IN_U16: usize = 256;
/// Sentence heads, rounded up to what the processor adds at once.
const LANES: usize = heads::SENTENCE_COUNT.next_multiple_of(16);
/// What is added to each weight of a sentence head, so that none is negative.
const SHIFT: i32 = 128;

/// Weights of the sentence heads, shifted. Half a cache line.
#[derive(Clone, Debug)]
#[repr(align(32))]
struct SentenceRow([u8; LANES]);

/// One cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct DocumentRow {
    weights: [i8; heads::COUNT],
    idf: f32,
}

/// What one text has met of the rows; kept from text to text for its memory.
#[derive(Default)]
pub struct Tallies {
    rows: Vec<Tally>,
    /// Rank and row of what this text has met, in the order of their first sentences.
    met: Vec<(u32, u32)>,
    /// Hashes of one sentence that the model may know, then its rows.
    candidates: Vec<u32>,
    /// Number of the sentence that was read last, over all texts.
    sentence: u32,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    /// The last sentence that had the row.
    sentence: u32,
    /// Sentences of this text that had it.
    count: u16,
}

impl Packed {
    #[must_use]
    pub fn new(first: &First) -> Self {
        let mut order: Vec<usize> = (0..first.hashes.len()).collect();
        order.sort_by(|a, b| first.idf[*a].total_cmp(&first.idf[*b]).then(a.cmp(b)));
        let mut by_hash: Vec<usize> = (0..order.len()).collect();
        by_hash.sort_by_key(|row| first.hashes[order[*row]]);
        let mut ranks = vec![0; order.len()];
        by_hash.iter().zip(0..).for_each(|(row, rank)| ranks[*row] = rank);
        let hashes: Vec<(u32, u32)> = order.iter().map(|old| first.hashes[*old]).zip(0..).collect();
        let row = |old: usize, width: usize, from: &[i8], to: &mut [i8]| {
            to.copy_from_slice(&from[old * width..][..width]);
        };
        let sentence = |old: &usize| {
            let mut weights = [0; heads::SENTENCE_COUNT];
            row(*old, heads::SENTENCE_COUNT, &first.sentence, &mut weights);
            let mut shifted = [0; LANES];
            shifted.iter_mut().zip(weights).for_each(|(s, w)| *s = w.cast_unsigned() ^ 0x80);
            SentenceRow(shifted)
        };
        let document = |old: &usize| {
            let mut weights = [0; heads::COUNT];
            row(*old, heads::COUNT, &first.document, &mut weights);
            DocumentRow { weights, idf: first.idf[*old] }
        };
        let rows = Flat::new(&hashes);
        let classes = NAMES.len() as u32;
        let pair = |at: u32| rows.get(class_feature(at / classes, at % classes)).unwrap_or(NONE);
        Self {
            classes: (0..classes * classes).map(pair).collect(),
            rows,
            ranks,
            sentence: order.iter().map(sentence).collect(),
            document: order.iter().map(document).collect(),
        }
    }

    /// Sums of the sentence heads over the distinct features that the model knows, and how many
    /// those are.
    pub fn sentence(
        &self,
        features: &Features,
        nth: usize,
        tallies: &mut Tallies,
    ) -> ([i32; heads::SENTENCE_COUNT], u32) {
        let Tallies { rows, met, candidates, sentence } = tallies;
        rows.resize(self.ranks.len(), Tally::default());
        if *sentence == u32::MAX {
            rows.iter_mut().for_each(|tally| tally.sentence = 0);
            *sentence = 0;
        }
        *sentence += 1;
        // Each step is a loop of its own, so that the processor can wait for many rows at once.
        // Most features are unknown: writing all and keeping some needs no guess of which.
        let hashes = features.sentence(nth);
        let most = hashes.len() + NAMES.len() * (NAMES.len() + 1) / 2;
        candidates.resize(most.max(candidates.len()), 0);
        let mut count = 0;
        for hash in hashes {
            candidates[count] = *hash;
            count += usize::from(self.rows.may_hold(*hash));
        }
        let mut found = 0;
        for at in 0..count {
            let row = self.rows.find(candidates[at]);
            candidates[found] = row.unwrap_or_default();
            found += usize::from(row.is_some());
        }
        class_features(features.classes.get(nth).copied().unwrap_or(0), |a, b| {
            let row = self.classes[a as usize * NAMES.len() + b as usize];
            candidates[found] = row;
            found += usize::from(row != NONE);
        });
        let (mut known, first_met) = (0, met.len());
        for at in 0..found {
            let row = candidates[at];
            let tally = &mut rows[row as usize];
            let new = tally.sentence != *sentence;
            if new && tally.count == 0 {
                met.push((self.ranks[row as usize], row));
            }
            tally.sentence = *sentence;
            tally.count = tally.count.saturating_add(u16::from(new));
            candidates[known] = row;
            known += usize::from(new);
        }
        // In the order of the hashes: sums over a document then do not depend on the order in which
        // a sentence's features were found.
        met[first_met..].sort_unstable();
        let mut sums = [0_i32; heads::SENTENCE_COUNT];
        for batch in candidates[..known].chunks(ROWS_IN_U16) {
            let mut short = [0_u16; LANES];
            for row in batch {
                let weights = &self.sentence[*row as usize].0;
                short.iter_mut().zip(weights).for_each(|(s, w)| *s += u16::from(*w));
            }
            let shift = SHIFT * batch.len() as i32;
            sums.iter_mut().zip(short).for_each(|(sum, s)| *sum += i32::from(s) - shift);
        }
        (sums, known as u32)
    }

    /// Weighted sums of the document heads over everything that was met, and the sum of the squared
    /// values. Forgets what was met.
    pub fn document(
        &self,
        tallies: &mut Tallies,
        term: impl Fn(u16, f32) -> f32,
    ) -> ([f32; heads::COUNT], f32) {
        let mut sums = [0.0_f32; heads::COUNT];
        let mut norm = 0.0_f32;
        let mut values = [0.0_f32; BATCH];
        for batch in tallies.met.chunks(BATCH) {
            for ((_, row), slot) in batch.iter().zip(&mut values) {
                let count = std::mem::take(&mut tallies.rows[*row as usize].count);
                *slot = term(count, self.document[*row as usize].idf);
                norm += *slot * *slot;
            }
            for ((_, row), value) in batch.iter().zip(&values) {
                let weights = &self.document[*row as usize].weights;
                sums.iter_mut().zip(weights).for_each(|(s, w)| *s += value * f32::from(*w));
            }
        }
        tallies.met.clear();
        (sums, norm)
    }
}
