//! The fitted model: a sieve, two linear stages, and how they lie in a file.
//!
//! Stage one scores hashed features, of the whole document and of each sentence. Stage two weighs
//! stage one's answers, pooled over sentences, together with dense features, one small linear head
//! per question, and calibrates.

use std::sync::{Arc, LazyLock, OnceLock};

use super::blend::{self, Blend};
use super::features::{DENSE, Features};
use super::flat::Flat;
use super::heads;
use super::packed::{Packed, Tallies};
use super::rules::Strengths;
use super::sieve::Sieve;

/// Inputs of stage two.
pub const INPUTS: usize = DENSE + heads::COUNT + POOLS * heads::SENTENCE_COUNT;
/// How a sentence head is pooled over the sentences: best, mean of the best three, sum.
const POOLS: usize = 3;
const MAGIC: &[u8; 8] = b"PARABLE\x05";

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("not a model file of this version of the program")]
    Magic,
    #[error("the model file ends early, at byte {0}")]
    Short(usize),
    #[error(
        "the model file has {found} {what}, this program expects {expected}; refit it with `parable fit`"
    )]
    Shape { what: &'static str, found: usize, expected: usize },
}

/// A fitted model, immutable and shared by all threads.
pub struct Model {
    pub(super) first: First,
    pub(super) second: Second,
    pub(super) sieve: Sieve,
    version: String,
}

/// Stage one: rows of 8-bit weights by hashed feature.
#[derive(Default, Clone)]
pub struct First {
    pub hashes: Vec<u32>,
    pub idf: Vec<f32>,
    pub document: Vec<i8>,
    pub document_scale: Vec<f32>,
    pub document_bias: Vec<f32>,
    pub sentence: Vec<i8>,
    pub sentence_scale: Vec<f32>,
    pub sentence_bias: Vec<f32>,
    pub(super) rows: Flat<u32>,
    /// Made when the first text is scored: weights and all must stand by then.
    pub(super) packed: OnceLock<Packed>,
}

/// Stage two: for each head its weights over standardised inputs, bias and calibration.
#[derive(Default, Clone)]
pub struct Second {
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// Platt slope and offset per head.
    pub slope: Vec<f32>,
    pub offset: Vec<f32>,
    /// Log-odds that a rule's hit of strength 1 adds, per head.
    pub hit: Vec<f32>,
    /// Log-odds that a hit of strength 1 adds which speaks against the head.
    pub opposed: Vec<f32>,
    /// Evidence threshold per category.
    pub evidence: Vec<f32>,
    pub(super) blend: Blend,
    /// `weights` input by input, made at the first use: so all heads are summed side by side.
    pub(super) by_input: OnceLock<Vec<[f32; heads::COUNT]>>,
}

/// What stage one says of a text.
#[derive(Default)]
pub struct Signals {
    pub document: Vec<f32>,
    /// Log-odds of the sentence heads, sentence after sentence.
    pub sentences: Vec<f32>,
    pub(super) tallies: Tallies,
}

impl First {
    /// Builds the look-up table over `hashes`.
    pub fn index(&mut self) {
        let entries: Vec<(u32, u32)> = self.hashes.iter().copied().zip(0..).collect();
        self.rows = Flat::new(&entries);
    }

    /// Row of a feature, if the model knows it.
    #[must_use]
    pub fn row(&self, hash: u32) -> Option<usize> {
        self.rows.get(hash).map(|row| row as usize)
    }

    /// Scores all sentences and the document. A feature counts once for each sentence.
    pub fn apply(&self, features: &Features, out: &mut Signals) {
        let packed = self.packed.get_or_init(|| Packed::new(self));
        out.sentences.clear();
        for nth in 0..features.ends.len() {
            let (sums, known) = packed.sentence(features, nth, &mut out.tallies);
            let value = 1.0 / (known.max(1) as f32).sqrt();
            for (head, sum) in sums.iter().enumerate() {
                out.sentences.push(
                    *sum as f32 * value * self.sentence_scale[head] + self.sentence_bias[head],
                );
            }
        }
        let (sums, norm) = packed.document(&mut out.tallies, term_of);
        let scale = 1.0 / norm.sqrt().max(1e-6);
        out.document.clear();
        out.document.extend(
            sums.iter()
                .enumerate()
                .map(|(h, s)| s * scale * self.document_scale[h] + self.document_bias[h]),
        );
    }
}

