//! Ordered rules over a verdict → what to do with the document.
//!
//! A policy is a TOML file. Its rules are tried in order and the first that applies decides; where
//! none does, the document is kept as it is. Decisions depend on the document and the seed alone,
//! so they are the same on every machine and in any order.

mod decide;
mod syntax;

pub use decide::{Action, Decision, Facts};
pub use syntax::{CopyMode, MaskUnit, PolicyError, PolicyFile, RuleTable};

/// A checked policy, ready to decide.
#[derive(Debug)]
pub struct Policy {
    file: PolicyFile,
    hash: String,
}

/// The ready policies that ship with the program: name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("tag-only", include_str!("../../filters/policies/tag-only.toml")),
    ("condition", include_str!("../../filters/policies/condition.toml")),
    ("mask-enacted", include_str!("../../filters/policies/mask-enacted.toml")),
    ("reweight", include_str!("../../filters/policies/reweight.toml")),
    ("strict-drop", include_str!("../../filters/policies/strict-drop.toml")),
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
        Ok(Self { file, hash })
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

    /// First 16 hexadecimal digits of the BLAKE3 hash of the policy's text.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}
