//! Hugging Face tokenizers: exact token counts and token loss masks.
//!
//! A span says which characters should not be learned from; trainers want to know it token by
//! token. [`mask()`] converts so that no token is lost at a boundary: each token of a document gets
//! exactly one answer. [`export`] writes the answers in the shapes that trainers read.

pub mod export;
mod mask;
mod tokenizer;

pub use mask::{TokenMask, mask};
pub use tokenizer::{Token, TokenError, Tokenizer};
