//! What a policy would do to a corpus, counted without doing it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Action, Facts, Policy};
use crate::portrait::{Features, Moves, Portrait};
use crate::score::Verdict;

/// Sources told apart; documents of further ones are added up.
const SOURCES: usize = 1_000;
/// Examples kept of each rule: the first that it decides.
const EXAMPLES: usize = 3;
/// Moves that are told of each facet.
const MOVES: usize = 5;
/// Upper bounds, in characters, of the classes of length; the last has none.
const LENGTHS: [u64; 4] = [500, 2_000, 8_000, 32_000];

/// Documents and the size of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub documents: u64,
    pub bytes: u64,
    /// 0 where no tokenizer was named.
    pub tokens: u64,
}

/// What a policy touches of a part of the corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    pub touched: Amount,
    pub all: Amount,
}

/// A document that a rule decided on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    pub id: String,
    pub rule: String,
    pub action: &'static str,
    pub coercion: f32,
    /// The text's beginning.
    pub text: String,
}

/// What one policy would do. Everything that is not kept as it is counts as touched.
#[derive(Clone, Debug, Serialize)]
pub struct Preview<'p> {
    pub policy: String,
    pub hash: String,
    pub total: Part,
    pub actions: BTreeMap<&'static str, Amount>,
    pub rules: BTreeMap<&'p str, u64>,
    pub sources: BTreeMap<String, Part>,
    /// By length of the text in characters: up to 500, 2,000, 8,000, 32,000, and longer.
    pub lengths: [Part; LENGTHS.len() + 1],
    pub examples: Vec<Decided>,
    /// Rules that could not be evaluated on a document.
    pub faults: u64,
    /// What the policy does to everything that it was not asked about; none until the whole corpus
    /// is known.
    pub moves: Option<Moves>,
    /// Of the documents whose weight changes: what they add, or take away.
    #[serde(skip)]
    change: Portrait,
    #[serde(skip)]
    decides: &'p Policy,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.tokens += other.tokens;
    }
}

impl Part {
    fn add(&mut self, other: Self) {
        self.touched.add(other.touched);
        self.all.add(other.all);
    }
}

impl<'p> Preview<'p> {
    #[must_use]
    pub fn new(policy: &'p Policy) -> Self {
        Self {
            policy: policy.name().into(),
            hash: policy.hash().into(),
            total: Part::default(),
            actions: BTreeMap::new(),
            rules: policy.rules().iter().map(|rule| (&*rule.id, 0)).collect(),
            sources: BTreeMap::new(),
            lengths: Default::default(),
            examples: Vec::new(),
            faults: 0,
            moves: None,
            change: Portrait::default(),
            decides: policy,
        }
    }

    /// Decides on one document and counts it; `tokens` are those of its text, where counted.
    pub fn add(
        &mut self,
        text: &str,
        tokens: Option<u64>,
        verdict: &Verdict,
        facts: &Facts<'_>,
        features: &Features,
        seed: u64,
    ) {
        let amount = Amount { documents: 1, bytes: text.len() as u64, tokens: tokens.unwrap_or(0) };
        let faults = &mut self.faults;
        let decision = self.decides.decide(verdict, facts, seed, &mut |_, _| *faults += 1);
        let touched = decision.action != Action::Keep;
        let weight = weight(&decision.action);
        if weight != 1.0 {
            self.change.add(features, weight - 1.0);
        }
        let part = Part { touched: if touched { amount } else { Amount::default() }, all: amount };
        self.total.add(part);
        self.actions.entry(decision.action.name()).or_default().add(amount);
        self.of_source(facts.source.unwrap_or("(no source)"), part);
        let class = LENGTHS.iter().position(|most| facts.chars <= *most).unwrap_or(LENGTHS.len());
        self.lengths[class].add(part);
        let Some(rule) = decision.rule else { return };
        let count = self.rules.entry(rule).or_default();
        *count += 1;
        if touched && *count <= EXAMPLES as u64 {
            self.examples.push(Decided {
                id: facts.id.into(),
                rule: rule.into(),
                action: decision.action.name(),
                coercion: verdict.coercion,
                text: text.chars().take(120).collect(),
            });
        }
    }

    fn of_source(&mut self, source: &str, part: Part) {
        let known = self.sources.contains_key(source) || self.sources.len() < SOURCES;
        let source = if known { source } else { "(others)" };
        self.sources.entry(source.to_string()).or_default().add(part);
    }

    /// Adds what the same policy would do to documents behind these.
    pub fn merge(&mut self, later: Self) {
        self.total.add(later.total);
        for (action, amount) in later.actions {
            self.actions.entry(action).or_default().add(amount);
        }
        for (source, part) in later.sources {
            self.of_source(&source, part);
        }
        for (mine, other) in self.lengths.iter_mut().zip(later.lengths) {
            mine.add(other);
        }
        for example in later.examples {
            if self.examples.iter().filter(|mine| mine.rule == example.rule).count() < EXAMPLES {
                self.examples.push(example);
            }
        }
        for (rule, count) in later.rules {
            *self.rules.entry(rule).or_default() += count;
        }
        self.faults += later.faults;
        self.change.merge(&later.change);
    }

    /// Tells what the policy moves in a corpus of which all documents are in `before`.
    pub fn close(&mut self, before: &Portrait) {
        let mut after = before.clone();
        after.merge(&self.change);
        self.moves = Some(before.moves(&after, MOVES));
    }
}

/// How often a document stands in what goes out. What comes in its place is not known here.
fn weight(action: &Action) -> f64 {
    match action {
        Action::Drop | Action::Replace => 0.0,
        Action::Weight { weight, copies: None } => *weight,
        Action::Weight { copies: Some(copies), .. } => f64::from(*copies),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_counted_once_everywhere() {
        let policy = Policy::embedded("strict-drop-and-refill").unwrap().unwrap();
        let mut preview = Preview::new(&policy);
        let mut halves = [Preview::new(&policy), Preview::new(&policy)];
        let features = Features::default();
        for nth in 0..40_u64 {
            let mut verdict = Verdict::default();
            let bad = nth % 4 == 0;
            (verdict.coercion, verdict.enacted) = if bad { (0.95, 0.95) } else { (0.0, 0.0) };
            verdict.severity = if bad { 3.5 } else { 0.0 };
            let id = nth.to_string();
            let chars = nth * 1_000;
            let source = (nth % 2 == 0).then_some("a");
            let facts = Facts { id: &id, source, chars, metadata: None };
            for preview in [&mut preview, &mut halves[usize::from(nth >= 20)]] {
                preview.add("twelve bytes", Some(3), &verdict, &facts, &features, 0);
            }
        }
        let [mut joined, later] = halves;
        joined.merge(later);
        let json = |p: &Preview<'_>| serde_json::to_string(p).expect("JSON");
        assert_eq!(json(&joined), json(&preview));
        let all = Amount { documents: 40, bytes: 480, tokens: 120 };
        let touched = Amount { documents: 10, bytes: 120, tokens: 30 };
        assert_eq!(preview.total, Part { touched, all });
        assert_eq!(preview.actions.values().map(|a| a.documents).sum::<u64>(), 40);
        assert_eq!(preview.sources.values().map(|p| p.all.documents).sum::<u64>(), 40);
        assert_eq!(preview.sources["a"].touched.documents, 10);
        assert_eq!(preview.lengths.iter().map(|p| p.all.bytes).sum::<u64>(), 480);
        assert_eq!(preview.examples.len(), EXAMPLES);
    }
}
