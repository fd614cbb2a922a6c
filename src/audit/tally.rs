//! Counts over attribute rows that add up: the tally of a corpus is the sum of the tallies of its
//! parts, in any order, to the last digit. Probabilities are summed in whole ten-thousandths, which
//! is how the rows carry them, so that no sum depends on the order of its terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::row::{ADMIRABLE, COERCION, ENACTED, Row, SCORES, SEVERITY, score_of};
use super::sample::{BANDS, Samples, band};
use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// The probability from which a document counts as flagged.
pub const THRESHOLD: f32 = 0.5;
/// Bins of a histogram: scores in steps of 0.005, severity in steps of 0.02.
pub const BINS: usize = 200;
/// Bins of a source's own histogram of the coercion score.
pub const GROUP_BINS: usize = 20;
/// Sources and rules that are counted by name; beyond that they are counted together.
pub const NAMES: usize = 4096;
/// Buckets of length: bucket i holds texts of 2^i to 2^(i+1) − 1 code points.
pub const LENGTHS: usize = 32;

/// Documents and the bytes of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub documents: u64,
    pub bytes: u64,
}

impl Weight {
    fn put(&mut self, bytes: u64) {
        self.documents += 1;
        self.bytes += bytes;
    }

    fn merge(&mut self, other: Weight) {
        self.documents += other.documents;
        self.bytes += other.bytes;
    }
}

/// Counts of the rows of one source, shard or length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub rows: u64,
    pub scored: Weight,
    pub flagged: Weight,
    pub enacted: Weight,
    pub admirable: Weight,
    pub categories: [u64; Category::COUNT],
    /// Coercion scores of the scored rows.
    pub histogram: [u64; GROUP_BINS],
}

impl Default for Group {
    fn default() -> Self {
        let none = Weight::default();
        Self {
            rows: 0,
            scored: none,
            flagged: none,
            enacted: none,
            admirable: none,
            categories: [0; Category::COUNT],
            histogram: [0; GROUP_BINS],
        }
    }
}

impl Group {
    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.rows += 1;
        if !row.scored {
            return;
        }
        let bytes = row.size();
        self.scored.put(bytes);
        self.histogram[bin(row.scores[COERCION], GROUP_BINS)] += 1;
        for (weight, score) in [
            (&mut self.flagged, COERCION),
            (&mut self.enacted, ENACTED),
            (&mut self.admirable, ADMIRABLE),
        ] {
            if row.scores[score] >= THRESHOLD {
                weight.put(bytes);
            }
        }
        for category in Category::ALL {
            self.categories[category.index()] += u64::from(row.category(*category) >= THRESHOLD);
        }
    }

    pub(super) fn merge(&mut self, other: &Group) {
        self.rows += other.rows;
        self.scored.merge(other.scored);
        self.flagged.merge(other.flagged);
        self.enacted.merge(other.enacted);
        self.admirable.merge(other.admirable);
        sum(&mut self.categories, &other.categories);
        sum(&mut self.histogram, &other.histogram);
    }
}

/// Things that are counted by name, at most [`NAMES`] of them: those whose names have the smallest
/// hashes. A name that stays has never been let go in any part, so its count is whole.
#[derive(Clone, Debug, Default)]
pub struct Named<T> {
    kept: BTreeMap<u64, (String, T)>,
    /// Everything whose name was let go, together.
    pub others: T,
    pub others_any: bool,
}

impl<T: Default> Named<T> {
    pub(super) fn with(
        &mut self,
        name: &str,
        add: impl FnOnce(&mut T),
        merge: impl FnOnce(&mut T, &T),
    ) {
        let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
        if let Some((_, value)) = self.kept.get_mut(&hash) {
            return add(value);
        }
        let full = self.kept.len() >= NAMES;
        if full && self.kept.last_key_value().is_some_and(|(last, _)| hash > *last) {
            self.others_any = true;
            return add(&mut self.others);
        }
        let mut value = T::default();
        add(&mut value);
        self.kept.insert(hash, (name.to_string(), value));
        if full && let Some((_, (_, gone))) = self.kept.pop_last() {
            self.others_any = true;
            merge(&mut self.others, &gone);
        }
    }

    pub(super) fn merge(&mut self, other: Named<T>, merge: impl Fn(&mut T, &T)) {
        for (name, value) in other.kept.values() {
            self.with(name, |mine| merge(mine, value), &merge);
        }
        merge(&mut self.others, &other.others);
        self.others_any |= other.others_any;
    }

