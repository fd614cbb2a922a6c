//! The fitted head of a second opinion, and how it lies in a file.

use super::{Band, QUESTIONS};

const MAGIC: &[u8; 8] = b"PARABLE\x80";
const FORMAT: u32 = 1;

/// A head that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    #[error(
        "not an encoder head of this version of the program; refit it with `parable fit --encoder`"
    )]
    Magic,
    #[error("the encoder head is damaged: {0} bytes, not {1}")]
    Length(usize, usize),
    #[error("the encoder head is damaged: {0}")]
    Damaged(&'static str),
    #[error(
        "the head was fitted to the encoder {fitted}, this one is {given}; use that encoder or refit with `parable fit --encoder`"
    )]
    Encoder { fitted: String, given: String },
    #[error(
        "the head was fitted beside the model {fitted}, this one is {given}; use that model (--model) or refit with `parable fit --encoder`"
    )]
    Model { fitted: String, given: String },
}

/// What the encoder's vector says to one question, and how much that counts beside the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    pub weights: Vec<f32>,
    pub bias: f32,
    /// New log-odds = `own` × the model's + `other` × this head's + `offset`.
    pub own: f32,
    pub other: f32,
    pub offset: f32,
}

/// A head for every question of [`QUESTIONS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Versions of the encoder and of the model that it was fitted to.
    pub encoder: String,
    pub model: String,
    /// Windows of a document that are read at most.
    pub windows: usize,
    pub band: Band,
    pub questions: Vec<Question>,
}

impl Question {
    /// The head's own log-odds.
    #[must_use]
    pub fn ask(&self, vector: &[f32]) -> f32 {
        self.bias + self.weights.iter().zip(vector).map(|(w, v)| w * v).sum::<f32>()
    }

    /// The model's log-odds with the head's added.
    #[must_use]
    pub fn stack(&self, model: f32, head: f32) -> f32 {
        self.own * model + self.other * head + self.offset
    }
}

impl Head {
    /// Moves the model's log-odds.
    pub fn revise(&self, vector: &[f32], scores: &mut [f32]) {
        for (question, head) in self.questions.iter().zip(QUESTIONS) {
            scores[head] = question.stack(scores[head], question.ask(vector));
        }
    }

    /// Whether the head belongs to this encoder and model.
    ///
    /// # Errors
    /// Where it does not; says to which it belongs.
    pub fn suits(&self, encoder: &str, width: usize, model: &str) -> Result<(), HeadError> {
        let fitted = self.encoder.clone();
        if self.encoder != encoder || self.questions.iter().any(|q| q.weights.len() != width) {
            return Err(HeadError::Encoder { fitted, given: encoder.to_owned() });
        }
        if self.model != model {
            let fitted = self.model.clone();
            return Err(HeadError::Model { fitted, given: model.to_owned() });
        }
        Ok(())
    }

    /// Hash of the file's bytes: 16 hexadecimal digits.
    #[must_use]
    pub fn version(&self) -> String {
        blake3::hash(&self.to_bytes()).to_hex()[..16].to_owned()
    }

