//! A loaded `tokenizer.json` and the byte range that each of its tokens owns.

use tokenizers::{NormalizedString, Normalizer};

use crate::text::Span;

/// What can go wrong with a tokenizer file or a text.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file is not a tokenizer in the Hugging Face JSON format.
    #[error("{name}: not a tokenizer.json that the tokenizers library can load: {reason}")]
    Load { name: String, reason: String },
    /// The tokenizer refused a text.
    #[error("the tokenizer could not encode a text of {bytes} bytes: {reason}")]
    Encode { bytes: usize, reason: String },
    /// The tokenizer has no text for one of the ids.
    #[error("the tokenizer could not decode {tokens} tokens: {reason}")]
    Decode { tokens: usize, reason: String },
}

/// One token: its id and the bytes of the text that it stands for.
///
/// Ranges ascend. Tokens that share one character (byte fallback, a split emoji) have equal
/// ranges; characters that a tokenizer trims or drops belong to the token after them, or to the
/// last token at the end of the text, so that together the ranges cover the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    pub span: Span,
}

/// A Hugging Face tokenizer. Shared between threads; encoding borrows it.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    hash: String,
}

impl Tokenizer {
    /// Loads the bytes of a `tokenizer.json`; `name` is used in errors. Truncation and padding
    /// that the file may ask for are switched off: both would lose or invent tokens.
    ///
    /// # Errors
    /// [`TokenError::Load`] where the bytes are not such a file.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, TokenError> {
        let load = |reason: String| TokenError::Load { name: name.to_string(), reason };
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| load(error.to_string()))?;
        inner.with_truncation(None).map_err(|error| load(error.to_string()))?;
        inner.with_padding(None);
        let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes));
        Ok(Self { inner, hash })
    }

    /// Names the file's content: counts by tokenizers of different hashes do not compare.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The id of a token, special ones included, by its text.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// One more than the greatest id.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |most| most as usize + 1)
    }

    /// Number of tokens in `text`, without special tokens.
    ///
    /// # Errors
    /// [`TokenError::Encode`] where the tokenizer refuses the text.
    pub fn count(&self, text: &str) -> Result<usize, TokenError> {
        // `encode_fast` leaves the offsets out, which is most of the work after the merges.
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| encode_error(text, &error))?;
        Ok(encoding.get_ids().len())
    }

    /// The tokens of `text`, without special tokens, and the bytes that each owns.
    ///
    /// # Errors
    /// [`TokenError::Encode`] where the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<Token>, TokenError> {
        let encoding =
            self.inner.encode(text, false).map_err(|error| encode_error(text, &error))?;
        Ok(owned_ranges(text, encoding.get_ids(), encoding.get_offsets()))
    }

    /// `text` as the tokenizer's own normaliser leaves it (often Unicode NFC), which is what its
    /// ids stand for. Spans always refer to the text as given.
    ///
    /// # Errors
    /// [`TokenError::Encode`] where the normaliser refuses the text.
    pub fn normalized(&self, text: &str) -> Result<String, TokenError> {
        let Some(normalizer) = self.inner.get_normalizer() else { return Ok(text.to_string()) };
        let mut normalized = NormalizedString::from(text);
        normalizer.normalize(&mut normalized).map_err(|error| encode_error(text, &error))?;
        Ok(normalized.get().to_string())
    }

    /// The text that `ids` stand for, special tokens included: the [`normalized`](Self::normalized)
    /// text where the tokenizer is lossless.
    ///
    /// # Errors
    /// [`TokenError::Decode`] where an id has no decoding.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenError> {
        self.inner
            .decode(ids, false)
            .map_err(|error| TokenError::Decode { tokens: ids.len(), reason: error.to_string() })
    }
}

fn encode_error(text: &str, error: &tokenizers::Error) -> TokenError {
    TokenError::Encode { bytes: text.len(), reason: error.to_string() }
}

/// Widens the reported offsets until they cover the text: gaps go to the token behind them.
fn owned_ranges(text: &str, ids: &[u32], offsets: &[(usize, usize)]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(ids.len());
    let mut covered = 0;
    for (id, &(start, end)) in ids.iter().zip(offsets) {
        // A reported start before `covered` means a character shared with the token before.
        let start = text.floor_char_boundary(start.min(covered));
        let end = text.ceil_char_boundary(end.clamp(covered, text.len()));
        tokens.push(Token { id: *id, span: Span::new(start, end) });
        covered = end;
    }
    if let Some(last) = tokens.last_mut() {
        last.span.end = text.len();
    }
    tokens
}