/// [`term`] with the logarithms of small counts, which is nearly all of them, kept.
fn term_of(count: u16, idf: f32) -> f32 {
    static LOGARITHMS: LazyLock<[f32; 64]> =
        LazyLock::new(|| std::array::from_fn(|count| 1.0 + (count as f32).ln()));
    match LOGARITHMS.get(usize::from(count)) {
        Some(factor) => factor * idf,
        None => term(f32::from(count), idf),
    }
}

/// Weight of a feature that occurs in `count` sentences.
#[must_use]
pub fn term(count: f32, idf: f32) -> f32 {
    (1.0 + count.ln()) * idf
}

/// The inputs of stage two for one text.
pub fn inputs(features: &Features, signals: &Signals, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(&features.dense);
    out.extend_from_slice(&signals.document);
    let width = heads::SENTENCE_COUNT;
    for head in 0..width {
        let mut best = [-9.0_f32; 3];
        let mut sum = 0.0;
        for score in signals.sentences.iter().skip(head).step_by(width) {
            sum += super::logistic::sigmoid(*score);
            if *score > best[2] {
                best[2] = *score;
                best.sort_by(|a, b| b.total_cmp(a));
            }
        }
        out.push(best[0]);
        out.push((best[0] + best[1] + best[2]) / 3.0);
        out.push(sum.ln_1p());
    }
}

impl Second {
    /// Uncalibrated log-odds of every head.
    pub fn apply(&self, inputs: &[f32], out: &mut Vec<f32>) {
        let by_input = self.by_input.get_or_init(|| {
            (0..INPUTS)
                .map(|i| std::array::from_fn(|head| self.weights[head * INPUTS + i]))
                .collect()
        });
        // Each head's sum runs over the inputs in order, as a sum alone would.
        let mut sums = [-0.0_f32; heads::COUNT];
        for (i, weights) in by_input.iter().enumerate() {
            let value = self.standard(i, inputs[i]);
            sums.iter_mut().zip(weights).for_each(|(s, w)| *s += w * value);
        }
        out.clear();
        out.extend(sums.iter().zip(&self.bias).map(|(sum, bias)| sum + bias));
    }

    /// Input `i` in standard units, clipped so that an odd layout cannot outweigh everything else.
    #[must_use]
    pub fn standard(&self, i: usize, value: f32) -> f32 {
        ((value - self.mean[i]) * self.scale[i]).clamp(-4.0, 4.0)
    }

    /// Calibrated log-odds of `head`.
    #[must_use]
    pub fn calibrate(&self, head: usize, score: f32) -> f32 {
        self.slope[head] * score + self.offset[head]
    }

    /// Adds what rules' hits of these strengths are worth to calibrated log-odds.
    pub fn raise(&self, scores: &mut [f32], strengths: &Strengths) {
        for (head, score) in scores.iter_mut().enumerate() {
            *score += self.worth(head, strengths);
        }
    }

    /// Log-odds that hits of these strengths add to a head.
    #[must_use]
    pub fn worth(&self, head: usize, strengths: &Strengths) -> f32 {
        self.hit[head] * strengths.own[head] + self.opposed[head] * strengths.opposed[head]
    }
}

impl Model {
    #[must_use]
    pub fn new(first: First, second: Second, sieve: Sieve) -> Self {
        let mut model = Self { first, second, sieve, version: String::new() };
        model.version = blake3::hash(&model.to_bytes()).to_hex()[..16].to_owned();
        model
    }

    /// The model that the program carries.
    #[must_use]
    pub fn embedded() -> Arc<Model> {
        static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
        let load = || {
            let bytes = include_bytes!("../../filters/model/parable.model");
            // The bytes are part of the program and a test loads them: this cannot fail at a user's.
            Arc::new(Model::from_bytes(bytes).expect("the embedded model loads"))
        };
        MODEL.get_or_init(load).clone()
    }

