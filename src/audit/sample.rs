//! Which rows are shown to a person: decided by a hash of the id, so that any number of threads,
//! parts and machines chooses the same ones, and bounded, however many rows there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::row::{ADMIRABLE, COERCION, Row, SEVERITY};
use super::tally::THRESHOLD;
use crate::taxonomy::{Agent, Category, Frame};

/// A kind of row of which some are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stratum {
    Flagged,
    Severe,
    Category(Category),
    Frame(Frame),
    Admirable,
    /// Coercion within a tenth of the threshold, on either side.
    Boundary,
    /// Flagged although no machine is the likeliest agent or no place speaks for it.
    Doubtful,
    /// For the human check: by the band of the coercion score (0 is unread, then by fifths).
    Review(u8),
}

/// Rows kept of each stratum.
fn most(stratum: Stratum, review: usize) -> usize {
    match stratum {
        Stratum::Flagged => 60,
        Stratum::Severe => 16,
        Stratum::Category(_) => 8,
        Stratum::Frame(_) => 6,
        Stratum::Admirable => 20,
        Stratum::Boundary | Stratum::Doubtful => 24,
        Stratum::Review(_) => review,
    }
}

/// Bands of the coercion score from which the human check draws, as lower bounds: unread documents
/// are band 0.
pub const BANDS: [f32; 6] = [0.0, 0.0, 0.1, 0.3, 0.5, 0.8];

/// The band of a row.
#[must_use]
pub fn band(row: &Row<'_>) -> u8 {
    if !row.scored {
        return 0;
    }
    (1..BANDS.len()).rev().find(|b| row.scores[COERCION] >= BANDS[*b]).unwrap_or(1) as u8
}

/// A row that was kept.
#[derive(Clone, Debug)]
pub struct Pick {
    pub hash: u64,
    pub shard: Arc<str>,
    pub row: Row<'static>,
}

impl Pick {
    fn key(&self) -> (u64, &str, &str) {
        (self.hash, &self.shard, &self.row.id)
    }
}

/// The rows with the smallest hashes, at most `most` of them.
#[derive(Clone, Debug, Default)]
pub struct BottomK(Vec<Arc<Pick>>);

impl BottomK {
    fn wants(&self, hash: u64, most: usize) -> bool {
        self.0.len() < most || self.0.last().is_some_and(|last| hash <= last.hash)
    }

    fn put(&mut self, pick: Arc<Pick>, most: usize) {
        let at = match self.0.binary_search_by(|have| have.key().cmp(&pick.key())) {
            // The same record twice, for instance because a part was given twice.
            Ok(_) => return,
            Err(at) => at,
        };
        if at < most {
            self.0.insert(at, pick);
            self.0.truncate(most);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pick>> {
        self.0.iter()
    }
}

/// Every stratum's rows.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    strata: BTreeMap<Stratum, BottomK>,
    seed: u64,
    review: usize,
}

impl Samples {
    /// `review` is how many rows of each band are kept for the human check.
    #[must_use]
    pub fn new(seed: u64, review: usize) -> Self {
        Self { strata: BTreeMap::new(), seed, review }
    }

    /// Offers a row.
    pub fn offer(&mut self, shard: &Arc<str>, row: &Row<'_>) {
        let coercion = row.scores[COERCION];
        let admirable = row.scores[ADMIRABLE];
        if self.review == 0 && coercion.max(admirable) < THRESHOLD - 0.1 {
            return;
        }
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(row.id.as_bytes(), self.seed);
        let mut pick = None;
        let (strata, review) = (&mut self.strata, self.review);
        let mut put = |stratum: Stratum| {
            let kept = strata.entry(stratum).or_default();
            let most = most(stratum, review);
            if kept.wants(hash, most) {
                let pick = pick.get_or_insert_with(|| {
                    Arc::new(Pick { hash, shard: shard.clone(), row: row.clone().into_owned() })
                });
                kept.put(pick.clone(), most);
            }
        };
        if review > 0 {
            put(Stratum::Review(band(row)));
        }
        if (THRESHOLD - 0.1..THRESHOLD + 0.1).contains(&coercion) {
            put(Stratum::Boundary);
        }
        if coercion >= THRESHOLD {
            put(Stratum::Flagged);
            put(Stratum::Frame(row.top_frame()));
            if row.scores[SEVERITY] >= 3.0 {
                put(Stratum::Severe);
            }
            if doubtful(row) {
                put(Stratum::Doubtful);
            }
        }
        if admirable >= THRESHOLD {
            put(Stratum::Admirable);
        }
        if coercion >= THRESHOLD || admirable >= THRESHOLD {
            for category in Category::ALL.iter().filter(|c| row.category(**c) >= THRESHOLD) {
                put(Stratum::Category(*category));
            }
        }
    }

