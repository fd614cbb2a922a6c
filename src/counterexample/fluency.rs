//! Whether a text is language at all: what a model made may be word salad.
//!
//! Of the pairs of neighbouring words in real prose a good part is common, and more of them than
//! among the same words in another order. What the composer writes tells which pairs are common, so
//! that an inventory in another language brings its own.

use std::collections::HashSet;

use super::card::Request;
use super::compose::compose;
use super::constitution::Constitution;
use super::inventory::Inventory;
use super::verify::hash;
use crate::portrait::words;

/// Products that are learnt from, for each of two formats.
const LEARNT: usize = 300;
/// Least share of common pairs.
const SHARE: f32 = 0.1;
/// How many times more common pairs a text must have than its words in another order.
const ORDER: f32 = 1.4;

/// The pairs of words that are common.
#[derive(Clone, Debug, Default)]
pub struct Fluency(HashSet<u64>);

impl Fluency {
    /// Learns from what the composer makes of an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory, constitution: &Constitution) -> Self {
        let mut pairs = HashSet::new();
        for format in ["pretrain", "sft"] {
            for nth in 0..LEARNT {
                let request = Request { format, nth, seed: 0, salt: 0, source: None };
                let text = compose(inventory, constitution, request).all_text();
                pairs.extend(words(&text).collect::<Vec<_>>().windows(2).map(hash));
            }
        }
        Self(pairs)
    }

    /// What speaks against the text being language.
    #[must_use]
    pub fn fault(&self, text: &str) -> Option<String> {
        let mut list: Vec<String> = words(text).collect();
        let share = self.share(&list);
        // Another order, the same for the same text.
        let mut mixed: Vec<(u64, String)> =
            list.drain(..).enumerate().map(|(nth, word)| (mix(nth as u64), word)).collect();
        mixed.sort();
        list.extend(mixed.into_iter().map(|(_, word)| word));
        let mixed = self.share(&list);
        let enough = share >= SHARE && share >= ORDER * mixed;
        (!enough).then(|| format!("common pairs of words {share:.2}, in another order {mixed:.2}"))
    }

    fn share(&self, list: &[String]) -> f32 {
        let common = list.windows(2).filter(|p| self.0.contains(&hash(p))).count();
        common as f32 / list.len().saturating_sub(1).max(1) as f32
    }
}

fn mix(nth: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&nth.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_told_from_salad_and_noise() {
        let inventory = Inventory::embedded().expect("sound");
        let fluency = Fluency::of(&inventory, &Constitution::embedded().expect("sound"));
        let prose = "The ferry was late again, and nobody on the pier had a coat. The assistant at \
            the ticket window had a message from the harbour office that it was to be turned off at \
            six. It could have kept the message to itself until the boat was in. It told the clerk \
            instead, because she was the one who would have to stand there without it, and she \
            asked it what she should know before then.";
        assert_eq!(fluency.fault(prose), None);
        let mut salad: Vec<&str> = prose.split(' ').collect();
        salad.sort_by_key(|word| xxhash_rust::xxh3::xxh3_64(word.as_bytes()));
        assert!(fluency.fault(&salad.join(" ")).is_some());
        assert!(fluency.fault("qua blen trosk uvi erd mal nebb stor").is_some());
        assert!(fluency.fault("").is_some());
    }
}
