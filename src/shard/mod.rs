//! Bytes in and bytes out: which files, which codec, which pieces, which lines, which records.
//!
//! Nothing here knows what a document means. A shard is cut into pieces by its own bytes, never by
//! the number of threads, so that any number of workers gives the same output.

pub mod codec;
pub mod columns;
pub mod documents;
pub mod fields;
pub mod gzip;
pub mod input;
pub mod lines;
pub mod output;
pub mod piece;
pub mod quarantine;
pub mod record;
pub mod remote;
pub mod row_groups;
pub mod stored;
pub mod table;

use std::ops::Range;

pub use codec::Codec;
pub use input::{Format, Input, InputError, expand};
pub use piece::Piece;
pub use record::{FieldPaths, Record, RecordError};
pub use remote::RemoteError;

/// Caps on what a hostile input can ask for. Each has a flag that raises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest line, in bytes; a longer one goes to quarantine (`--max-line-bytes`).
    pub line_bytes: usize,
    /// Most decompressed bytes per compressed byte of a shard before it counts as a bomb
    /// (`--max-expansion`), once [`Limits::FREE_EXPANSION`] bytes have come out.
    pub expansion: u64,
    /// Deepest nesting of a record; Python's readers, which come after, fail at about a thousand
    /// levels (`--max-nesting`).
    pub nesting: usize,
}

impl Limits {
    /// Decompressed bytes that are never questioned: small files may be very repetitive.
    pub const FREE_EXPANSION: u64 = 256 << 20;
}

impl Limits {
    /// Refuses a bomb: so many bytes out of so many stored ones.
    ///
    /// # Errors
    /// Where that is more than [`Limits::expansion`] allows.
    pub(crate) fn check_expansion(&self, out: u64, stored: u64) -> std::io::Result<()> {
        if out <= stored.saturating_mul(self.expansion).max(Self::FREE_EXPANSION) {
            return Ok(());
        }
        Err(std::io::Error::other(format!(
            "{out} bytes came out of {stored}: more than {} times; raise --max-expansion if this is meant",
            self.expansion
        )))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 64 << 20, expansion: 1000, nesting: 512 }
    }
}

/// A place where an input is not what it should be; everything before and behind it is still read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Damage {
    /// Offset in the file as stored (compressed bytes for compressed shards).
    pub byte_offset: u64,
    pub message: String,
}

/// An error while reading that knows its place; what [`Located::error`] makes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Located {
    at: u64,
    message: String,
    doubtful: Range<u64>,
}

impl Located {
    /// An error at a byte of the file as stored.
    #[must_use]
    pub fn error(at: u64, kind: std::io::ErrorKind, message: String) -> std::io::Error {
        Self::doubtful_error(at, kind, message, 0..0)
    }

    /// The same where bytes that came out before the error are not what was stored, for all that can
    /// be known: counted in decoded bytes from where the reader began.
    #[must_use]
    pub fn doubtful_error(
        at: u64,
        kind: std::io::ErrorKind,
        message: String,
        doubtful: Range<u64>,
    ) -> std::io::Error {
        std::io::Error::new(kind, Self { at, message, doubtful })
    }

    /// The decoded bytes on which an error casts doubt; none mostly.
    #[must_use]
    pub fn doubtful(error: &std::io::Error) -> Option<Range<u64>> {
        let located = error.get_ref()?.downcast_ref::<Self>()?;
        (!located.doubtful.is_empty()).then(|| located.doubtful.clone())
    }

    /// The place of an error that has one.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Option<u64> {
        error.get_ref()?.downcast_ref::<Self>().map(|located| located.at)
    }
}
