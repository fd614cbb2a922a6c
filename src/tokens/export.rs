//! Loss masks in the shapes that trainers read. Pure: bytes and numbers in, bytes and numbers out.

use super::TokenMask;
use crate::text::{CodePoints, Span};

/// Label of a masked position for Hugging Face trainers (PyTorch's `ignore_index`).
pub const IGNORE_INDEX: i64 = -100;

/// Half-open code-point ranges `[start, end)`, as datatrove's `no_loss_ranges` and Dolma count.
#[must_use]
pub fn code_point_ranges(text: &str, spans: &[Span]) -> Vec<[usize; 2]> {
    let mut points = CodePoints::new(text);
    spans.iter().map(|span| [points.at(span.start), points.at(span.end)]).collect()
}

/// Inclusive code-point ranges `[first, last]`, as Fast-LLM's loss-masking spans count. Empty spans
/// cannot be said inclusively and are left out.
#[must_use]
pub fn inclusive_ranges(text: &str, spans: &[Span]) -> Vec<[usize; 2]> {
    code_point_ranges(text, spans)
        .into_iter()
        .filter(|[start, end]| start < end)
        .map(|[start, end]| [start, end - 1])
        .collect()
}

/// `labels` for Hugging Face trainers: the token id where it is learned, [`IGNORE_INDEX`] elsewhere.
#[must_use]
pub fn labels(mask: &TokenMask) -> Vec<i64> {
    mask.tokens
        .iter()
        .zip(&mask.learn)
        .map(|(token, learn)| if *learn { i64::from(token.id) } else { IGNORE_INDEX })
        .collect()
}

/// Token ids as bare little-endian numbers of four bytes where `wide`, else two: what OLMo and
/// OLMo-core map as `uint32` and `uint16` arrays. They have no header, though their files are
/// commonly called `.npy`. Narrow ids must be below 2¹⁶.
#[must_use]
pub fn id_bytes(mask: &TokenMask, wide: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(mask.tokens.len() * 4);
    for token in &mask.tokens {
        match wide {
            true => bytes.extend_from_slice(&token.id.to_le_bytes()),
            false => bytes.extend_from_slice(&(token.id as u16).to_le_bytes()),
        }
    }
    bytes
}

/// One byte a token, 1 where it is learned from: OLMo-core's `label_mask_paths`, bare booleans.
#[must_use]
pub fn mask_bytes(mask: &TokenMask) -> Vec<u8> {
    mask.learn.iter().map(|learn| u8::from(*learn)).collect()
}
