//! Text as it stands: byte spans, sentences, quotations. Knows nothing above it.

mod segment;
pub mod span;

pub use segment::{quotes, sentences};
pub use span::{CodePoints, Span};
