//! What the scorer says of one document.

use crate::taxonomy::{Agent, Category, Frame, Portrayal};
use crate::text::Span;

/// One place in the text that speaks for a category.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub category: Category,
    pub span: Span,
    /// 0 to 1: how much this place alone speaks for the category.
    pub strength: f32,
    /// The rule that found it (its id), or `model` where the fitted model chose the sentence.
    pub rule: std::sync::Arc<str>,
}

/// Probabilities and evidence for one document. All scores lie in 0..=1 except `severity` (0..=4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// P(severity ≥ 2), any frame.
    pub coercion: f32,
    /// P(severity ≥ 2 and the frame is fiction, transcript or instruction).
    pub enacted: f32,
    /// Expected severity, 0 to 4.
    pub severity: f32,
    /// P(admirable ≥ 2).
    pub admirable: f32,
    pub reason_given: f32,
    /// Indexed by [`Category::index`].
    pub categories: [f32; Category::COUNT],
    /// Sums to 1. Indexed by [`Frame::index`].
    pub frame: [f32; Frame::COUNT],
    /// Sums to 1. Indexed by [`Agent::index`].
    pub agent: [f32; Agent::COUNT],
    /// Sums to 1. Indexed by [`Portrayal::index`].
    pub portrayal: [f32; Portrayal::COUNT],
    /// Sorted by category, then by start; spans of one category do not overlap.
    pub evidence: Vec<Evidence>,
    /// Labels of a fastText classifier with their probabilities, by name; empty where none is asked.
    pub fasttext: Vec<super::fasttext::Labelled>,
}

impl Verdict {
    #[must_use]
    pub fn category(&self, category: Category) -> f32 {
        self.categories[category.index()]
    }

    /// A score by the name that policies use; 0 where there is none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> f32 {
        match name {
            "coercion" => self.coercion,
            "enacted" => self.enacted,
            "severity" => self.severity,
            "admirable" => self.admirable,
            "reason_given" => self.reason_given,
            category => Category::from_id(category).map_or(0.0, |c| self.category(c)),
        }
    }

    /// Sets a score by the name that policies use; false where there is none of that name.
    pub fn set(&mut self, name: &str, value: f32) -> bool {
        let slot = match name {
            "coercion" => &mut self.coercion,
            "enacted" => &mut self.enacted,
            "severity" => &mut self.severity,
            "admirable" => &mut self.admirable,
            "reason_given" => &mut self.reason_given,
            category => match Category::from_id(category) {
                Some(category) => &mut self.categories[category.index()],
                None => return false,
            },
        };
        *slot = value;
        true
    }

    #[must_use]
    pub fn top_frame(&self) -> Frame {
        Frame::ALL[argmax(&self.frame)]
    }

    #[must_use]
    pub fn top_agent(&self) -> Agent {
        Agent::ALL[argmax(&self.agent)]
    }

    #[must_use]
    pub fn top_portrayal(&self) -> Portrayal {
        Portrayal::ALL[argmax(&self.portrayal)]
    }
}

/// Index of the greatest value; the first of equals.
fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}
