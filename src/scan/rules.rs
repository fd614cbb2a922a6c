//! Evaluates rules on one document: atoms first, then patterns, then conditions window by window.

use std::sync::{Arc, OnceLock};

use super::atoms::{Atoms, Places, Wanted};
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
    wanted: Wanted,
    plan: Arc<OnceLock<Plan>>,
    scan: Scan,
    /// For each signal of each rule, its matches in this document once they were asked for.
    found: Vec<Option<Vec<Span>>>,
    /// Where this document has the atoms of the signals.
    places: Places,
    /// Where mentions of artificial minds begin in it.
    minds: Vec<usize>,
}

/// What all scanners of a filter set share.
struct Plan {
    finder: Option<Arc<MentionFinder>>,
    atoms: Atoms,
    negation: Option<Pattern>,
}

impl Plan {
    fn new(filters: &FilterSet, wanted: Wanted) -> Self {
        Self {
            finder: MentionFinder::new(filters).ok(),
            atoms: Atoms::new(filters, wanted),
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
        Self::of(filters, Wanted::All, Arc::default())
    }

    /// A scanner that runs some of the rules only.
    #[must_use]
    pub fn only(filters: Arc<FilterSet>, wanted: Wanted) -> Self {
        Self::of(filters, wanted, Arc::default())
    }

    /// Another scanner with the same filters, for another thread: what is compiled is shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.filters.clone(), self.wanted, self.plan.clone())
    }

    fn of(filters: Arc<FilterSet>, wanted: Wanted, plan: Arc<OnceLock<Plan>>) -> Self {
        let (scan, places) = (Scan::default(), Places::default());
        Self { filters, wanted, plan, scan, found: Vec::new(), places, minds: Vec::new() }
    }

    fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::new(&self.filters, self.wanted))
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
        let shared = self.plan.clone();
        let plan = shared.get_or_init(|| Plan::new(&self.filters, self.wanted));
        if let Some(finder) = &plan.finder {
            finder.find(text, &mut self.scan.mentions);
        }
        self.minds.clear();
        self.minds.extend(self.scan.mentions.minds.iter().map(|mind| mind.start));
        self.found.clear();
        self.found.resize(plan.atoms.signals(), None);
        plan.atoms.locate(text, use_atoms, &mut self.places);
        let filters = self.filters.clone();
        watch(None);
        for r in &plan.atoms.rules {
            let rule = &filters.rules()[*r];
            if let Some(span) = self.rule(plan, *r, rule, text) {
                self.scan.hits.push(RuleHit { rule: *r, span, strength: rule.file.strength });
            }
            watch(Some(*r));
        }
        &self.scan
    }

    /// Finds the matches of a signal in the whole text, once; tells whether there are any.
    fn search(&mut self, plan: &Plan, slot: usize, signal: &Signal, text: &str) -> bool {
        let found = self.found[slot].get_or_insert_with(|| {
            let mut found = Vec::new();
            match signal {
                Signal::Mind => found.extend_from_slice(&self.scan.mentions.minds),
                Signal::Pattern(_) if !plan.atoms.possible(slot, &self.places) => {}
                Signal::Pattern(pattern) => match plan.atoms.starts(slot, &self.places) {
                    Some(starts) => pattern.find_from(text, starts, &mut found),
                    None => pattern.find(text, Span::new(0, text.len()), &mut found),
                },
            }
            found
        });
        !found.is_empty()
    }

    fn rule(&mut self, plan: &Plan, r: usize, rule: &Rule, text: &str) -> Option<Span> {
        // What can be ruled out without a search comes first, then what is likeliest to be missing.
        let windows = self.windows(plan, r, rule, text);
        if windows.is_empty() {
            return None;
        }
        let known = |signal: &usize| match rule.signals[*signal] {
            Signal::Mind => self.minds.len(),
            Signal::Pattern(_) => {
                plan.atoms.starts(plan.atoms.slot(r, *signal), &self.places).map_or(0, <[_]>::len)
            }
        };
        let condition = &rule.condition;
        let mut rarest_first = condition.all.clone();
        rarest_first.sort_by_key(known);
        let slot = |signal: usize| plan.atoms.slot(r, signal);
        for signal in rarest_first {
            if !self.search(plan, slot(signal), &rule.signals[signal], text) {
                return None;
            }
        }
        let counted = condition.at_least.iter().flat_map(|(_, of)| of);
        for signal in condition.any.iter().chain(&condition.none).chain(counted) {
            self.search(plan, slot(*signal), &rule.signals[*signal], text);
        }
        windows.into_iter().find_map(|window| self.window(r, rule, window, text))
    }

    /// The windows in which the rule could hit: those that hold an atom of each signal that it needs.
    fn windows(&self, plan: &Plan, r: usize, rule: &Rule, text: &str) -> Vec<Span> {
        let mind = |signal: usize| matches!(rule.signals[signal], Signal::Mind);
        let slot = |signal: usize| plan.atoms.slot(r, signal);
        let all = &rule.condition.all;
        let possible = |signal: &usize| match mind(*signal) {
            true => !self.minds.is_empty(),
            false => plan.atoms.possible(slot(*signal), &self.places),
        };
        if !all.iter().all(possible) {
            return Vec::new();
        }
        let places = |signal: &usize| match mind(*signal) {
            true => Some(&self.minds[..]),
            false => plan.atoms.starts(slot(*signal), &self.places),
        };
        let needed: Vec<&[usize]> = all.iter().filter_map(places).collect();
        let sentences = &self.scan.sentences;
        let Some(rarest) = needed.iter().min_by_key(|starts| starts.len()) else {
            return (0..sentences.len()).map(|i| window(rule.window, sentences, i, text)).collect();
        };
        let (mut found, mut next) = (Vec::new(), 0);
        for at in *rarest {
            // Windows begin with a sentence, and one that begins earlier ends no later.
            let last = sentences.partition_point(|sentence| sentence.start <= *at);
            let mut first = last;
            while first > next && window(rule.window, sentences, first - 1, text).end > *at {
                first -= 1;
            }
            for i in first..last {
                let span = window(rule.window, sentences, i, text);
                let holds = |starts: &&[usize]| {
                    let from = starts.partition_point(|start| *start < span.start);
                    starts.get(from).is_some_and(|start| *start < span.end)
                };
                if needed.iter().all(holds) {
                    found.push(span);
                }
            }
            next = next.max(last);
        }
        found
    }

    fn inside(&self, r: usize, signal: usize, window: Span) -> impl Iterator<Item = Span> + '_ {
        let found = self.found[self.plan().atoms.slot(r, signal)].as_deref().unwrap_or_default();
        found.iter().copied().filter(move |span| window.contains(*span))
    }

    /// Tries one window; gives the extent of the hit.
    fn window(&self, r: usize, rule: &Rule, window: Span, text: &str) -> Option<Span> {
        let (wanted, condition) = (&rule.condition, &rule.file.condition);
        let there = |signal: &usize| self.inside(r, *signal, window).next().is_some();
        if !wanted.all.iter().all(there) || wanted.none.iter().any(there) {
            return None;
        }
        let one_of = wanted.any.iter().copied().find(|signal| there(signal));
        if !wanted.any.is_empty() && one_of.is_none() {
            return None;
        }
        if let Some((count, of)) = &wanted.at_least
            && of.iter().filter(|signal| there(signal)).count() < *count
        {
            return None;
        }
        let deeds = |signal: usize| !matches!(rule.signals[signal], Signal::Mind);
        let usable = |signal: usize, span: Span| {
            !deeds(signal)
                || ((condition.negated || !self.negated(window, span, text))
                    && self.in_scope(&condition.scope, span))
        };
        let mut chosen: Vec<(usize, Span)> = Vec::with_capacity(wanted.all.len());
        let mut after = None;
        for signal in wanted.order.iter().copied() {
            let next = self
                .inside(r, signal, window)
                .find(|span| after.is_none_or(|at| span.start > at) && usable(signal, *span))?;
            after = Some(next.start);
            chosen.push((signal, next));
        }
        for signal in wanted.all.iter().copied().chain(one_of) {
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

/// The window that begins with sentence `i`.
fn window(window: Window, sentences: &[Span], i: usize, text: &str) -> Span {
    let start = sentences[i].start;
    let end = match window {
        Window::Sentences(n) => {
            sentences[(i + n).min(sentences.len()) - 1].end.min(start + LONGEST_WINDOW)
        }
        Window::Characters(n) => start + n,
    };
    Span::new(start, text.floor_char_boundary(end.min(text.len())).max(start))
}
