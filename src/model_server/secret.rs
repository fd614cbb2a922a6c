//! The key of a server: sent, and shown nowhere.

use std::fmt;

/// Shorter keys are words like `none` or `EMPTY`, which local servers are given; taking them out
/// of texts would damage the texts.
const SHORTEST: usize = 8;

/// A key that no output shows: it cannot be printed, and [`Secret::scrub`] takes it out of what a
/// server says.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A key as it stands in the environment; none where it is blank.
    ///
    /// # Errors
    /// Where it holds what no HTTP header may carry. The message does not show the key.
    pub fn new(text: &str) -> Result<Option<Self>, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the key holds spaces, control characters or letters beyond ASCII");
        }
        Ok(Some(Self(text.into())))
    }

    /// The value of the header that carries it.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The text without the key, should it stand there.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.0.len() < SHORTEST { text.into() } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_nowhere() {
        let key = Secret::new(" sk-0123456789 \n").expect("sound").expect("a key");
        assert_eq!(key.scrub("no such key: sk-0123456789!"), "no such key: [key]!");
        assert_eq!(format!("{key:?}"), "Secret");
        assert!(Secret::new("two words").is_err());
        assert!(Secret::new("  ").is_ok_and(|key| key.is_none()));
        let word = Secret::new("EMPTY").expect("sound").expect("a key");
        assert_eq!(word.scrub("The EMPTY hall."), "The EMPTY hall.");
    }
}