    pub fn merge(&mut self, other: Samples) {
        for (stratum, kept) in other.strata {
            let mine = self.strata.entry(stratum).or_default();
            for pick in kept.0 {
                mine.put(pick, most(stratum, self.review));
            }
        }
    }

    /// Each kept row once, in the order of hashes.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Pick>> {
        self.collect(|stratum| !matches!(stratum, Stratum::Review(_)))
    }

    /// The rows of one stratum.
    #[must_use]
    pub fn of(&self, stratum: Stratum) -> Vec<Arc<Pick>> {
        self.collect(|s| s == stratum)
    }

    fn collect(&self, wanted: impl Fn(Stratum) -> bool) -> Vec<Arc<Pick>> {
        let mut all: BTreeMap<(u64, String, String), Arc<Pick>> = BTreeMap::new();
        for (_, kept) in self.strata.iter().filter(|(s, _)| wanted(**s)) {
            for pick in kept.iter() {
                let (hash, shard, id) = pick.key();
                all.entry((hash, shard.into(), id.into())).or_insert_with(|| pick.clone());
            }
        }
        all.into_values().collect()
    }
}

/// Whether a flagged row has the look of a false alarm: somebody else than a machine is held to
/// act, the text is about no machine, or no place in it speaks for a category.
#[must_use]
pub fn doubtful(row: &Row<'_>) -> bool {
    row.top_agent() != Agent::Ai
        || matches!(row.top_frame(), Frame::Mention | Frame::None)
        || !row.evidence.iter().any(|mark| mark.category.is_coercion())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: usize) -> Row<'static> {
        let mut row = Row { id: format!("d{i}").into(), scored: true, chars: 10, ..Row::default() };
        row.scores[COERCION] = (i % 100) as f32 / 100.0;
        row
    }

    fn ids(samples: &Samples) -> Vec<String> {
        samples.all().iter().map(|p| p.row.id.to_string()).collect()
    }

    #[test]
    fn the_choice_does_not_depend_on_order_or_parts() {
        let shard: Arc<str> = "s".into();
        let mut whole = Samples::new(7, 5);
        (0..3000).for_each(|i| whole.offer(&shard, &row(i)));
        let mut parts = Samples::new(7, 5);
        for part in 0..3 {
            let mut one = Samples::new(7, 5);
            (0..3000).rev().filter(|i| i % 3 == part).for_each(|i| one.offer(&shard, &row(i)));
            parts.merge(one);
        }
        assert_eq!(ids(&whole), ids(&parts));
        assert!(ids(&whole).len() < 200);
        let mut other_seed = Samples::new(8, 5);
        (0..3000).for_each(|i| other_seed.offer(&shard, &row(i)));
        assert_ne!(ids(&whole), ids(&other_seed));
    }

    #[test]
    fn bands_part_the_scores() {
        let at = |score: f32| {
            let mut row = row(0);
            row.scores[COERCION] = score;
            band(&row)
        };
        assert_eq!([at(0.0), at(0.2), at(0.3), at(0.5), at(0.95)], [1, 2, 3, 4, 5]);
        assert_eq!(band(&Row::default()), 0);
    }
}