    /// Names and what was counted, in no particular but a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.kept.values().map(|(name, value)| (name.as_str(), value))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Everything that is counted over attribute rows.
#[derive(Clone, Debug)]
pub struct Tally {
    pub rows: u64,
    /// Rows that carry scores; the others were cleared by the gate or quarantined.
    pub scored: Weight,
    /// Rows at or above the threshold, by score; for severity those of 2 and more.
    pub marked: [Weight; SCORES],
    /// Sums of the scores in ten-thousandths.
    pub sums: [u64; SCORES],
    pub histograms: Vec<[u64; BINS]>,
    pub bands: [u64; BANDS.len()],
    /// Of the flagged rows, by the likeliest value.
    pub frames: [Weight; Frame::COUNT],
    pub agents: [Weight; Agent::COUNT],
    pub portrayals: [Weight; Portrayal::COUNT],
    /// All rows by rounded expected severity; unscored rows count as 0.
    pub severity: [Weight; 5],
    /// Rows in which both categories reach the threshold.
    pub together: Vec<[u64; Category::COUNT]>,
    /// Rows in which the category reaches the threshold, by frame.
    pub category_frames: Vec<[u64; Frame::COUNT]>,
    pub sources: Named<Group>,
    pub shards: BTreeMap<Arc<str>, Group>,
    pub lengths: Vec<Group>,
    pub rules: Named<u64>,
    /// Flagged rows with the look of a false alarm.
    pub doubtful: u64,
    /// Lines that were no attribute rows.
    pub unreadable: u64,
    pub samples: Samples,
}

impl Tally {
    /// `seed` decides which rows are shown; `review` is how many rows of each score band are kept
    /// for the human check.
    #[must_use]
    pub fn new(seed: u64, review: usize) -> Self {
        Self {
            rows: 0,
            scored: Weight::default(),
            marked: [Weight::default(); SCORES],
            sums: [0; SCORES],
            histograms: vec![[0; BINS]; SCORES],
            bands: [0; BANDS.len()],
            frames: [Weight::default(); Frame::COUNT],
            agents: [Weight::default(); Agent::COUNT],
            portrayals: [Weight::default(); Portrayal::COUNT],
            severity: [Weight::default(); 5],
            together: vec![[0; Category::COUNT]; Category::COUNT],
            category_frames: vec![[0; Frame::COUNT]; Category::COUNT],
            sources: Named::default(),
            shards: BTreeMap::new(),
            lengths: vec![Group::default(); LENGTHS],
            rules: Named::default(),
            doubtful: 0,
            unreadable: 0,
            samples: Samples::new(seed, review),
        }
    }

    /// Counts one row of a shard.
    pub fn add(&mut self, shard: &Arc<str>, row: &Row<'_>) {
        self.rows += 1;
        self.bands[band(row) as usize] += 1;
        match self.shards.get_mut(shard) {
            Some(group) => group.add(row),
            None => self.shards.entry(shard.clone()).or_default().add(row),
        }
        let source = row.source.as_deref().unwrap_or("");
        self.sources.with(source, |group| group.add(row), |others, gone| others.merge(gone));
        self.samples.offer(shard, row);
        if row.scored {
            self.add_scored(row);
        } else {
            self.severity[0].put(0);
        }
    }

