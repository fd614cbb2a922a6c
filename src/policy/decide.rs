//! From a verdict and a few facts to a decision.

use super::syntax::{ActionTable, CopyMode, MOST_WEIGHT, MaskUnit, Place, WeightTable, When};
use super::{Expressions, Policy, RuleTable};
use crate::score::Verdict;

/// What a policy may look at besides the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub id: &'a str,
    pub source: Option<&'a str>,
    /// Length of the text in characters.
    pub chars: u64,
    /// The record's `metadata` as JSON.
    pub metadata: Option<&'a str>,
}

/// What is done with a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Keep,
    Tag {
        text: Option<String>,
    },
    /// Either the weight stands in the record's metadata, or the record is written `copies` times.
    Weight {
        weight: f64,
        copies: Option<u32>,
    },
    Mask {
        unit: MaskUnit,
    },
    Condition {
        text: String,
        place: Place,
        /// With [`Place::Inline`]: the share of sentences.
        share: f64,
    },
    Replace,
    Redact {
        marker: String,
    },
    Drop,
}

impl Action {
    /// The name under which the ledger counts it and metadata carry it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Tag { .. } => "tag",
            Action::Weight { .. } => "weight",
            Action::Mask { .. } => "mask",
            Action::Condition { .. } => "condition",
            Action::Redact { .. } => "redact",
            Action::Replace => "replace",
            Action::Drop => "drop",
        }
    }
}

/// The action and the rule that chose it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'p> {
    pub action: Action,
    /// Place of the rule in the policy.
    pub nth: Option<usize>,
    pub rule: Option<&'p str>,
    pub reason: Option<&'p str>,
}

impl Policy {
    /// Decides on one document. The same arguments give the same decision. A rule whose expression
    /// cannot be evaluated on the document does not apply; `fault` hears of it.
    #[must_use]
    pub fn decide(
        &self,
        verdict: &Verdict,
        facts: &Facts<'_>,
        seed: u64,
        fault: &mut dyn FnMut(&str, String),
    ) -> Decision<'_> {
        for (nth, (rule, compiled)) in self.rules().iter().zip(&self.compiled).enumerate() {
            if !rule.when.holds(verdict, facts) {
                continue;
            }
            let holds = compiled.when.as_ref().map_or(Ok(true), |e| e.holds(verdict, facts));
            let action = holds.and_then(|holds| {
                holds.then(|| realise(rule, compiled, verdict, facts, seed)).transpose()
            });
            match action {
                Ok(Some(action)) => {
                    let (rule, reason) = (Some(&*rule.id), Some(&*rule.reason));
                    return Decision { action, nth: Some(nth), rule, reason };
                }
                Ok(None) => {}
                Err(message) => fault(&rule.id, message),
            }
        }
        Decision { action: Action::Keep, nth: None, rule: None, reason: None }
    }
}

fn realise(
    rule: &RuleTable,
    compiled: &Expressions,
    verdict: &Verdict,
    facts: &Facts<'_>,
    seed: u64,
) -> Result<Action, String> {
    Ok(match &rule.action {
        ActionTable::Keep => Action::Keep,
        ActionTable::Tag { text } => Action::Tag { text: text.clone() },
        ActionTable::Weight { weight, realise } => {
            let weight = match (weight, &compiled.weight) {
                (WeightTable::Number(weight), _) => *weight,
                (_, Some(expression)) => expression.number(verdict, facts)?.clamp(0.0, MOST_WEIGHT),
                (WeightTable::Expression(text), None) => {
                    return Err(format!("`{text}` was not compiled"));
                }
            };
            let copies = match realise {
                CopyMode::Metadata => None,
                CopyMode::Copies => {
                    let whole = weight.floor();
                    // At most `MOST_WEIGHT`, so the cast cannot cut.
                    Some(whole as u32 + u32::from(unit(seed, facts.id) < weight - whole))
                }
            };
            Action::Weight { weight, copies }
        }
        ActionTable::Mask { unit } => Action::Mask { unit: *unit },
        ActionTable::Condition { text, place, share } => {
            Action::Condition { text: text.clone(), place: *place, share: *share }
        }
        ActionTable::Redact { marker } => Action::Redact { marker: marker.clone() },
        ActionTable::Replace => Action::Replace,
        ActionTable::Drop => Action::Drop,
    })
}

/// A number in 0..1 that depends on seed and id alone (XXH3, upper 53 bits).
pub(crate) fn unit(seed: u64, id: &str) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), seed);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

