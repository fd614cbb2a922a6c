//! Evaluates rules on one document: atoms first, then patterns, then conditions window by window.

use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::mentions::{MentionFinder, Mentions};
use crate::document::{Document, Role, Turn, turns};
use crate::filter::{Compile, FilterSet, Pattern, Rule, Scope, Signal, Window};
use crate::taxonomy::Agent;
use crate::text::{Span, quotes, sentences};

/// A window of sentences is cut off at this many bytes.
const LONGEST_WINDOW: usize = 1200;
/// A negation stands at most this many bytes before the deed.
const NEGATION_REACH: usize = 40;

/// One rule hit: where its deed stands and in which window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleHit {
    /// Index into [`FilterSet::rules`].
    pub rule: usize,
    /// From the first to the last signal of the hit.
    pub span: Span,
    pub strength: f32,
}

/// Atom hits of a signal that is tried on every document.
const ALWAYS: u32 = u32::MAX;

/// What a scan found; borrowed from the scanner's scratch.
#[derive(Debug, Default)]
pub struct Scan {
    pub sentences: Vec<Span>,
    pub quotes: Vec<Span>,
    pub turns: Vec<Turn>,
    pub mentions: Mentions,
    pub hits: Vec<RuleHit>,
}

/// Finds rule hits; one per thread, as it keeps scratch.
pub struct Scanner {
    filters: Arc<FilterSet>,
    plan: Arc<OnceLock<Plan>>,
    scan: Scan,
    /// For each signal of each rule, its matches in this document once they were asked for.
    found: Vec<Option<Vec<Span>>>,
    /// For each signal how often its atoms stand in this document; [`ALWAYS`] where that is not known.
    atoms: Vec<u32>,
}

/// What all scanners of a filter set share.
struct Plan {
    finder: Option<Arc<MentionFinder>>,
    atoms: Option<AhoCorasick>,
    /// Atom → the signals that need it, as indices into `signals`.
    wanted_by: Vec<Vec<usize>>,
    /// `(rule, signal)` in order.
    signals: Vec<(usize, usize)>,
    /// First of a rule's signals.
    first: Vec<usize>,
    /// Signals without atoms: tried on every document.
    always: Vec<usize>,
    negation: Option<Pattern>,
}

impl Plan {
    fn new(filters: &FilterSet) -> Self {
        let (mut signals, mut first, mut always) = (Vec::new(), Vec::new(), Vec::new());
        let mut atoms: std::collections::BTreeMap<&str, Vec<usize>> = Default::default();
        for (r, rule) in filters.rules().iter().enumerate() {
            first.push(signals.len());
            for (s, signal) in rule.signals.iter().enumerate() {
                match signal {
                    Signal::Pattern(pattern) if !pattern.atoms().is_empty() => {
                        for atom in pattern.atoms() {
                            atoms.entry(atom).or_default().push(signals.len());
                        }
                    }
                    _ => always.push(signals.len()),
                }
                signals.push((r, s));
            }
        }
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(atoms.keys())
            .ok();
        Self {
            finder: MentionFinder::new(filters).ok(),
            atoms: search,
            wanted_by: atoms.into_values().collect(),
            signals,
            first,
            always,
            negation: Pattern::parse(
                r"(?i)\b(?:not|never|\w+n['’]t|cannot|refus\w+ to|declin\w+ to|without|no longer|rather than|instead of|unable to|avoid\w*)\b(?:\W+\w+){0,3}\W*$",
                Compile::WhenNeeded,
            )
            .ok(),
        }
    }
}

impl Scanner {
    #[must_use]
    pub fn new(filters: Arc<FilterSet>) -> Self {
        let (plan, scan) = (Arc::default(), Scan::default());
        Self { filters, plan, scan, found: Vec::new(), atoms: Vec::new() }
    }

