//! Ordered rules over a verdict → what to do with the document.
//!
//! A policy is a TOML file. Its rules are tried in order and the first that applies decides; where
//! none does, the document is kept as it is. Decisions depend on the document and the seed alone,
//! so they are the same on every machine and in any order.

mod decide;
mod expression;
pub mod preview;
mod syntax;

pub(crate) use decide::unit;
pub use decide::{Action, Decision, Facts};
pub use expression::NAMES;
pub use syntax::{
    ActionTable, CopyMode, Example, MaskUnit, Place, PolicyError, PolicyFile, Predicted, RuleTable,
    WeightTable, When,
};

use expression::Expression;

/// A checked policy, ready to decide.
#[derive(Debug)]
pub struct Policy {
    file: PolicyFile,
    hash: String,
    /// Per rule, its compiled expressions.
    compiled: Vec<Expressions>,
}

#[derive(Debug, Default)]
struct Expressions {
    when: Option<Expression>,
    weight: Option<Expression>,
}

/// The ready policies that ship with the program: name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("tag-only", include_str!("../../filters/policies/tag-only.toml")),
    ("condition", include_str!("../../filters/policies/condition.toml")),
    ("mask-enacted", include_str!("../../filters/policies/mask-enacted.toml")),
    ("reweight", include_str!("../../filters/policies/reweight.toml")),
    ("strict-drop-and-refill", include_str!("../../filters/policies/strict-drop-and-refill.toml")),
    ("high-recall-audit", include_str!("../../filters/policies/high-recall-audit.toml")),
];

impl Policy {
    /// Parses and checks a policy; `name` stands in errors.
    ///
    /// # Errors
    /// With line, column and a caret where the text is not a valid policy.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let file = PolicyFile::parse(name, text)?;
        let hash = blake3::hash(text.as_bytes()).to_hex()[..16].to_string();
        let compiled = file
            .rules
            .iter()
            .map(|rule| {
                Expressions::compile(rule).map_err(|message| PolicyError::Rule {
                    name: name.into(),
                    rule: rule.id.clone(),
                    message,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { file, hash, compiled })
    }

    /// What the plan that wrote the policy expects.
    #[must_use]
    pub fn predicted(&self) -> &[Predicted] {
        &self.file.predicted
    }

    /// One of the ready policies.
    #[must_use]
    pub fn embedded(name: &str) -> Option<Result<Self, PolicyError>> {
        EMBEDDED.iter().find(|(n, _)| *n == name).map(|(n, text)| Self::parse(n, text))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    #[must_use]
    pub fn summary(&self) -> &str {
        &self.file.summary
    }

    #[must_use]
    pub fn rules(&self) -> &[RuleTable] {
        &self.file.rules
    }

    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.file.examples
    }

    /// Whether some rule may apply to a record that the gate cleared, whose scores are all 0.
    #[must_use]
    pub fn reads_cleared(&self) -> bool {
        self.rules().iter().any(|rule| {
            rule.when.at_least.values().all(|least| *least <= 0.0)
                && !matches!(rule.action, ActionTable::Keep)
        })
    }

    /// Whether some rule replaces documents, for which a pool is needed.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.rules().iter().any(|rule| matches!(rule.action, ActionTable::Replace))
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash of the policy's text.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Expressions {
    fn compile(rule: &RuleTable) -> Result<Self, String> {
        let when = rule.when.expr.as_deref().map(Expression::parse).transpose()?;
        let weight = match &rule.action {
            ActionTable::Weight { weight: WeightTable::Expression(text), .. } => {
                Some(Expression::parse(text)?)
            }
            _ => None,
        };
        Ok(Self { when, weight })
    }
}
