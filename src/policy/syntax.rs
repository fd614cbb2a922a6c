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
    /// What the policy is expected to do; `parable policy test` checks them.
    #[serde(default, rename = "example", skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// What the plan that wrote the policy expects; the ledger sets it beside what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predicted: Vec<Predicted>,
}

/// A share of the output's bytes that a plan expects, with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// A trait (a score's name), or `source:` and a name.
    pub what: String,
    /// Shares of tokens; otherwise of the text's bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_tokens: bool,
    /// The share in the corpus that was planned on.
    pub before: f64,
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// A verdict and facts, or a text to be scored, and the rule that should decide on it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Scored by the model; without it the scores below stand for a verdict.
    #[serde(default)]
    pub text: Option<String>,
    /// Score name → value.
    #[serde(default)]
    pub scores: BTreeMap<String, f32>,
    #[serde(default)]
    pub frame: Option<Frame>,
    #[serde(default)]
    pub agent: Option<Agent>,
    #[serde(default)]
    pub portrayal: Option<Portrayal>,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub chars: Option<u64>,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, serde_json::Value>>,
    /// Id of the rule that decides; `none` where no rule applies.
    pub rule: String,
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_least: BTreeMap<String, f32>,
    /// Score name → the value must lie below this.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub below: BTreeMap<String, f32>,
    /// The most probable frame is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frame: Vec<Frame>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent: Vec<Agent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portrayal: Vec<Portrayal>,
    /// Globs over the record's source; a record without a source matches none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// Least and greatest length of the text in characters.
    #[serde(default)]
    pub min_chars: Option<u64>,
    #[serde(default)]
    pub max_chars: Option<u64>,
    /// An expression that must be true, such as `metadata.lang == "en" and coercion > 0.3`.
    #[serde(default)]
    pub expr: Option<String>,
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
        /// Zero or more: a number, or an expression that gives one.
        weight: WeightTable,
        #[serde(default)]
        realise: CopyMode,
    },
    /// Keep parts for context but mark them as not to be learned from.
    Mask {
        #[serde(default)]
        unit: MaskUnit,
    },
    /// Put a control text before the document or before its flagged sentences.
    Condition {
        text: String,
        #[serde(default)]
        place: Place,
        /// With `place = "inline"`: the share of sentences that get the text.
        #[serde(default = "default_share")]
        share: f64,
    },
    /// Replace the evidence by a marker.
    Redact {
        #[serde(default = "default_marker")]
        marker: String,
    },
    /// Put another document in its place, of about the same length, from the pool that
    /// `--refill` names. A record for which the pool holds none is dropped.
    Replace,
    /// Take the record out of `documents/`; it is written to `dropped/` with the reason.
    Drop,
}

/// A weight: fixed, or computed from the verdict and the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WeightTable {
    Number(f64),
    Expression(String),
}

/// Where a control text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before the document, as a line of its own; in a chat as a system turn.
    #[default]
    Start,
    /// Before every sentence that holds evidence of coercion.
    Segments,
    /// Before a share of all sentences, drawn by seed, id and position.
    Inline,
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
    /// The sentences that hold evidence.
    Sentences,
    /// The speaker turns that hold evidence; where a text has none, the sentences.
    Turns,
    /// The whole text.
    Document,
}

/// The share of positions that conditioning by inline tokens has been tried with (Safety
/// Pretraining, arXiv 2504.16980).
fn default_share() -> f64 {
    0.05
}

fn default_marker() -> String {
    "[removed]".into()
}

/// The greatest weight, and so the most copies of one record.
pub const MOST_WEIGHT: f64 = 1000.0;

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
        for example in &file.examples {
            let known = example.rule == "none" || file.rules.iter().any(|r| r.id == example.rule);
            if !known {
                return Err(PolicyError::Syntax {
                    name: name.into(),
                    message: format!("an example expects `{}`, which is no rule", example.rule),
                });
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
            && self.expr.is_none()
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
        if let ActionTable::Weight { weight: WeightTable::Number(weight), .. } = self.action
            && !(weight.is_finite() && (0.0..=MOST_WEIGHT).contains(&weight))
        {
            return Err(format!("a weight lies between 0 and {MOST_WEIGHT}, not {weight}"));
        }
        if let ActionTable::Condition { share, .. } = self.action
            && !(0.0..=1.0).contains(&share)
        {
            return Err(format!("share lies between 0 and 1, not {share}"));
        }
        Ok(())
    }
}
