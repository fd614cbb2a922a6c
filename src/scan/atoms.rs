//! One search for the literals that the rules' patterns need, and what follows from where they stand:
//! which signals can occur, and in which windows a rule could hit at all.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::filter::{FilterSet, Rule, Signal, Target};
use crate::text::Span;

/// In longer texts the places of atoms are not kept, only that they occur: a hostile text would fill
/// the memory with them.
const LONGEST_LOCATED: usize = 4 << 20;

/// Which rules a scanner runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// Those that stand for a category, which are the ones that raise scores and give evidence.
    Categories,
}

impl Wanted {
    fn wants(self, rule: &Rule) -> bool {
        self == Self::All || matches!(rule.target, Target::Category(_))
    }
}

/// The rules' signals and the search for their atoms, shared by all scanners of a filter set.
pub(super) struct Atoms {
    search: Option<AhoCorasick>,
    /// Atom → the signals that need it.
    needed_by: Vec<Vec<usize>>,
    /// Rule → the first of its signals; a rule's signals follow each other.
    first: Vec<usize>,
    /// The rules that are run.
    pub rules: Vec<usize>,
    /// By signal: whether nothing is known before the pattern itself has been tried.
    free: Vec<bool>,
}

/// Where the atoms of each signal stand in one text.
#[derive(Default)]
pub(super) struct Places {
    starts: Vec<Vec<usize>>,
    /// Signals whose `starts` are not empty.
    touched: Vec<usize>,
    /// False where nothing was searched for: everything is possible then.
    searched: bool,
    /// False where the places were not kept.
    located: bool,
}

impl Atoms {
    pub fn new(filters: &FilterSet, wanted: Wanted) -> Self {
        let (mut first, mut free) = (Vec::new(), Vec::new());
        let mut rules = Vec::new();
        let mut atoms: BTreeMap<&str, Vec<usize>> = BTreeMap::default();
        for (r, rule) in filters.rules().iter().enumerate() {
            first.push(free.len());
            if !wanted.wants(rule) {
                continue;
            }
            rules.push(r);
            for (s, signal) in rule.signals.iter().enumerate() {
                let literals = match signal {
                    // Others are only asked in windows that hold these.
                    Signal::Pattern(pattern) if rule.condition.all.contains(&s) => pattern.atoms(),
                    _ => &[],
                };
                for atom in literals {
                    atoms.entry(atom).or_default().push(free.len());
                }
                free.push(literals.is_empty());
            }
        }
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(atoms.keys())
            .ok();
        Self { search, needed_by: atoms.into_values().collect(), first, rules, free }
    }

    /// How many signals there are.
    pub fn signals(&self) -> usize {
        self.free.len()
    }

    /// The number of a rule's signal among all signals.
    pub fn slot(&self, rule: usize, signal: usize) -> usize {
        self.first[rule] + signal
    }

    /// Searches a text; without `search` everything counts as possible.
    pub fn locate(&self, text: &str, search: bool, out: &mut Places) {
        for signal in out.touched.drain(..) {
            out.starts[signal].clear();
        }
        out.starts.resize_with(self.signals(), Vec::new);
        // `(?i)` folds the Kelvin sign and the long s onto k and s; the atoms do not.
        let folds = text.contains(['\u{212a}', '\u{17f}']);
        let hits = self.search.as_ref().filter(|_| search && !folds);
        let hits = hits.and_then(|search| search.try_find_overlapping_iter(text).ok());
        out.searched = hits.is_some();
        out.located = out.searched && text.len() <= LONGEST_LOCATED;
        for hit in hits.into_iter().flatten() {
            for signal in &self.needed_by[hit.pattern().as_usize()] {
                let starts = &mut out.starts[*signal];
                if starts.is_empty() {
                    out.touched.push(*signal);
                }
                if starts.is_empty() || out.located {
                    starts.push(hit.start());
                }
            }
        }
        // Hits come by their ends.
        for signal in &out.touched {
            let starts = &mut out.starts[*signal];
            starts.sort_unstable();
            starts.dedup();
        }
    }

    /// Whether a signal could occur in the text.
    pub fn possible(&self, slot: usize, places: &Places) -> bool {
        !places.searched || self.free[slot] || !places.starts[slot].is_empty()
    }

    /// Where the signal's atoms stand, ascending; none where that is not known.
    pub fn starts<'p>(&self, slot: usize, places: &'p Places) -> Option<&'p [usize]> {
        (places.located && !self.free[slot]).then_some(&places.starts[slot][..])
    }
}

/// Those of some ascending places that lie in `span`.
pub(super) fn within(starts: &[usize], span: Span) -> &[usize] {
    let from = starts.partition_point(|start| *start < span.start);
    let rest = &starts[from..];
    &rest[..rest.partition_point(|start| *start < span.end)]
}
