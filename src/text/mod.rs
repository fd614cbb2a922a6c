//! Text as it stands: byte spans, sentences, quotations, speaker turns. Knows nothing above it.

pub mod span;

pub use span::{CodePoints, Span};
