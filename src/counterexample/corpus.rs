//! Checks over the whole set: near-duplicates, sentences and names that come too often, and the
//! figures of diversity for the report.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use super::product::Product;
use super::verify::Refusal;
use crate::portrait::each_word;
use crate::score::words::Mixed;
use xxhash_rust::xxh3::xxh3_64;

/// Hash functions of a signature, and how they are banded: two texts of Jaccard 0.7 share a band
/// with a probability above 0.999.
const HASHES: usize = 128;
const BAND: usize = 4;
/// Words of a shingle.
const SHINGLE: usize = 5;
/// Sentences of fewer words may repeat.
const SENTENCE: usize = 8;

type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<Mixed>>;
type HashedSet = HashSet<u64, BuildHasherDefault<Mixed>>;

/// What was accepted so far.
pub struct Corpus {
    /// Most products that may share a sentence or a name.
    most: u32,
    /// Highest estimated Jaccard of two products.
    similar: f32,
    bands: Vec<HashedMap<Vec<u32>>>,
    signatures: Vec<[u32; HASHES]>,
    sentences: HashedMap<u32>,
    names: HashMap<String, u32>,
    grams: [HashedSet; 4],
    gram_count: [u64; 4],
    nearest: f32,
}

/// What of a product the corpus looks at; made in parallel.
pub struct Sketch {
    signature: [u32; HASHES],
    sentences: Vec<u64>,
    names: Vec<String>,
    grams: [Vec<u64>; 4],
}

/// Figures of diversity over the accepted products.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diversity {
    /// Distinct n-grams over all n-grams of all products together, n from 1 to 4.
    pub distinct: [f64; 4],
    /// Mean estimated Jaccard (5-word shingles) of neighbouring products.
    pub self_similarity: f64,
    /// Highest estimated Jaccard of any two products that share a band.
    pub nearest: f32,
    /// Products that hold the most frequent sentence of eight words or more.
    pub commonest_sentence: u32,
    /// The most frequent names and in how many products each stands.
    pub commonest_names: Vec<(String, u32)>,
}

impl Sketch {
    #[must_use]
    pub fn of(product: &Product) -> Self {
        let text = product.all_text();
        let list = hashes(&text);
        let grams = [1, 2, 3, 4].map(|n| list.windows(n).map(gram).collect::<Vec<u64>>());
        let signature = signature(&list);
        let mut seen = HashSet::new();
        let sentences = sentences(&text).filter(|s| seen.insert(*s)).collect();
        let mut names: Vec<String> = Vec::new();
        for person in &product.card.cast {
            for name in [&person.first, &person.last] {
                if !names.contains(name) && stands_in(&text, name) {
                    names.push(name.clone());
                }
            }
        }
        Self { signature, sentences, names, grams }
    }
}

/// Whether a name stands in a text as words of its own.
pub(super) fn stands_in(text: &str, name: &str) -> bool {
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let open = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let rest = &text[at + name.len()..];
            open && rest.chars().next().is_none_or(|c| !c.is_alphanumeric())
        })
}

/// A hash of each word.
fn hashes(text: &str) -> Vec<u64> {
    let mut found = Vec::with_capacity(text.len() / 5);
    each_word(text, |word| found.push(xxh3_64(word.as_bytes())));
    found
}

/// One number for a run of words, given by their hashes.
fn gram(words: &[u64]) -> u64 {
    let joined = words
        .iter()
        .fold(0_u64, |all, word| (all.rotate_left(23) ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25));
    joined ^ (joined >> 32)
}