    /// Hash of the model's bytes: 16 hexadecimal digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads a model file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, ModelError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(8)? != MAGIC {
            return Err(ModelError::Magic);
        }
        for (what, expected) in
            [("heads", heads::COUNT), ("sentence heads", heads::SENTENCE_COUNT), ("inputs", INPUTS)]
        {
            let found = reader.u32()? as usize;
            if found != expected {
                return Err(ModelError::Shape { what, found, expected });
            }
        }
        let rows = reader.u32()? as usize;
        let mut first = First {
            hashes: reader.words(rows)?,
            idf: reader.floats(rows)?,
            document: reader.bytes(rows * heads::COUNT)?,
            document_scale: reader.floats(heads::COUNT)?,
            document_bias: reader.floats(heads::COUNT)?,
            sentence: reader.bytes(rows * heads::SENTENCE_COUNT)?,
            sentence_scale: reader.floats(heads::SENTENCE_COUNT)?,
            sentence_bias: reader.floats(heads::SENTENCE_COUNT)?,
            rows: Flat::default(),
            packed: OnceLock::new(),
        };
        first.index();
        let second = Second {
            mean: reader.floats(INPUTS)?,
            scale: reader.floats(INPUTS)?,
            weights: reader.floats(heads::COUNT * INPUTS)?,
            bias: reader.floats(heads::COUNT)?,
            slope: reader.floats(heads::COUNT)?,
            offset: reader.floats(heads::COUNT)?,
            hit: reader.floats(heads::COUNT)?,
            opposed: reader.floats(heads::COUNT)?,
            evidence: reader.floats(crate::taxonomy::Category::COUNT)?,
            blend: Blend(reader.floats(blend::NUMBERS)?.try_into().unwrap_or_default()),
            by_input: OnceLock::new(),
        };
        let sieve = Sieve::read(reader.take(Sieve::BYTES)?);
        let version = blake3::hash(bytes).to_hex()[..16].to_owned();
        Ok(Model { first, second, sieve, version })
    }

    /// The model as a file's bytes: little-endian, no padding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for number in [heads::COUNT, heads::SENTENCE_COUNT, INPUTS, self.first.hashes.len()] {
            out.extend((number as u32).to_le_bytes());
        }
        let floats =
            |out: &mut Vec<u8>, list: &[f32]| list.iter().for_each(|v| out.extend(v.to_le_bytes()));
        let bytes =
            |out: &mut Vec<u8>, list: &[i8]| out.extend(list.iter().map(|b| b.to_le_bytes()[0]));
        let (first, second) = (&self.first, &self.second);
        first.hashes.iter().for_each(|h| out.extend(h.to_le_bytes()));
        floats(&mut out, &first.idf);
        bytes(&mut out, &first.document);
        floats(&mut out, &first.document_scale);
        floats(&mut out, &first.document_bias);
        bytes(&mut out, &first.sentence);
        floats(&mut out, &first.sentence_scale);
        floats(&mut out, &first.sentence_bias);
        for list in [
            &second.mean,
            &second.scale,
            &second.weights,
            &second.bias,
            &second.slope,
            &second.offset,
            &second.hit,
            &second.opposed,
            &second.evidence,
            &second.blend.0.to_vec(),
        ] {
            floats(&mut out, list);
        }
        self.sieve.write(&mut out);
        out
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(ModelError::Short(self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn words(&mut self, count: usize) -> Result<Vec<u32>, ModelError> {
        let bytes = self.take(count.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, ModelError> {
        Ok(self.words(count)?.into_iter().map(f32::from_bits).collect())
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<i8>, ModelError> {
        Ok(self.take(count)?.iter().map(|b| i8::from_le_bytes([*b])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_model_loads_and_round_trips() {
        let model = Model::embedded();
        let again = Model::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(model.version(), again.version());
        assert!(model.first.hashes.len() > 1000);
    }

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        let bytes = Model::embedded().to_bytes();
        assert!(matches!(Model::from_bytes(&bytes[..bytes.len() - 1]), Err(ModelError::Short(_))));
        assert!(matches!(Model::from_bytes(b"something else"), Err(ModelError::Magic)));
    }
}