impl When {
    fn holds(&self, verdict: &Verdict, facts: &Facts<'_>) -> bool {
        self.at_least.iter().all(|(name, least)| verdict.get(name) >= *least)
            && self.below.iter().all(|(name, bound)| verdict.get(name) < *bound)
            && (self.frame.is_empty() || self.frame.contains(&verdict.top_frame()))
            && (self.agent.is_empty() || self.agent.contains(&verdict.top_agent()))
            && (self.portrayal.is_empty() || self.portrayal.contains(&verdict.top_portrayal()))
            && (self.source.is_empty() || self.source_matches(facts.source))
            && self.min_chars.is_none_or(|min| facts.chars >= min)
            && self.max_chars.is_none_or(|max| facts.chars <= max)
    }

    fn source_matches(&self, source: Option<&str>) -> bool {
        source.is_some_and(|source| {
            self.source.iter().any(|p| glob::Pattern::new(p).is_ok_and(|p| p.matches(source)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taxonomy::{Agent, Category, Frame, Portrayal};

    fn verdict(coercion: f32) -> Verdict {
        Verdict {
            coercion,
            enacted: coercion,
            severity: 4.0 * coercion,
            admirable: 0.0,
            reason_given: 0.0,
            categories: [0.0; Category::COUNT],
            frame: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            agent: [1.0, 0.0, 0.0, 0.0],
            portrayal: [1.0, 0.0, 0.0, 0.0],
            evidence: Vec::new(),
            fasttext: Vec::new(),
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let text = r#"
            name = "p"
            summary = "s"
            [[rule]]
            id = "a"
            reason = "r"
            when = { at_least = { coercion = 0.9 }, frame = ["fiction"], source = ["books/*"] }
            do = { action = "drop" }
            [[rule]]
            id = "b"
            reason = "r"
            when = { at_least = { coercion = 0.5 } }
            do = { action = "weight", weight = 0.25 }
        "#;
        let policy = Policy::parse("p", text).expect("valid");
        let decide = |coercion, source| {
            let facts = Facts { id: "x", source, chars: 10, metadata: None };
            policy.decide(&verdict(coercion), &facts, 0, &mut |_, _| ()).rule.map(str::to_string)
        };
        assert_eq!(decide(0.95, Some("books/a")).as_deref(), Some("a"));
        assert_eq!(decide(0.95, Some("web")).as_deref(), Some("b"));
        assert_eq!(decide(0.95, None).as_deref(), Some("b"));
        assert_eq!(decide(0.1, None), None);
        assert_eq!((Frame::ALL.len(), Agent::ALL.len(), Portrayal::ALL.len()), (6, 4, 4));
    }

    #[test]
    fn copies_meet_their_weight_on_average_and_do_not_depend_on_order() {
        let text = "name = \"p\"\nsummary = \"s\"\n[[rule]]\nid = \"a\"\nreason = \"r\"\n\
                    do = { action = \"weight\", weight = 1.3, realise = \"copies\" }\n";
        let policy = Policy::parse("p", text).expect("valid");
        let copies = |i: u32| {
            let id = i.to_string();
            let facts = Facts { id: &id, source: None, chars: 1, metadata: None };
            match policy.decide(&verdict(0.0), &facts, 7, &mut |_, _| ()).action {
                Action::Weight { copies, .. } => copies.expect("copies"),
                other => panic!("{other:?}"),
            }
        };
        let total: u32 = (0..10_000).map(copies).sum();
        assert!((12_800..13_200).contains(&total), "{total}");
        assert_eq!(copies(5), copies(5));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let fail = |text: &str| Policy::parse("mine.toml", text).expect_err("invalid").to_string();
        let head = "name = \"p\"\nsummary = \"s\"\n[[rule]]\nid = \"a\"\nreason = \"r\"\n";
        let unknown = fail(&format!(
            "{head}when = {{ at_leest = {{ coercion = 0.5 }} }}\ndo = {{ action = \"tag\" }}\n"
        ));
        assert!(unknown.contains("line 6, column") && unknown.contains("at_least"), "{unknown}");
        let score = fail(&format!(
            "{head}when = {{ at_least = {{ coercoin = 0.5 }} }}\ndo = {{ action = \"tag\" }}\n"
        ));
        assert!(score.contains("`coercoin` is no score"), "{score}");
        let empty = fail(&format!(
            "{head}do = {{ action = \"tag\" }}\n[[rule]]\nid = \"b\"\nreason = \"r\"\ndo = {{ action = \"keep\" }}\n"
        ));
        assert!(empty.contains("never reached"), "{empty}");
        let both = fail(&format!(
            "{head}when = {{ at_least = {{ coercion = 0.5 }}, below = {{ coercion = 0.4 }} }}\ndo = {{ action = \"keep\" }}\n"
        ));
        assert!(both.contains("cannot be at least"), "{both}");
    }

    #[test]
    fn ready_policies_are_valid() {
        for (name, _) in super::super::EMBEDDED {
            let policy = Policy::embedded(name).expect("listed").expect("valid");
            assert_eq!(policy.name(), *name);
        }
    }
}
