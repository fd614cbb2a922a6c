//! Sentence encoders of the BERT type, run here: a short text → one vector of length 1.
//!
//! An encoder comes as the three texts that a sentence-transformers folder holds: `config.json`,
//! `model.safetensors` and `tokenizer.json`. Vectors are means over the tokens' last states, as
//! those encoders were trained to be used. Everything runs on the thread that asks, so that the
//! same text gives the same bits at any number of threads.

mod bert;
mod weights;

use tokenizers::Tokenizer;

use bert::Bert;
pub use bert::Config;
pub use weights::Weights;

/// Tokens of a text that are read; what goes beyond is cut off.
pub const MOST_TOKENS: usize = 128;

/// Why an encoder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    #[error("config.json: {0}")]
    Config(String),
    #[error("model.safetensors: {0}")]
    Weights(String),
    #[error("model.safetensors: no tensor `{0}`; is it an encoder of the BERT type?")]
    Missing(String),
    #[error(
        "model.safetensors: `{name}` has the shape {found:?}, config.json asks for {expected:?}"
    )]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("tokenizer.json: {0}")]
    Tokenizer(String),
    #[error("1_Pooling/config.json: {0}")]
    Pooling(String),
    #[error("the encoder cannot read a text of {bytes} bytes: {reason}")]
    Text { bytes: usize, reason: String },
}

/// A loaded encoder, immutable and shared by all threads.
pub struct Encoder {
    bert: Bert,
    tokenizer: Tokenizer,
    version: String,
}

/// The files of an encoder's folder.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    pub config: &'a [u8],
    pub weights: &'a [u8],
    pub tokenizer: &'a [u8],
    /// `1_Pooling/config.json`, where there is one.
    pub pooling: Option<&'a [u8]>,
}

impl Encoder {
    /// Loads an encoder.
    ///
    /// # Errors
    /// Where a file is damaged, the files do not belong together, or the encoder is of a kind that
    /// is not known here; says which file.
    pub fn new(files: &Files<'_>) -> Result<Self, EncoderError> {
        if let Some(pooling) = files.pooling {
            means(pooling)?;
        }
        let config = Config::parse(files.config)?;
        let bert = Bert::new(&Weights::parse(files.weights)?, &config)?;
        let fail = |error: tokenizers::Error| EncoderError::Tokenizer(error.to_string());
        let mut tokenizer = Tokenizer::from_bytes(files.tokenizer).map_err(fail)?;
        tokenizer.with_padding(None);
        let most = MOST_TOKENS.min(config.positions());
        let truncation = tokenizers::TruncationParams {
            max_length: most,
            ..tokenizers::TruncationParams::default()
        };
        tokenizer.with_truncation(Some(truncation)).map_err(fail)?;
        let words = tokenizer.get_vocab_size(true);
        if words > config.vocabulary() {
            return Err(EncoderError::Tokenizer(format!(
                "{words} tokens, but config.json has a vocab_size of {}",
                config.vocabulary()
            )));
        }
        let mut hasher = blake3::Hasher::new();
        for part in [files.config, files.weights, files.tokenizer] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Ok(Self { bert, tokenizer, version: hasher.finalize().to_hex()[..16].to_owned() })
    }

    /// Hash of the files: 16 hexadecimal digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Numbers in a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.bert.width()
    }

    /// The vector of a text; its length is 1, or 0 where the text has no token.
    ///
    /// # Errors
    /// Where the tokenizer refuses the text.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, EncoderError> {
        let fail = |reason: String| EncoderError::Text { bytes: text.len(), reason };
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|e| fail(e.to_string()))?;
        let ids = encoding.get_ids();
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.bert.vocabulary()) {
            return Err(fail(format!("the tokenizer gave the token {id}, which has no vector")));
        }
        Ok(self.bert.mean(ids))
    }
}

/// Whether the folder's pooling is the mean over tokens; other poolings would be run wrongly.
fn means(config: &[u8]) -> Result<(), EncoderError> {
    let config: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(config).map_err(|e| EncoderError::Pooling(e.to_string()))?;
    let on: Vec<&str> = config
        .iter()
        .filter(|(name, value)| name.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    match on[..] {
        ["pooling_mode_mean_tokens"] => Ok(()),
        [] if config.get("pooling_mode").is_none_or(|mode| mode == "mean") => Ok(()),
        _ => Err(EncoderError::Pooling(format!(
            "only encoders whose vectors are means over tokens are known here, not {}",
            on.join(" and ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_means_are_pooled() {
        assert!(
            means(br#"{"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":false}"#).is_ok()
        );
        assert!(means(br#"{"word_embedding_dimension":32}"#).is_ok());
        let error = means(br#"{"pooling_mode_cls_token":true}"#).unwrap_err().to_string();
        assert!(error.contains("pooling_mode_cls_token"), "{error}");
        assert!(means(b"{").is_err());
    }
}
