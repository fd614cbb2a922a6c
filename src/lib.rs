//! parable: narrative filtering for training corpora.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod document;
pub mod score;
pub mod taxonomy;
pub mod text;
pub mod tokens;
