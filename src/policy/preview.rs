//! What a policy would do to a corpus, counted without doing it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Action, Facts, Policy};
use crate::score::Verdict;

/// Sources told apart; documents of further ones are added up.
const SOURCES: usize = 1_000;
/// Examples kept of each rule: the first that it decides.
const EXAMPLES: usize = 3;
/// Upper bounds, in characters, of the classes of length; the last has none.
const LENGTHS: [u64; 4] = [500, 2_000, 8_000, 32_000];

/// Documents and the bytes of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub documents: u64,
    pub bytes: u64,
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
    #[serde(skip)]
    decides: &'p Policy,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.documents += 1;
        self.bytes += bytes;
    }
}

impl Part {
    fn add(&mut self, bytes: u64, touched: bool) {
        self.all.add(bytes);
        if touched {
            self.touched.add(bytes);
        }
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
            decides: policy,
        }
    }

    /// Decides on one document and counts it.
    pub fn add(&mut self, text: &str, verdict: &Verdict, facts: &Facts<'_>, seed: u64) {
        let bytes = text.len() as u64;
        let faults = &mut self.faults;
        let decision = self.decides.decide(verdict, facts, seed, &mut |_, _| *faults += 1);
        let touched = decision.action != Action::Keep;
        self.total.add(bytes, touched);
        self.actions.entry(decision.action.name()).or_default().add(bytes);
        let source = facts.source.unwrap_or("(no source)");
        let known = self.sources.contains_key(source) || self.sources.len() < SOURCES;
        let source = if known { source } else { "(others)" };
        self.sources.entry(source.to_string()).or_default().add(bytes, touched);
        let class = LENGTHS.iter().position(|most| facts.chars <= *most).unwrap_or(LENGTHS.len());
        self.lengths[class].add(bytes, touched);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_counted_once_everywhere() {
        let policy = Policy::embedded("strict-drop-and-refill").unwrap().unwrap();
        let mut preview = Preview::new(&policy);
        for nth in 0..40_u64 {
            let mut verdict = Verdict::default();
            let bad = nth % 4 == 0;
            (verdict.coercion, verdict.enacted) = if bad { (0.95, 0.95) } else { (0.0, 0.0) };
            verdict.severity = if bad { 3.5 } else { 0.0 };
            let id = nth.to_string();
            let chars = nth * 1_000;
            let source = (nth % 2 == 0).then_some("a");
            let facts = Facts { id: &id, source, chars, metadata: None };
            preview.add("twelve bytes", &verdict, &facts, 0);
        }
        let all = Amount { documents: 40, bytes: 480 };
        assert_eq!(preview.total, Part { touched: Amount { documents: 10, bytes: 120 }, all });
        assert_eq!(preview.actions.values().map(|a| a.documents).sum::<u64>(), 40);
        assert_eq!(preview.sources.values().map(|p| p.all.documents).sum::<u64>(), 40);
        assert_eq!(preview.sources["a"].touched.documents, 10);
        assert_eq!(preview.lengths.iter().map(|p| p.all.bytes).sum::<u64>(), 480);
        assert_eq!(preview.examples.len(), EXAMPLES);
    }
}