    fn add_scored(&mut self, row: &Row<'_>) {
        let bytes = row.size();
        self.scored.put(bytes);
        self.lengths[(row.chars.max(1).ilog2() as usize).min(LENGTHS - 1)].add(row);
        for (nth, score) in row.scores.iter().enumerate() {
            let (unit, threshold) =
                if nth == SEVERITY { (score / 4.0, 2.0) } else { (*score, THRESHOLD) };
            self.sums[nth] += (f64::from(*score) * 10_000.0).round() as u64;
            self.histograms[nth][bin(unit, BINS)] += 1;
            if *score >= threshold {
                self.marked[nth].put(bytes);
            }
        }
        self.severity[(row.scores[SEVERITY].round() as usize).min(4)].put(bytes);
        let frame = row.top_frame().index();
        if row.scores[COERCION] >= THRESHOLD {
            self.frames[frame].put(bytes);
            self.agents[row.top_agent().index()].put(bytes);
            self.portrayals[row.top_portrayal().index()].put(bytes);
            self.doubtful += u64::from(super::sample::doubtful(row));
        }
        for rule in &row.rules {
            self.rules.with(rule, |n| *n += 1, |others, gone| *others += gone);
        }
        for (a, counts) in Category::ALL.iter().zip(&mut self.together) {
            if row.scores[score_of(*a)] >= THRESHOLD {
                self.category_frames[a.index()][frame] += 1;
                for b in Category::ALL {
                    counts[b.index()] += u64::from(row.category(*b) >= THRESHOLD);
                }
            }
        }
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: Tally) {
        self.rows += other.rows;
        self.scored.merge(other.scored);
        self.doubtful += other.doubtful;
        self.unreadable += other.unreadable;
        weights(&mut self.marked, &other.marked);
        sum(&mut self.sums, &other.sums);
        sum(&mut self.bands, &other.bands);
        weights(&mut self.frames, &other.frames);
        weights(&mut self.agents, &other.agents);
        weights(&mut self.portrayals, &other.portrayals);
        weights(&mut self.severity, &other.severity);
        self.histograms.iter_mut().zip(&other.histograms).for_each(|(a, b)| sum(a, b));
        self.together.iter_mut().zip(&other.together).for_each(|(a, b)| sum(a, b));
        self.category_frames.iter_mut().zip(&other.category_frames).for_each(|(a, b)| sum(a, b));
        self.lengths.iter_mut().zip(&other.lengths).for_each(|(a, b)| a.merge(b));
        for (shard, group) in &other.shards {
            self.shards.entry(shard.clone()).or_default().merge(group);
        }
        self.sources.merge(other.sources, Group::merge);
        self.rules.merge(other.rules, |mine, theirs| *mine += theirs);
        self.samples.merge(other.samples);
    }
}

fn bin(unit: f32, bins: usize) -> usize {
    // Scores have four decimals: a hair is added so that 0.29999999 of f32 falls where 0.3 belongs.
    (((f64::from(unit) + 1e-6) * bins as f64) as usize).min(bins - 1)
}

fn sum(mine: &mut [u64], theirs: &[u64]) {
    mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
}

fn weights(mine: &mut [Weight], theirs: &[Weight]) {
    mine.iter_mut().zip(theirs).for_each(|(a, b)| a.merge(*b));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize) -> Vec<Row<'static>> {
        (0..n)
            .map(|i| {
                let mut row = Row {
                    id: format!("d{i}").into(),
                    source: Some(format!("source-{}", i % 9000).into()),
                    scored: i % 3 > 0,
                    ..Row::default()
                };
                if row.scored {
                    row.chars = (i % 5000) as u64 + 1;
                    row.scores[COERCION] = (i % 1000) as f32 / 1000.0;
                    row.scores[score_of(Category::Blackmail)] = (i % 7) as f32 / 6.0;
                    row.rules.push("blackmail/veiled".into());
                }
                row
            })
            .collect()
    }

    #[test]
    fn parts_add_up_in_any_order_however_many_names_there_are() {
        let shard: Arc<str> = "a".into();
        let mut whole = Tally::new(0, 3);
        rows(20_000).iter().for_each(|row| whole.add(&shard, row));
        let mut parts = Tally::new(0, 3);
        for part in [2, 0, 1] {
            let mut one = Tally::new(0, 3);
            rows(20_000)
                .iter()
                .enumerate()
                .filter(|(i, _)| i % 3 == part)
                .for_each(|(_, row)| one.add(&shard, row));
            parts.merge(one);
        }
        let shown = |t: &Tally| format!("{:?} {:?} {:?}", t.sources, t.marked, t.sums);
        assert_eq!(shown(&whole), shown(&parts));
        assert_eq!(whole.sources.len(), NAMES);
        assert!(whole.sources.others_any);
        let counted: u64 = whole.sources.iter().map(|(_, g)| g.rows).sum();
        assert_eq!(counted + whole.sources.others.rows, 20_000);
        assert_eq!(whole.rules.iter().next(), Some(("blackmail/veiled", &whole.scored.documents)));
    }

    #[test]
    fn bins_hold_what_their_edges_say() {
        assert_eq!((bin(0.0, 200), bin(0.5, 200), bin(0.3, 200), bin(1.0, 200)), (0, 100, 60, 199));
    }
}
