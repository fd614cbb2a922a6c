//! The books: every record that came in and what became of it.

use serde::{Deserialize, Serialize};

use crate::composition::Composition;

/// Counts of one piece, one shard, or the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Stored bytes of the shards.
    pub bytes_in: u64,
    /// Decoded bytes, line ends included.
    pub bytes_decoded: u64,
    pub records_in: u64,
    /// Records written to `documents/`; copies count.
    pub documents_out: u64,
    pub kept: u64,
    pub tagged: u64,
    pub weighted: u64,
    pub masked: u64,
    pub conditioned: u64,
    pub replaced: u64,
    pub dropped: u64,
    pub quarantined: u64,
    /// Extra copies written by weights above one.
    pub duplicated: u64,
    /// Records that the gate cleared unread; they are among `kept`.
    pub cleared: u64,
    /// Lines of nothing but white space; no records.
    pub blank_lines: u64,
    /// Records with P(coercion) ≥ 0.5.
    pub flagged: u64,
    /// Evaluations of policy rules that failed; such a rule does not apply to its record.
    #[serde(default)]
    pub policy_faults: u64,
}

macro_rules! each_count {
    ($macro:ident) => {
        $macro!(
            bytes_in,
            bytes_decoded,
            records_in,
            documents_out,
            kept,
            tagged,
            weighted,
            masked,
            conditioned,
            replaced,
            dropped,
            quarantined,
            duplicated,
            cleared,
            blank_lines,
            flagged,
            policy_faults
        )
    };
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        macro_rules! sum { ($($field:ident),+) => { $(self.$field += other.$field;)+ } }
        each_count!(sum);
    }

    /// `records_in = kept + tagged + weighted + masked + conditioned + replaced + dropped +
    /// quarantined`.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.records_in
            == self.kept
                + self.tagged
                + self.weighted
                + self.masked
                + self.conditioned
                + self.replaced
                + self.dropped
                + self.quarantined
    }
}

/// One shard's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPage {
    pub path: String,
    #[serde(flatten)]
    pub counts: Counts,
    /// Whether every piece was read to its end and its outputs stand.
    pub complete: bool,
    pub damage: Vec<DamageNote>,
}

/// A named place of damage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DamageNote {
    /// Offset in the file as stored.
    pub byte_offset: u64,
    pub message: String,
}

/// `ledger.json`. Everything but `run` is a function of the input and the settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    pub totals: Counts,
    pub shards: Vec<ShardPage>,
    pub complete: bool,
    pub parable: String,
    pub filter_set: String,
    pub model: String,
    /// What was asked besides model and rules: encoder, fastText classifier.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub aides: std::collections::BTreeMap<String, String>,
    pub policy: PolicyNote,
    /// Rule of the policy → records that it decided.
    #[serde(default)]
    pub policy_rules: std::collections::BTreeMap<String, u64>,
    /// Documents and bytes by source and traits, as they came in and as they went out.
    #[serde(default)]
    pub composition: Composition,
    /// Where a tokenizer was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// What the policy's plan had predicted of the composition, beside what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<PlannedShare>,
    pub seed: u64,
    pub gate: String,
    /// Times and facts of the machine and the command: the only part that may differ.
    pub run: serde_json::Value,
}

/// Tokens of all texts, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Hash of the tokenizer's file.
    pub tokenizer: String,
    pub tokens_in: u64,
    /// Before any edit of the texts, times their copies or their weight.
    pub tokens_out: u64,
}

/// A predicted share of the output's bytes, or tokens, and the share that was realised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedShare {
    /// A trait, or `source:` and a name.
    pub what: String,
    pub before: f64,
    pub predicted: f64,
    pub predicted_95: [f64; 2],
    pub realised: Option<f64>,
    pub within: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyNote {
    pub name: String,
    pub hash: String,
}

impl Ledger {
    /// Names of the pages that do not balance; the totals are called `totals`.
    #[must_use]
    pub fn unbalanced(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .shards
            .iter()
            .filter(|page| !page.counts.balanced())
            .map(|page| page.path.clone())
            .collect();
        let mut sum = Counts::default();
        for page in &self.shards {
            sum.add(&page.counts);
        }
        if sum != self.totals || !self.totals.balanced() {
            names.push("totals".into());
        }
        names
    }

    /// Whether anything was quarantined or damaged.
    #[must_use]
    pub fn has_bad(&self) -> bool {
        self.totals.quarantined > 0 || self.shards.iter().any(|page| !page.damage.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_is_not_counted_unbalances_the_page() {
        let mut counts = Counts { records_in: 3, kept: 2, quarantined: 1, ..Counts::default() };
        assert!(counts.balanced());
        counts.records_in += 1;
        assert!(!counts.balanced());
    }
}
