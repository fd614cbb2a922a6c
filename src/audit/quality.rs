//! How good the scorer was found to be: counts against labelled documents, from which prevalences
//! are corrected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The counts that ship beside the built-in model.
const EMBEDDED: &str = include_str!("../../filters/model/quality.toml");

/// Right and wrong answers to one question at its threshold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub true_positives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
    pub true_negatives: u64,
}

impl Counts {
    #[must_use]
    pub fn positives(&self) -> u64 {
        self.true_positives + self.false_negatives
    }

    #[must_use]
    pub fn negatives(&self) -> u64 {
        self.false_positives + self.true_negatives
    }
}

/// The measured quality of a scorer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// What was measured, on what, and how; shown in reports.
    pub summary: String,
    /// Score from which an answer counted as yes.
    pub threshold: f64,
    /// Score id → counts. A question that is missing was not measured.
    pub questions: BTreeMap<String, Counts>,
}

/// Why a quality file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    #[error("{name}: {message}")]
    Syntax { name: String, message: String },
    #[error("{name}: `{question}` is no score (coercion, enacted, admirable, or a category's id)")]
    Question { name: String, question: String },
    #[error("{name}: the counts hold at threshold {given}, reports flag at {used}")]
    Threshold { name: String, given: f64, used: f32 },
}

impl Quality {
    /// Parses and checks a quality file; `name` stands in errors.
    ///
    /// # Errors
    /// See [`QualityError`].
    pub fn parse(name: &str, text: &str) -> Result<Self, QualityError> {
        let quality: Quality = toml::from_str(text)
            .map_err(|e| QualityError::Syntax { name: name.into(), message: e.to_string() })?;
        let known = |id: &str| (0..super::row::SCORES).any(|i| super::row::score_id(i) == id);
        if let Some(question) = quality.questions.keys().find(|id| !known(id)) {
            return Err(QualityError::Question { name: name.into(), question: question.clone() });
        }
        if (quality.threshold - f64::from(super::tally::THRESHOLD)).abs() > 1e-9 {
            let (given, used) = (quality.threshold, super::tally::THRESHOLD);
            return Err(QualityError::Threshold { name: name.into(), given, used });
        }
        Ok(quality)
    }

    /// The quality of the built-in model.
    ///
    /// # Errors
    /// None for the file that ships, which a test reads.
    pub fn embedded() -> Result<Self, QualityError> {
        Self::parse("filters/model/quality.toml", EMBEDDED)
    }

    /// The quality of the model that rows were made with: that of the built-in one, whose version
    /// is `embedded`, or nothing, with the reason. Where no ledger names a model, it is taken to be
    /// the built-in one.
    ///
    /// # Errors
    /// See [`Quality::embedded`].
    pub fn of_models(
        models: &[String],
        embedded: &str,
    ) -> Result<(Self, Option<String>), QualityError> {
        let quality = Self::embedded()?;
        let Some(other) = models.iter().find(|model| *model != embedded) else {
            return Ok((quality, None));
        };
        let reason = format!(
            "scored with model {other}, whose errors were not measured: nothing is corrected for them (--quality gives its counts)"
        );
        let summary = format!("not measured for model {other}");
        Ok((Quality { summary, questions: BTreeMap::new(), ..quality }, Some(reason)))
    }

    #[must_use]
    pub fn of(&self, score: &str) -> Option<&Counts> {
        self.questions.get(score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_ships_is_valid_and_mistakes_are_named() {
        let shipped = Quality::embedded().expect("valid");
        assert!(shipped.of("coercion").is_some_and(|c| c.positives() > 0 && c.negatives() > 0));
        let (same, none) = Quality::of_models(&["m".into()], "m").expect("valid");
        assert!(none.is_none() && same == shipped);
        let (other, why) = Quality::of_models(&["n".into()], "m").expect("valid");
        assert!(other.questions.is_empty() && why.is_some_and(|why| why.contains("model n")));
        let wrong = "summary = \"s\"\nthreshold = 0.5\n[questions.coercoin]\ntrue_positives = 1\nfalse_positives = 1\nfalse_negatives = 1\ntrue_negatives = 1\n";
        let error = Quality::parse("q.toml", wrong).expect_err("no such score").to_string();
        assert!(error.contains("coercoin"), "{error}");
        let other = Quality::parse("q.toml", "summary = \"s\"\nthreshold = 0.7\n[questions]\n");
        assert!(matches!(other, Err(QualityError::Threshold { .. })));
    }
}
