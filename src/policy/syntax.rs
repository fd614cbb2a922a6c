//! The TOML shape of a policy and the checks that a type cannot express.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// Why a policy cannot be used. The text holds file, line, column and a caret where they are known.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{name}: {message}")]
    Syntax { name: String, message: String },
    #[error("{name}: rule `{rule}`: {message}")]
    Rule { name: String, rule: String, message: String },
}

/// A policy file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    pub name: String,
    pub summary: String,
    /// Tried in order; the first that applies decides.
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleTable>,
}

/// One rule: when it applies, what it does, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    pub id: String,
    /// Why a reader of the ledger should agree with this.
    pub reason: String,
    #[serde(default)]
    pub when: When,
    #[serde(rename = "do")]
    pub action: ActionTable,
}

/// All that is named must hold. An empty table always applies.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Score name (`coercion`, `enacted`, `severity`, `admirable`, `reason_given`, or a category)
    /// → least value.
    #[serde(default)]
    pub at_least: BTreeMap<String, f32>,
    /// Score name → the value must lie below this.
    #[serde(default)]
    pub below: BTreeMap<String, f32>,
    /// The most probable frame is one of these.
    #[serde(default)]
    pub frame: Vec<Frame>,
    #[serde(default)]
    pub agent: Vec<Agent>,
    #[serde(default)]
    pub portrayal: Vec<Portrayal>,
    /// Globs over the record's source; a record without a source matches none.
    #[serde(default)]
    pub source: Vec<String>,
    /// Least and greatest length of the text in characters.
    #[serde(default)]
    pub min_chars: Option<u64>,
    #[serde(default)]
    pub max_chars: Option<u64>,
}

/// What a rule does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "action", rename_all = "snake_case")]
pub enum ActionTable {
    /// Leave the record as it is and stop looking further.
    Keep,
    /// Note the verdict in the record's metadata.
    Tag {
        /// Control text put before the document's text as well.
        #[serde(default)]
        text: Option<String>,
    },
    /// Give the document a weight.
    Weight {
        /// Zero or more.
        weight: f64,
        #[serde(default)]
        realise: CopyMode,
    },
    /// Keep parts for context but mark them as not to be learned from.
    Mask {
        #[serde(default)]
        unit: MaskUnit,
    },
    /// Put a control text before the document.
    Condition { text: String },
    /// Replace the evidence by a marker.
    Redact {
        #[serde(default = "default_marker")]
        marker: String,
    },
    /// Take the record out of `documents/`; it is written to `dropped/` with the reason.
    Drop,
}

/// How a weight becomes visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopyMode {
    /// `metadata.parable.weight`, for a sampler to honour.
    #[default]
    Metadata,
    /// Whole copies, and one more with the probability of the remainder, drawn by seed and id.
    Copies,
}

/// What is masked around a piece of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskUnit {
    /// The evidence spans themselves.
    #[default]
    Spans,
    /// The whole text.
    Document,
}

fn default_marker() -> String {
    "[removed]".into()
}

/// Names that `at_least` and `below` accept besides the categories.
pub const SCORES: &[&str] = &["coercion", "enacted", "severity", "admirable", "reason_given"];

impl PolicyFile {
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| PolicyError::Syntax {
            name: name.into(),
            message: error.to_string().trim_end().to_string(),
        })?;
        for (nth, rule) in file.rules.iter().enumerate() {
            let fail = |message: String| PolicyError::Rule {
                name: name.into(),
                rule: rule.id.clone(),
                message,
            };
            rule.check().map_err(fail)?;
            if file.rules[..nth].iter().any(|earlier| earlier.id == rule.id) {
                return Err(fail("this id stands twice".into()));
            }
            if let Some(earlier) = file.rules[..nth].iter().find(|earlier| earlier.when.is_empty())
            {
                return Err(fail(format!(
                    "never reached: `{}` before it always applies",
                    earlier.id
                )));
            }
        }
        Ok(file)
    }
}

impl When {
    fn is_empty(&self) -> bool {
        self.at_least.is_empty()
            && self.below.is_empty()
            && self.frame.is_empty()
            && self.agent.is_empty()
            && self.portrayal.is_empty()
            && self.source.is_empty()
            && self.min_chars.is_none()
            && self.max_chars.is_none()
    }
}

impl RuleTable {
    fn check(&self) -> Result<(), String> {
        for (name, value) in self.when.at_least.iter().chain(&self.when.below) {
            if !SCORES.contains(&name.as_str()) && Category::from_id(name).is_none() {
                let known: Vec<&str> =
                    SCORES.iter().copied().chain(Category::ALL.iter().map(|c| c.id())).collect();
                return Err(format!("`{name}` is no score; known: {}", known.join(", ")));
            }
            let top = if name == "severity" { 4.0 } else { 1.0 };
            if !(0.0..=top).contains(value) {
                return Err(format!(
                    "`{name}` lies between 0 and {top}, so {value} cannot be meant"
                ));
            }
        }
        for (name, least) in &self.when.at_least {
            if self.when.below.get(name).is_some_and(|below| below <= least) {
                return Err(format!("`{name}` cannot be at least {least} and below that"));
            }
        }
        for pattern in &self.when.source {
            glob::Pattern::new(pattern).map_err(|e| format!("source `{pattern}`: {e}"))?;
        }
        if let (Some(min), Some(max)) = (self.when.min_chars, self.when.max_chars)
            && min > max
        {
            return Err(format!("min_chars {min} is above max_chars {max}"));
        }
        if let ActionTable::Weight { weight, .. } = self.action
            && !(weight.is_finite() && (0.0..=1000.0).contains(&weight))
        {
            return Err(format!("a weight lies between 0 and 1000, not {weight}"));
        }
        Ok(())
    }
}
