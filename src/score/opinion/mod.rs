//! A second opinion on documents of which the model is not sure: a sentence encoder reads a few
//! windows around the strongest evidence, and a small fitted head weighs what it says against the
//! model's own log-odds.

pub mod fit;
mod head;
pub mod places;

use std::sync::Arc;

use crate::encoder::Encoder;
use crate::text::Span;

use super::heads;
use super::logistic::sigmoid;
use fit::read;
pub use head::{Head, HeadError, Question};

/// The questions on which a second opinion is asked, as heads of the model.
pub const QUESTIONS: [usize; 7] = [
    heads::COERCION,
    heads::ENACTED,
    heads::ADMIRABLE,
    heads::AGENT,
    heads::AGENT + 1,
    heads::AGENT + 2,
    heads::AGENT + 3,
];

/// Probabilities of coercion or admirable conduct between which a document is read again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub low: f32,
    pub high: f32,
}

impl Default for Band {
    fn default() -> Self {
        Self { low: 0.05, high: 0.8 }
    }
}

impl Band {
    /// Whether calibrated log-odds leave coercion or admirable conduct open.
    #[must_use]
    pub fn holds(self, scores: &[f32]) -> bool {
        [heads::COERCION, heads::ADMIRABLE]
            .iter()
            .any(|head| (self.low..=self.high).contains(&sigmoid(scores[*head])))
    }
}

impl std::str::FromStr for Band {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: two probabilities such as 0.05-0.8 are expected");
        let (low, high) = text.split_once('-').ok_or_else(wrong)?;
        let number = |part: &str| part.trim().parse::<f32>().map_err(|_| wrong());
        let band = Self { low: number(low)?, high: number(high)? };
        if (0.0..=1.0).contains(&band.low) && (band.low..=1.0).contains(&band.high) {
            Ok(band)
        } else {
            Err(wrong())
        }
    }
}

/// An encoder with the head that was fitted to it; shared by all threads.
pub struct Opinion {
    encoder: Arc<Encoder>,
    head: Head,
    band: Band,
}

impl Opinion {
    /// Puts an encoder and a head together; `model` is the version of the model beside which they
    /// are asked, `band` replaces the head's own.
    ///
    /// # Errors
    /// Where the head was fitted to another encoder or beside another model.
    pub fn new(
        encoder: Arc<Encoder>,
        head: Head,
        model: &str,
        band: Option<Band>,
    ) -> Result<Self, HeadError> {
        head.suits(encoder.version(), encoder.width(), model)?;
        let band = band.unwrap_or(head.band);
        Ok(Self { encoder, head, band })
    }

    /// What the outputs depend on, for the books of a run.
    #[must_use]
    pub fn version(&self) -> String {
        let Band { low, high } = self.band;
        format!("{} with {} in {low}-{high}", self.encoder.version(), self.head.version())
    }

    /// Whether a document with these calibrated log-odds is read again.
    #[must_use]
    pub fn wanted(&self, scores: &[f32]) -> bool {
        self.band.holds(scores)
    }

    /// Windows that are read at most.
    #[must_use]
    pub fn most_windows(&self) -> usize {
        self.head.windows
    }

    /// Moves the log-odds by what the encoder says of these windows. A text that the tokenizer
    /// refuses, or in which there is nothing to read, leaves them as they are.
    pub fn revise(&self, text: &str, windows: &[Span], scores: &mut [f32]) {
        if let Some(vector) = read(&self.encoder, text, windows) {
            self.head.revise(&vector, scores);
        }
    }
}
