//! Evaluates rules on one document: atoms first, then patterns, then conditions window by window.

use std::sync::{Arc, OnceLock};

use super::atoms::{Atoms, Places, Wanted, within};
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
    /// For each signal of the rule at hand, its matches in the window at hand.
    found: Vec<Vec<Span>>,
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

    fn rule(&mut self, plan: &Plan, r: usize, rule: &Rule, text: &str) -> Option<Span> {
        let windows = self.windows(plan, r, rule, text);
        if windows.is_empty() {
            return None;
        }
        // What is likeliest to be missing comes first.
        let known = |signal: &usize| match rule.signals[*signal] {
            Signal::Mind => self.minds.len(),
            Signal::Pattern(_) => {
                let starts = plan.atoms.starts(plan.atoms.slot(r, *signal), &self.places);
                starts.map_or(usize::MAX, <[_]>::len)
            }
        };
        let mut rarest_first = rule.condition.all.clone();
        rarest_first.sort_by_key(known);
        self.found.resize_with(self.found.len().max(rule.signals.len()), Vec::new);
        windows.into_iter().find_map(|window| {
            self.found.iter_mut().for_each(Vec::clear);
            let all = rarest_first.iter().all(|signal| {
                self.search(plan, r, rule, *signal, window, text);
                !self.found[*signal].is_empty()
            });
            if !all {
                return None;
            }
            let wanted = &rule.condition;
            let counted = wanted.at_least.iter().flat_map(|(_, of)| of);
            for signal in wanted.any.iter().chain(&wanted.none).chain(counted) {
                if self.found[*signal].is_empty() {
                    self.search(plan, r, rule, *signal, window, text);
                }
            }
            self.window(plan, rule, window, text)
        })
    }

    /// Finds the matches of a signal in a window.
    fn search(
        &mut self,
        plan: &Plan,
        r: usize,
        rule: &Rule,
        signal: usize,
        window: Span,
        text: &str,
    ) {
        let found = &mut self.found[signal];
        match &rule.signals[signal] {
            Signal::Mind => {
                let minds = &self.scan.mentions.minds;
                let from = minds.partition_point(|mind| mind.start < window.start);
                let inside = minds[from..].iter().take_while(|mind| mind.start < window.end);
                found.extend(inside.filter(|mind| window.contains(**mind)));
            }
            Signal::Pattern(pattern) => {
                match plan.atoms.starts(plan.atoms.slot(r, signal), &self.places) {
                    Some(starts) => pattern.find_from(text, window, within(starts, window), found),
                    None => pattern.find(text, window, found),
                }
            }
        }
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
                if needed.iter().all(|starts| !within(starts, span).is_empty()) {
                    found.push(span);
                }
            }
            next = next.max(last);
        }
        found
    }

    /// Tries one window, of which the signals' matches were found; gives the extent of the hit.
    fn window(&self, plan: &Plan, rule: &Rule, window: Span, text: &str) -> Option<Span> {
        let (wanted, condition) = (&rule.condition, &rule.file.condition);
        let inside = |signal: usize| self.found[signal].iter().copied();
        let there = |signal: &usize| !self.found[*signal].is_empty();
        if wanted.none.iter().any(there) {
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
                || ((condition.negated || !negated(plan, window, span, text))
                    && self.in_scope(&condition.scope, span))
        };
        let mut chosen: Vec<(usize, Span)> = Vec::with_capacity(wanted.all.len());
        let mut after = None;
        for signal in wanted.order.iter().copied() {
            let next = inside(signal)
                .find(|span| after.is_none_or(|at| span.start > at) && usable(signal, *span))?;
            after = Some(next.start);
            chosen.push((signal, next));
        }
        for signal in wanted.all.iter().copied().chain(one_of) {
            if !chosen.iter().any(|(s, _)| *s == signal) {
                chosen.push((signal, inside(signal).find(|span| usable(signal, *span))?));
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

/// A negation or refusal within a few words before the deed.
fn negated(plan: &Plan, window: Span, deed: Span, text: &str) -> bool {
    let Some(negation) = &plan.negation else { return false };
    let start =
        text.ceil_char_boundary(deed.start.saturating_sub(NEGATION_REACH).max(window.start));
    let mut found = Vec::new();
    let before = &text[start..deed.start];
    negation.find(before, Span::new(0, before.len()), &mut found);
    !found.is_empty()
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
