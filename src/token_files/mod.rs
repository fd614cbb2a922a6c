//! Documents → files of token ids and loss masks, in the layouts that trainers read.
//!
//! A run with a `mask` action leaves its spans beside each document (`no_loss_bytes`); here they
//! become one answer for each token. Documents without spans are learned from whole. One set of
//! files is written for each shard, under the shard's own relative path, in the shard's order.

mod layout;
mod megatron;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::shard::documents::{self, Found, ReadError};
use crate::shard::{FieldPaths, Input, InputError, expand};
use crate::text::Span;
use crate::tokens::{TokenError, TokenMask, Tokenizer, mask};

pub use layout::Layout;

/// Bytes of text that are tokenized together, by all threads.
const BATCH: usize = 8 << 20;

/// What is written and how.
pub struct Settings<'a> {
    pub tokenizer: &'a Tokenizer,
    pub layout: Layout,
    /// Id of the token that ends each document; it is learned.
    pub end: Option<u32>,
    pub fields: &'a FieldPaths,
}

/// Why token files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("{id}: {source}")]
    Token { id: String, source: TokenError },
    #[error(
        "{id}: its masked bytes {start} to {end} do not fit its text of {bytes} bytes: the text was changed after the run that masked it"
    )]
    Mask { id: String, start: usize, end: usize, bytes: usize },
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Parquet { path: String, source: parquet::errors::ParquetError },
}

impl TokenFileError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}

/// The books of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    pub shard: String,
    pub documents: u64,
    /// The tokens that end documents included.
    pub tokens: u64,
    /// Tokens on which no loss is taken.
    pub masked: u64,
    /// Chats: what a model reads of them is made by its own template, which is not known here.
    pub chats_left_out: u64,
    /// Records and damaged places that could not be read.
    pub unread: u64,
    /// Below the output folder.
    pub files: Vec<String>,
}

/// A document on its way.
struct Pending {
    id: String,
    text: String,
    masked: Vec<Span>,
}

/// One document as the layouts get it.
struct Masked {
    id: String,
    text: String,
    mask: TokenMask,
}

/// Writes the token files of all shards below `out`; `heard` is told after each shard.
///
/// # Errors
/// See [`TokenFileError`].
pub fn write(
    inputs: &[String],
    out: &Path,
    settings: &Settings<'_>,
    mut heard: impl FnMut(&Written),
) -> Result<Vec<Written>, TokenFileError> {
    let mut books = Vec::new();
    for input in expand(inputs)? {
        let written = shard(&input, out, settings)?;
        heard(&written);
        books.push(written);
    }
    Ok(books)
}

fn shard(input: &Input, out: &Path, settings: &Settings<'_>) -> Result<Written, TokenFileError> {
    let mut files = layout::Files::create(out, &stem(&input.rel), settings)?;
    let mut written = Written { shard: input.name(), ..Written::default() };
    let (mut batch, mut size) = (Vec::new(), 0);
    let opened = documents::open(input)?;
    for piece in &opened.pieces {
        let take = |found: &Found<'_>| -> Result<ControlFlow<()>, TokenFileError> {
            if found.document.turns.is_empty() {
                size += found.document.text.len();
                batch.push(pending(found)?);
            } else {
                written.chats_left_out += 1;
            }
            if size >= BATCH {
                size = 0;
                put(&mut batch, &mut files, settings, &mut written)?;
            }
            Ok(ControlFlow::Continue(()))
        };
        let (unread, _) = documents::of_piece(&opened, piece, settings.fields, take)?;
        written.unread += unread;
    }
    put(&mut batch, &mut files, settings, &mut written)?;
    written.files = files.finish()?;
    Ok(written)
}

fn put(
    batch: &mut Vec<Pending>,
    files: &mut layout::Files,
    settings: &Settings<'_>,
    written: &mut Written,
) -> Result<(), TokenFileError> {
    let tokenized: Vec<Masked> = std::mem::take(batch)
        .into_par_iter()
        .map(|pending| tokenized(pending, settings))
        .collect::<Result<_, _>>()?;
    for document in &tokenized {
        written.documents += 1;
        written.tokens += document.mask.tokens.len() as u64;
        written.masked += (document.mask.tokens.len() - document.mask.learned()) as u64;
    }
    files.put(&tokenized)
}

fn tokenized(pending: Pending, settings: &Settings<'_>) -> Result<Masked, TokenFileError> {
    let Pending { id, text, masked } = pending;
    let tokens = match settings.tokenizer.encode(&text) {
        Ok(tokens) => tokens,
        Err(source) => return Err(TokenFileError::Token { id, source }),
    };
    let mut mask = mask(tokens, &masked);
    if let Some(end) = settings.end {
        mask.end(end, text.len());
    }
    Ok(Masked { id, text, mask })
}

/// Copies what is needed of a document, and checks its spans against its text.
fn pending(found: &Found<'_>) -> Result<Pending, TokenFileError> {
    #[derive(Default, serde::Deserialize)]
    struct Note {
        #[serde(default)]
        no_loss_bytes: Vec<[usize; 2]>,
    }
    let note: Note = found.note.and_then(|n| serde_json::from_str(n).ok()).unwrap_or_default();
    let (id, text) = (&found.document.id, &found.document.text);
    let fits = |[start, end]: [usize; 2]| {
        if start <= end && text.is_char_boundary(start) && text.is_char_boundary(end) {
            return Ok(Span::new(start, end));
        }
        Err(TokenFileError::Mask { id: id.to_string(), start, end, bytes: text.len() })
    };
    let masked = note.no_loss_bytes.into_iter().map(fits).collect::<Result<_, _>>()?;
    Ok(Pending { id: id.to_string(), text: text.to_string(), masked })
}

/// A shard's relative path without its endings.
fn stem(rel: &Path) -> PathBuf {
    let name = rel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let endings = [".gz", ".zst", ".jsonl", ".json", ".txt", ".parquet"];
    let mut short = name.as_str();
    for ending in endings {
        short = short.strip_suffix(ending).unwrap_or(short);
    }
    rel.with_file_name(if short.is_empty() { &name } else { short })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_go_and_other_dots_stay() {
        for (given, wanted) in
            [("a/b.v1.jsonl.zst", "a/b.v1"), ("x.parquet", "x"), ("y.txt.gz", "y")]
        {
            assert_eq!(stem(Path::new(given)), Path::new(wanted));
        }
    }
}