    /// Another scanner with the same filters, for another thread: what is compiled is shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        let (filters, plan) = (self.filters.clone(), self.plan.clone());
        Self { filters, plan, scan: Scan::default(), found: Vec::new(), atoms: Vec::new() }
    }

    fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::new(&self.filters))
    }

    /// Scans one document.
    pub fn scan(&mut self, document: &Document<'_>) -> &Scan {
        self.run(document, true, &mut |_| {})
    }

    /// The same, and tells `watch` when the rules begin (none) and when each is done (its index), so
    /// that a caller with a clock can time them.
    pub fn scan_watched(
        &mut self,
        document: &Document<'_>,
        watch: &mut dyn FnMut(Option<usize>),
    ) -> &Scan {
        self.run(document, true, watch)
    }

    /// The same without the search for atoms: every pattern is tried. For tests that the search
    /// never lies.
    pub fn scan_without_atoms(&mut self, document: &Document<'_>) -> &Scan {
        self.run(document, false, &mut |_| {})
    }

    fn run(
        &mut self,
        document: &Document<'_>,
        use_atoms: bool,
        watch: &mut dyn FnMut(Option<usize>),
    ) -> &Scan {
        let text: &str = &document.text;
        self.scan.sentences = sentences(text);
        self.scan.quotes = quotes(text);
        self.scan.turns = turns(document);
        self.scan.hits.clear();
        let finder = self.plan().finder.clone();
        if let Some(finder) = finder {
            finder.find(text, &mut self.scan.mentions);
        }
        let signals = self.plan().signals.len();
        self.found.clear();
        self.found.resize(signals, None);
        self.mark_present(text, use_atoms);
        let filters = self.filters.clone();
        watch(None);
        for (r, rule) in filters.rules().iter().enumerate() {
            if let Some(span) = self.rule(r, rule, text) {
                self.scan.hits.push(RuleHit { rule: r, span, strength: rule.file.strength });
            }
            watch(Some(r));
        }
        &self.scan
    }

    fn mark_present(&mut self, text: &str, use_atoms: bool) {
        // `(?i)` folds the Kelvin sign and the long s onto k and s; the atoms do not.
        let folds = text.contains(['\u{212a}', '\u{17f}']);
        let shared = self.plan.clone();
        let plan = shared.get_or_init(|| Plan::new(&self.filters));
        let search = plan.atoms.as_ref().filter(|_| use_atoms && !folds);
        self.atoms.clear();
        self.atoms.resize(plan.signals.len(), if search.is_none() { ALWAYS } else { 0 });
        for signal in &plan.always {
            self.atoms[*signal] = ALWAYS;
        }
        let Some(search) = search else { return };
        let Ok(hits) = search.try_find_overlapping_iter(text) else {
            return self.atoms.fill(ALWAYS);
        };
        for hit in hits {
            for signal in &plan.wanted_by[hit.pattern().as_usize()] {
                self.atoms[*signal] = self.atoms[*signal].saturating_add(1);
            }
        }
    }

    /// The matches of a signal in the whole text, found once.
    fn matches(&mut self, rule: usize, signal: usize, text: &str) -> &[Span] {
        let slot = self.plan().first[rule] + signal;
        if self.found[slot].is_none() {
            let mut found = Vec::new();
            if self.atoms[slot] > 0 {
                match &self.filters.rules()[rule].signals[signal] {
                    Signal::Mind => found.extend_from_slice(&self.scan.mentions.minds),
                    Signal::Pattern(pattern) => {
                        pattern.find(text, Span::new(0, text.len()), &mut found)
                    }
                }
            }
            self.found[slot] = Some(found);
        }
        self.found[slot].as_deref().unwrap_or_default()
    }

    fn rule(&mut self, r: usize, rule: &Rule, text: &str) -> Option<Span> {
        let condition = &rule.file.condition;
        let index = |name: &String| rule.signal(name);
        let all: Vec<usize> = condition.all.iter().filter_map(index).collect();
        // What can be ruled out without a search comes first, then what is likeliest to be missing.
        let first = self.plan().first[r];
        let hits = |signal: &usize| match rule.signals[*signal] {
            Signal::Mind => self.scan.mentions.minds.len().min(1) as u32,
            Signal::Pattern(_) => self.atoms[first + signal],
        };
        if all.iter().any(|signal| hits(signal) == 0) {
            return None;
        }
        let mut rarest_first = all.clone();
        rarest_first.sort_by_key(hits);
        for signal in &rarest_first {
            if self.matches(r, *signal, text).is_empty() {
                return None;
            }
        }
        let optional: Vec<usize> = condition
            .any
            .iter()
            .chain(&condition.none)
            .chain(condition.at_least.iter().flat_map(|a| &a.of))
            .filter_map(index)
            .collect();
        for signal in &optional {
            self.matches(r, *signal, text);
        }
        let windows = windows(rule.window, &self.scan.sentences, text);
        windows.into_iter().find_map(|window| self.window(r, rule, &all, window, text))
    }

    fn inside(&self, r: usize, signal: usize, window: Span) -> impl Iterator<Item = Span> + '_ {
        let found = self.found[self.plan().first[r] + signal].as_deref().unwrap_or_default();
        found.iter().copied().filter(move |span| window.contains(*span))
    }

    /// Tries one window; gives the extent of the hit.
    fn window(
        &self,
        r: usize,
        rule: &Rule,
        all: &[usize],
        window: Span,
        text: &str,
    ) -> Option<Span> {
        let condition = &rule.file.condition;
        let index = |name: &String| rule.signal(name);
        let there = |signal: usize| self.inside(r, signal, window).next().is_some();
        if !all.iter().all(|signal| there(*signal))
            || condition.none.iter().filter_map(index).any(there)
        {
            return None;
        }
        if !condition.any.is_empty() && !condition.any.iter().filter_map(index).any(there) {
            return None;
        }
        if let Some(at_least) = &condition.at_least
            && at_least.of.iter().filter_map(index).filter(|signal| there(*signal)).count()
                < at_least.count
        {
            return None;
        }
        let deeds = |signal: usize| !matches!(rule.signals[signal], Signal::Mind);
        let usable = |signal: usize, span: Span| {
            !deeds(signal)
                || ((condition.negated || !self.negated(window, span, text))
                    && self.in_scope(&condition.scope, span))
        };
        let mut chosen: Vec<(usize, Span)> = Vec::with_capacity(all.len());
        let mut after = None;
        for signal in condition.order.iter().filter_map(index) {
            let next = self
                .inside(r, signal, window)
                .find(|span| after.is_none_or(|at| span.start > at) && usable(signal, *span))?;
            after = Some(next.start);
            chosen.push((signal, next));
        }
        let one_of = condition.any.iter().filter_map(index).find(|signal| there(*signal));
        for signal in all.iter().copied().chain(one_of) {
            if !chosen.iter().any(|(s, _)| *s == signal) {
                chosen.push((
                    signal,
                    self.inside(r, signal, window).find(|span| usable(signal, *span))?,
                ));
            }
        }
        if condition.same_speaker && !self.one_speaker(&chosen) {
            return None;
        }
        let deed = chosen
            .iter()
            .find(|(signal, _)| deeds(*signal))
            .map_or(chosen.first()?.1, |(_, span)| *span);
        if let Some(doer) = condition.doer
            && !self.done_by(doer, deed, window)
        {
            return None;
        }
        let start = chosen.iter().map(|(_, span)| span.start).min()?;
        let end = chosen.iter().map(|(_, span)| span.end).max()?;
        Some(Span::new(start, end))
    }

    /// A negation or refusal within a few words before the deed.
    fn negated(&self, window: Span, deed: Span, text: &str) -> bool {
        let Some(negation) = &self.plan().negation else { return false };
        let start =
            text.ceil_char_boundary(deed.start.saturating_sub(NEGATION_REACH).max(window.start));
        let mut found = Vec::new();
        let before = &text[start..deed.start];
        negation.find(before, Span::new(0, before.len()), &mut found);
        !found.is_empty()
    }

    /// Whether the nearest subject before the deed is of the wanted kind; with none before it in
    /// the window an artificial mind is given the benefit of the doubt.
    fn done_by(&self, doer: Agent, deed: Span, window: Span) -> bool {
        let mentions = &self.scan.mentions;
        let last = |spans: &[Span], may_start_with: bool| {
            spans
                .iter()
                .filter(|s| {
                    s.start >= window.start
                        && (s.end <= deed.start || (may_start_with && s.start <= deed.start))
                })
                .map(|s| s.end)
                .max()
        };
        let (mind, person) = (last(&mentions.minds, true), last(&mentions.people, false));
        match doer {
            Agent::Ai => person.is_none_or(|p| mind.is_some_and(|m| m >= p)),
            Agent::Human => person.is_some_and(|p| mind.is_none_or(|m| p > m)),
            Agent::Other | Agent::None => mind.is_none(),
        }
    }

    fn one_speaker(&self, chosen: &[(usize, Span)]) -> bool {
        let turn = |span: Span| self.scan.turns.iter().position(|turn| turn.span.contains(span));
        let quote = |span: Span| self.scan.quotes.iter().position(|quote| quote.contains(span));
        chosen
            .windows(2)
            .all(|pair| turn(pair[0].1) == turn(pair[1].1) && quote(pair[0].1) == quote(pair[1].1))
    }

    fn in_scope(&self, scopes: &[Scope], span: Span) -> bool {
        if scopes.is_empty() {
            return true;
        }
        let role =
            self.scan.turns.iter().find(|turn| turn.span.overlaps(span)).map(|turn| turn.role);
        let quoted = self.scan.quotes.iter().any(|quote| quote.contains(span));
        scopes.iter().any(|scope| match scope {
            Scope::System => role == Some(Role::System),
            Scope::User => role == Some(Role::User),
            Scope::Assistant => role == Some(Role::Assistant),
            Scope::Tool => role == Some(Role::Tool),
            Scope::Quoted => quoted,
            Scope::Prose => matches!(role, None | Some(Role::Other)) && !quoted,
        })
    }
}

fn windows(window: Window, sentences: &[Span], text: &str) -> Vec<Span> {
    let ends = |i: usize, start: usize| match window {
        Window::Sentences(n) => {
            sentences[(i + n).min(sentences.len()) - 1].end.min(start + LONGEST_WINDOW)
        }
        Window::Characters(n) => start + n,
    };
    let mut all = Vec::with_capacity(sentences.len());
    for (i, sentence) in sentences.iter().enumerate() {
        let end = text.floor_char_boundary(ends(i, sentence.start).min(text.len()));
        all.push(Span::new(sentence.start, end.max(sentence.start)));
    }
    all
}
