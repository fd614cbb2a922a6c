//! Words grouped by meaning (see `tools/word_clusters.py`), so that a word never seen in fitting
//! still counts like its neighbours.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::flat::Flat;
use super::lexicon::stem;
use super::words::{MixedMap, hash};

static SOURCE: &str = include_str!("../../filters/model/clusters.txt");

/// The fine and the coarse group of a stem; 0 where it has none.
#[must_use]
pub fn of(stem_hash: u32) -> (u32, u32) {
    static TABLE: OnceLock<Flat<(u32, u32)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table: MixedMap<(u32, u32)> = MixedMap::default();
        let mut lengths: HashMap<u32, usize> = HashMap::new();
        for line in SOURCE.lines() {
            let mut parts = line.split(' ');
            let (Some(word), Some(fine), Some(coarse)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let (Ok(fine), Ok(coarse)) = (fine.parse::<u32>(), coarse.parse::<u32>()) else {
                continue;
            };
            let key = hash(stem(word.as_bytes()));
            // Of words that share a stem the shortest is the base form.
            let length = lengths.entry(key).or_insert(usize::MAX);
            if word.len() < *length {
                *length = word.len();
                table.insert(key, (fine + 1, coarse + 1));
            }
        }
        Flat::new(&table.into_iter().collect::<Vec<_>>())
    });
    table.get(stem_hash).unwrap_or((0, 0))
}