    /// The head as a file's bytes: little-endian, no padding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let width = self.questions.first().map_or(0, |q| q.weights.len());
        for number in [FORMAT, QUESTIONS.len() as u32, width as u32, self.windows as u32] {
            out.extend(number.to_le_bytes());
        }
        out.extend(text_field(&self.encoder));
        out.extend(text_field(&self.model));
        let mut floats = vec![self.band.low, self.band.high];
        for question in &self.questions {
            floats.extend([question.bias, question.own, question.other, question.offset]);
            floats.extend(&question.weights);
        }
        floats.iter().for_each(|v| out.extend(v.to_le_bytes()));
        out
    }

    /// Reads a head file.
    ///
    /// # Errors
    /// Where it is damaged or something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        let number = |nth: usize| {
            let part = bytes.get(8 + 4 * nth..12 + 4 * nth)?;
            Some(u32::from_le_bytes([part[0], part[1], part[2], part[3]]) as usize)
        };
        let start = bytes.get(..8) == Some(MAGIC);
        let shape: Option<Vec<usize>> = (0..4).map(number).collect();
        let Some([format, count, width, windows]) = shape.as_deref().filter(|_| start) else {
            return Err(HeadError::Magic);
        };
        if *format != FORMAT as usize || *count != QUESTIONS.len() {
            return Err(HeadError::Magic);
        }
        let floats_at = 8 + 16 + 2 * NAME;
        let expected = floats_at + 4 * (2 + count * (4 + width));
        if bytes.len() != expected {
            return Err(HeadError::Length(bytes.len(), expected));
        }
        let name = |at: usize| String::from_utf8_lossy(&bytes[at..at + NAME]).into_owned();
        let floats: Vec<f32> = bytes[floats_at..]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if floats.iter().any(|value| !value.is_finite()) {
            return Err(HeadError::Damaged("a number that is not finite"));
        }
        let questions = floats[2..]
            .chunks_exact(4 + width)
            .map(|q| Question {
                bias: q[0],
                own: q[1],
                other: q[2],
                offset: q[3],
                weights: q[4..].to_vec(),
            })
            .collect();
        let band = Band { low: floats[0], high: floats[1] };
        let (encoder, model) = (name(24), name(24 + NAME));
        Ok(Self { encoder, model, windows: *windows, band, questions })
    }
}

/// Bytes of a version in the file.
const NAME: usize = 16;

fn text_field(version: &str) -> [u8; NAME] {
    let mut field = [b'-'; NAME];
    field.iter_mut().zip(version.bytes()).for_each(|(slot, byte)| *slot = byte);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::heads;

    fn head() -> Head {
        let question = |nth: usize| Question {
            weights: vec![nth as f32, 0.5, -1.0],
            bias: 0.25,
            own: 0.9,
            other: 0.3,
            offset: -0.1,
        };
        Head {
            encoder: "0123456789abcdef".into(),
            model: "fedcba9876543210".into(),
            windows: 4,
            band: Band::default(),
            questions: (0..QUESTIONS.len()).map(question).collect(),
        }
    }

    #[test]
    fn a_head_round_trips_and_damage_is_told() {
        let bytes = head().to_bytes();
        assert_eq!(Head::from_bytes(&bytes).unwrap(), head());
        assert!(matches!(Head::from_bytes(&bytes[..bytes.len() - 1]), Err(HeadError::Length(..))));
        assert!(matches!(Head::from_bytes(&bytes[..20]), Err(HeadError::Magic)));
        assert!(matches!(Head::from_bytes(b"something else, long enough"), Err(HeadError::Magic)));
        let mut odd = bytes;
        let end = odd.len();
        odd[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(Head::from_bytes(&odd), Err(HeadError::Damaged(_))));
    }

    #[test]
    fn a_head_belongs_to_one_encoder_and_one_model() {
        let head = head();
        assert!(head.suits("0123456789abcdef", 3, "fedcba9876543210").is_ok());
        assert!(matches!(head.suits("x", 3, "fedcba9876543210"), Err(HeadError::Encoder { .. })));
        assert!(matches!(head.suits("0123456789abcdef", 3, "x"), Err(HeadError::Model { .. })));
    }

    #[test]
    fn log_odds_are_stacked_for_the_questions_and_no_others() {
        let mut scores = vec![1.0; heads::COUNT];
        head().revise(&[2.0, 2.0, 1.0], &mut scores);
        // Coercion: 0.25 + 0·2 + 0.5·2 − 1 = 0.25 from the head.
        assert!((scores[heads::COERCION] - (0.9 + 0.3 * 0.25 - 0.1)).abs() < 1e-6);
        assert_eq!(scores[heads::REASON], 1.0);
    }
}
