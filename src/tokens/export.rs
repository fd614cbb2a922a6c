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

/// A one-dimensional NumPy `.npy` file (format version 1.0) of `u32` token ids.
#[must_use]
pub fn npy_ids(mask: &TokenMask) -> Vec<u8> {
    let mut file = npy_header("<u4", mask.tokens.len());
    for token in &mask.tokens {
        file.extend_from_slice(&token.id.to_le_bytes());
    }
    file
}

/// A one-dimensional NumPy `.npy` file of booleans, `True` where the token is learned from, as
/// OLMo-core's `label_mask_paths` expect beside a file of token ids.
#[must_use]
pub fn npy_mask(mask: &TokenMask) -> Vec<u8> {
    let mut file = npy_header("|b1", mask.learn.len());
    file.extend(mask.learn.iter().map(|learn| u8::from(*learn)));
    file
}

fn npy_header(kind: &str, length: usize) -> Vec<u8> {
    let mut dict = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({length},), }}");
    // Magic, version and length take 10 bytes; the data must begin at a multiple of 64.
    let padding = 64 - (10 + dict.len() + 1) % 64;
    dict.extend(std::iter::repeat_n(' ', padding % 64));
    dict.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    // At most some 150 bytes: the dictionary holds one number.
    file.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    file.extend_from_slice(dict.as_bytes());
    file
}
