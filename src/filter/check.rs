//! Lint: what a rule's author should know before anybody relies on it.

use super::{Rule, Signal};

/// One remark on a rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    pub path: String,
    pub rule: String,
    /// An error fails the check; a warning does not.
    pub error: bool,
    /// A short code: `example_missed`, `lookalike_hit`, `few_examples`, `unused_signal`,
    /// `slow_pattern`, `id_and_path`.
    pub code: &'static str,
    pub message: String,
}

/// Remarks that need no document. Running the examples is the scanner's work.
#[must_use]
pub fn lint(rule: &Rule) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |error, code, message: String| {
        remarks.push(Remark {
            path: rule.path.clone(),
            rule: rule.file.id.clone(),
            error,
            code,
            message,
        });
    };
    if rule.file.matches.len() < 2 {
        say(
            true,
            "few_examples",
            format!("{} match texts; at least two are wanted", rule.file.matches.len()),
        );
    }
    if rule.file.passes.len() < 2 {
        say(
            true,
            "few_examples",
            format!("{} pass texts; at least two look-alikes are wanted", rule.file.passes.len()),
        );
    }
    if !rule.path.trim_end_matches(".toml").ends_with(&rule.file.id) {
        say(
            true,
            "id_and_path",
            format!("the id `{}` is not what the path ends with", rule.file.id),
        );
    }
    let condition = &rule.file.condition;
    for (name, signal) in rule.file.signals.keys().zip(&rule.signals) {
        let at_least = condition.at_least.iter().flat_map(|a| &a.of);
        let named = condition
            .all
            .iter()
            .chain(&condition.any)
            .chain(&condition.none)
            .chain(&condition.order);
        if !named.chain(at_least).any(|used| used == name) {
            say(true, "unused_signal", format!("signal `{name}` is not used by the condition"));
        }
        if let Signal::Pattern(pattern) = signal
            && pattern.atoms().is_empty()
        {
            say(
                false,
                "slow_pattern",
                format!(
                    "signal `{name}` needs no literal of two letters or more, so it is tried on every document"
                ),
            );
        }
    }
    remarks
}
