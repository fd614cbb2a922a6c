//! fastText classifiers as a signal beside the model: many teams have one.
//!
//! A classifier's probabilities are not mixed into the verdict's scores. They stand beside them, as
//! attributes and as `fasttext.LABEL` in the expressions of policies.

mod file;

use std::sync::Arc;

use fasttext::FastText;

/// Why a file cannot be used as a classifier.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    #[error("not a fastText model")]
    Magic,
    #[error("written by a newer fastText (format {0}; up to 12 is known)")]
    Version(i32),
    #[error("ends early: {wanted} bytes are wanted at byte {at}, {left} are left")]
    Short { at: usize, wanted: usize, left: usize },
    #[error("damaged at byte {at}: {what}")]
    Damaged { at: usize, what: String },
    #[error("word vectors, not a classifier; train with `fasttext supervised`")]
    NotSupervised,
    #[error(
        "quantised with hierarchical softmax, which is not known here; train with `-loss softmax` or `ova`"
    )]
    QuantisedTree,
    #[error("cannot be loaded: {0}")]
    Load(String),
}

/// A label and its probability.
pub type Labelled = (Arc<str>, f32);

/// A loaded classifier, immutable and shared by all threads.
pub struct Classifier {
    model: FastText,
    /// The labels as the model knows them, with the names that attributes use.
    names: Vec<(String, Arc<str>)>,
    version: String,
}

impl Classifier {
    /// Reads a `.bin` or `.ftz` file.
    ///
    /// # Errors
    /// Where it is damaged or no classifier.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ClassifierError> {
        file::check(bytes)?;
        let model =
            FastText::load(&mut &bytes[..]).map_err(|e| ClassifierError::Load(e.to_string()))?;
        let (labels, _) = model.get_labels();
        let names = labels
            .into_iter()
            .map(|label| {
                let name = attribute_name(&label).into();
                (label, name)
            })
            .collect();
        let version = blake3::hash(bytes).to_hex()[..16].to_owned();
        Ok(Self { model, names, version })
    }

    /// Hash of the file: 16 hexadecimal digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The probabilities of all labels, by name; none where the model knows nothing of the text.
    ///
    /// The whole text counts as one line. `</s>`, which fastText takes for the end of a line, is
    /// passed over, or a document could hide whatever follows it.
    #[must_use]
    pub fn classify(&self, text: &str) -> Vec<Labelled> {
        // The end of a line is a word of its own and makes pairs with the last one: written out, it
        // is read as fastText reads it from a file.
        let line = format!("{} {END}", text.replace(END, " "));
        let (mut words, mut labels) = (Vec::new(), Vec::new());
        self.model.dict().get_line_from_str(&line, &mut words, &mut labels);
        let mut all: Vec<Labelled> = self
            .model
            .predict_on_words(&words, self.names.len(), 0.0)
            .into_iter()
            .filter_map(|p| {
                let (_, name) = self.names.iter().find(|(label, _)| *label == p.label)?;
                Some((name.clone(), p.prob.clamp(0.0, 1.0)))
            })
            .collect();
        // Labels that differ only in signs which a name cannot carry share one: the likelier counts.
        all.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        all.dedup_by(|later, first| later.0 == first.0);
        all
    }
}

const END: &str = "</s>";

/// A label without fastText's prefix, in letters, digits, `_` and `-`.
fn attribute_name(label: &str) -> String {
    let plain = label.strip_prefix("__label__").unwrap_or(label);
    let sign = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
    plain.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_attributes_and_expressions() {
        assert_eq!(attribute_name("__label__harmful"), "harmful");
        assert_eq!(attribute_name("__label__a\"b c"), "a_b_c");
        assert_eq!(attribute_name("spam"), "spam");
    }
}
