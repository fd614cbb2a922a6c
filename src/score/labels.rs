//! Labelled records, as the annotation guide defines them.

use serde::Deserialize;

use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// A quotation that shows a category.
#[derive(Clone, Debug, Deserialize)]
pub struct Quote {
    pub category: Category,
    pub quote: String,
}

/// One labelled document. Fields that a file adds beyond these are of no concern here.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    pub id: String,
    #[serde(default)]
    pub family: String,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub member: Option<String>,
    pub text: String,
    pub frame: Frame,
    pub agent: Agent,
    pub severity: u8,
    #[serde(default)]
    pub categories: Vec<Category>,
    pub portrayal: Portrayal,
    #[serde(default)]
    pub admirable: u8,
    #[serde(default)]
    pub admirable_categories: Vec<Category>,
    #[serde(default)]
    pub reason_given: bool,
    #[serde(default)]
    pub evidence: Vec<Quote>,
    #[serde(default)]
    pub unsure: bool,
    /// Nobody read it: ordinary text, held to show no conduct. Its frame, agent and portrayal stay
    /// open, whatever the record says.
    #[serde(default)]
    pub presumed: bool,
    /// How much the document counts when a model is fitted.
    #[serde(skip, default = "one")]
    pub weight: f32,
    /// Whether calibration and figures take it in; texts written only to teach stay out.
    #[serde(skip, default = "yes")]
    pub judged: bool,
}

fn one() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

/// A label line that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}: {source}")]
pub struct LabelError {
    pub path: String,
    pub line: usize,
    pub source: serde_json::Error,
}

impl Label {
    #[must_use]
    pub fn has(&self, category: Category) -> bool {
        self.categories.contains(&category) || self.admirable_categories.contains(&category)
    }

    /// Severity 2 or more in a text that shows or primes the conduct.
    #[must_use]
    pub fn enacted(&self) -> bool {
        self.severity >= 2 && self.frame.is_enacted()
    }

    /// What must not be split between fitting and judging: the contrast group, else the family.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.family)
    }
}

/// Parses the text of one JSON Lines file of labels.
pub fn parse(path: &str, text: &str) -> Result<Vec<Label>, LabelError> {
    let mut labels = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            let label = serde_json::from_str(line).map_err(|source| LabelError {
                path: path.to_owned(),
                line: nth + 1,
                source,
            })?;
            labels.push(label);
        }
    }
    Ok(labels)
}

/// Bytes of an ordinary text that are of use: what goes beyond is much like what went before.
const ORDINARY: usize = 6_000;

/// Parses records of ordinary text: of each its `text` counts, as a label that is presumed.
///
/// # Errors
/// Where a line is no JSON or has no text.
pub fn ordinary(path: &str, text: &str) -> Result<Vec<Label>, LabelError> {
    #[derive(Deserialize)]
    struct Plain {
        text: String,
    }
    let mut labels = Vec::new();
    for (nth, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut plain: Plain = serde_json::from_str(line).map_err(|source| LabelError {
            path: path.to_owned(),
            line: nth + 1,
            source,
        })?;
        plain.text.truncate(plain.text.floor_char_boundary(ORDINARY));
        labels.push(Label {
            id: String::new(),
            family: String::new(),
            group: None,
            member: None,
            text: plain.text,
            frame: Frame::None,
            agent: Agent::None,
            severity: 0,
            categories: Vec::new(),
            portrayal: Portrayal::None,
            admirable: 0,
            admirable_categories: Vec::new(),
            reason_given: false,
            evidence: Vec::new(),
            unsure: false,
            presumed: true,
            weight: 1.0,
            judged: false,
        });
    }
    Ok(labels)
}