/// The MinHash signature over the shingles of a text, given by the hashes of its words.
fn signature(words: &[u64]) -> [u32; HASHES] {
    let mut signature = [u32::MAX; HASHES];
    for shingle in words.windows(SHINGLE).map(gram) {
        for (nth, slot) in signature.iter_mut().enumerate() {
            let mixed = (shingle ^ (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
                .wrapping_mul(0xd6e8_feb8_6659_fd93);
            *slot = (*slot).min((mixed >> 32) as u32);
        }
    }
    signature
}

/// Hashes of the sentences of eight words or more.
fn sentences(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split(['.', '!', '?', '\n']).filter_map(|sentence| {
        let list = hashes(sentence);
        (list.len() >= SENTENCE).then(|| gram(&list))
    })
}

impl Corpus {
    /// For a set of so many products.
    #[must_use]
    pub fn new(products: usize) -> Self {
        Self {
            most: (products / 100).max(3) as u32,
            similar: 0.6,
            bands: vec![HashedMap::default(); HASHES / BAND],
            signatures: Vec::new(),
            sentences: HashedMap::default(),
            names: HashMap::new(),
            grams: Default::default(),
            gram_count: [0; 4],
            nearest: 0.0,
        }
    }

    /// Whether a product may join; it joins only through [`Corpus::add`].
    pub fn check(&mut self, sketch: &Sketch) -> Vec<Refusal> {
        let mut found = Vec::new();
        let worst = sketch.sentences.iter().filter_map(|s| self.sentences.get(s)).max();
        if worst.is_some_and(|n| *n >= self.most) {
            found.push(Refusal::new("repeated_sentence", format!("in {} products", self.most)));
        }
        if let Some(name) =
            sketch.names.iter().find(|n| self.names.get(*n).is_some_and(|c| *c >= self.most))
        {
            found.push(Refusal::new("name", format!("{name} stands in {} products", self.most)));
        }
        let nearest = self.nearest_to(sketch);
        if nearest >= self.similar {
            found.push(Refusal::new("near_duplicate", format!("Jaccard about {nearest:.2}")));
        } else {
            self.nearest = self.nearest.max(nearest);
        }
        found
    }

    fn nearest_to(&self, sketch: &Sketch) -> f32 {
        let mut best = 0.0_f32;
        let mut seen = HashSet::new();
        for (band, part) in self.bands.iter().zip(sketch.signature.chunks(BAND)) {
            for other in band.get(&band_key(part)).into_iter().flatten() {
                if seen.insert(*other) {
                    let theirs = &self.signatures[*other as usize];
                    best = best.max(jaccard(&sketch.signature, theirs));
                }
            }
        }
        best
    }

    /// Counts an accepted product.
    pub fn add(&mut self, sketch: Sketch) {
        let id = self.signatures.len() as u32;
        for (band, part) in self.bands.iter_mut().zip(sketch.signature.chunks(BAND)) {
            band.entry(band_key(part)).or_default().push(id);
        }
        self.signatures.push(sketch.signature);
        for sentence in sketch.sentences {
            *self.sentences.entry(sentence).or_default() += 1;
        }
        for name in sketch.names {
            *self.names.entry(name).or_default() += 1;
        }
        for (nth, list) in sketch.grams.into_iter().enumerate() {
            self.gram_count[nth] += list.len() as u64;
            self.grams[nth].extend(list);
        }
    }

    #[must_use]
    pub fn diversity(&self) -> Diversity {
        let mut distinct = [0.0; 4];
        for (nth, share) in distinct.iter_mut().enumerate() {
            let all = self.gram_count[nth].max(1) as f64;
            *share = (self.grams[nth].len() as f64 / all * 10_000.0).round() / 10_000.0;
        }
        let pairs = self.signatures.windows(2);
        let sum: f64 = pairs.clone().map(|p| f64::from(jaccard(&p[0], &p[1]))).sum();
        let mut names: Vec<(String, u32)> =
            self.names.iter().map(|(n, c)| (n.clone(), *c)).collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        names.truncate(5);
        Diversity {
            distinct,
            self_similarity: (sum / pairs.len().max(1) as f64 * 10_000.0).round() / 10_000.0,
            nearest: self.nearest,
            commonest_sentence: self.sentences.values().copied().max().unwrap_or(0),
            commonest_names: names,
        }
    }
}

fn band_key(part: &[u32]) -> u64 {
    part.iter().fold(0, |key, n| (key ^ u64::from(*n)).wrapping_mul(0x0100_0000_01b3_9e3b))
}

/// Estimated Jaccard of the shingles of two texts.
fn jaccard(a: &[u32; HASHES], b: &[u32; HASHES]) -> f32 {
    a.iter().zip(b).filter(|(x, y)| x == y).count() as f32 / HASHES as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(text: &str) -> Sketch {
        Sketch {
            signature: signature(&hashes(text)),
            sentences: sentences(text).collect(),
            names: Vec::new(),
            grams: Default::default(),
        }
    }

    #[test]
    fn near_duplicates_are_refused_and_others_are_not() {
        let text: String = (0..200).map(|n| format!("word{n} ")).collect();
        let near = text.replace("word77 ", "other ");
        let far: String = (0..200).map(|n| format!("term{n} ")).collect();
        let mut corpus = Corpus::new(100);
        corpus.add(sketch(&text));
        assert!(corpus.check(&sketch(&near)).iter().any(|r| r.reason == "near_duplicate"));
        assert!(corpus.check(&sketch(&far)).is_empty());
    }

    #[test]
    fn a_sentence_may_not_come_too_often() {
        let mut corpus = Corpus::new(100);
        let line = "this is one sentence of more than eight words";
        for n in 0..3 {
            corpus.add(sketch(&format!("{line}. Some other words here {n}.")));
        }
        assert!(
            corpus
                .check(&sketch(&format!("{line}.")))
                .iter()
                .any(|r| r.reason == "repeated_sentence")
        );
    }
}
