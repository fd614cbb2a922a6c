//! The documents of an input one by one, for whoever looks at single documents.

use std::cell::OnceCell;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use serde_json::Value;

use super::columns::Columns;
use super::lines::Chunk;
use super::piece::{Piece, Shard};
use super::record::{FieldPaths, Record};
use super::table::Table;
use super::{Format, Input, InputError, Limits, RemoteError, expand, table};
use crate::document::Document;

/// A document and what stands beside its text.
pub struct Found<'a> {
    pub document: &'a Document<'a>,
    /// The record's `metadata` as JSON.
    pub metadata: Option<&'a str>,
    /// What an earlier run did to the record, as JSON: `metadata.parable`, or `parable` where the
    /// record's metadata are no object or the record is a row of a table.
    pub note: Option<&'a str>,
    beside: Beside<'a>,
}

/// Where the other fields of a record are.
#[derive(Clone, Copy)]
enum Beside<'a> {
    Nothing,
    Record(&'a Record<'a>),
    Row(&'a RecordBatch, usize),
}

impl Found<'_> {
    /// A field of the record, or of its metadata, by a dotted path; a string, number or boolean as
    /// text.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<String> {
        let own = match self.beside {
            Beside::Nothing => None,
            Beside::Record(record) => record.raw(path).and_then(json),
            Beside::Row(batch, row) => {
                table::column(batch, path).and_then(|column| scalar(table::value(&column, row)))
            }
        };
        own.or_else(|| {
            let path = path.strip_prefix("metadata.").unwrap_or(path);
            json(Record::parse_str(self.metadata?).ok()?.raw(path)?)
        })
    }
}

fn json(text: &str) -> Option<String> {
    scalar(serde_json::from_str(text).ok()?)
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: {message}")]
    Parquet { path: String, message: String },
}

/// Hands every document of the inputs to `take` until it breaks; gives how many records or damaged
/// places could not be read.
///
/// # Errors
/// Where an input cannot be opened, and those of `take`.
pub fn each<E: From<ReadError>>(
    inputs: &[String],
    fields: &FieldPaths,
    mut take: impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<u64, E> {
    let mut unread = 0;
    for input in expand(inputs).map_err(ReadError::from)? {
        let shard = open(&input)?;
        for piece in &shard.pieces {
            let (missed, flow) = of_piece(&shard, piece, fields, &mut take)?;
            unread += missed;
            if flow.is_break() {
                return Ok(unread);
            }
        }
    }
    Ok(unread)
}

/// Opens a shard of any format.
///
/// # Errors
/// Where the file cannot be read or is no table though its name says so.
pub fn open(input: &Input) -> Result<Shard, ReadError> {
    let opened = Shard::open(input);
    input.intact()?;
    opened.map_err(|source| ReadError::Io { path: input.path.display().to_string(), source })
}

/// The same for one piece; also tells whether `take` broke.
///
/// # Errors
/// As for [`each`].
pub fn of_piece<E: From<ReadError>>(
    shard: &Shard,
    piece: &Piece,
    fields: &FieldPaths,
    take: impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<(u64, ControlFlow<()>), E> {
    let read = match piece {
        Piece::RowGroup(group) => rows(&shard.input, *group, fields, take),
        _ => lines(shard, piece, fields, take),
    };
    shard.input.intact().map_err(ReadError::from)?;
    read
}

fn rows<E: From<ReadError>>(
    input: &Input,
    group: usize,
    fields: &FieldPaths,
    mut take: impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<(u64, ControlFlow<()>), E> {
    let fail =
        |message: String| ReadError::Parquet { path: input.path.display().to_string(), message };
    let opened = Table::open(input).map_err(|e| fail(e.to_string()))?;
    let (mut unread, mut nth) = (0, opened.rows_before(group));
    for batch in opened.row_group(group, None).map_err(|e| fail(e.to_string()))? {
        let Ok(batch) = batch else { return Ok((unread + 1, ControlFlow::Continue(()))) };
        let columns = Columns::of(&batch, fields).map_err(fail)?;
        for row in 0..batch.num_rows() {
            nth += 1;
            let given = columns.row(row);
            let json = given.chat_json();
            let Ok(mut document) = given.document(&json, fields) else {
                unread += 1;
                continue;
            };
            document.id =
                given.id.clone().unwrap_or_else(|| format!("{}:{nth}", input.name())).into();
            document.source = given.source.clone().map(Into::into);
            let note = columns.note(row);
            let metadata = given.metadata();
            let (metadata, note) = (metadata.as_deref(), note.as_deref());
            let beside = Beside::Row(&batch, row);
            if take(&Found { document: &document, metadata, note, beside })?.is_break() {
                return Ok((unread, ControlFlow::Break(())));
            }
        }
    }
    Ok((unread, ControlFlow::Continue(())))
}

fn lines<E: From<ReadError>>(
    shard: &Shard,
    piece: &Piece,
    fields: &FieldPaths,
    mut take: impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<(u64, ControlFlow<()>), E> {
    let (input, limits) = (&shard.input, Limits::default());
    let path = || input.path.display().to_string();
    let mut lines =
        shard.lines(piece, limits).map_err(|source| ReadError::Io { path: path(), source })?;
    let before = OnceCell::new();
    let (mut unread, mut nth) = (0, 0);
    loop {
        let block = match lines.next_chunk() {
            Chunk::Lines(block) => block,
            Chunk::End => return Ok((unread, ControlFlow::Continue(()))),
            _ => {
                unread += 1;
                continue;
            }
        };
        // Blank lines count, as the pass counts them for ids made from places.
        for line in block.strip_suffix(b"\n").unwrap_or(block).split(|b| *b == b'\n') {
            nth += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let made = || {
                let before = before.get_or_init(|| shard.lines_before(piece, limits).0);
                format!("{}:{}", input.name(), before + nth)
            };
            let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| nth == 1).unwrap_or(line);
            let flow = if input.format == Format::Text {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                std::str::from_utf8(line).ok().map(|text| {
                    let document = Document { id: made().into(), ..Document::plain("", text) };
                    take(&Found {
                        document: &document,
                        metadata: None,
                        note: None,
                        beside: Beside::Nothing,
                    })
                })
            } else {
                of_record(line, fields, made, &mut take)
            };
            match flow {
                Some(flow) => {
                    if flow?.is_break() {
                        return Ok((unread, ControlFlow::Break(())));
                    }
                }
                None => unread += 1,
            }
        }
    }
}

/// None where the line is no usable record.
fn of_record<E>(
    line: &[u8],
    fields: &FieldPaths,
    made: impl FnOnce() -> String,
    take: &mut impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
) -> Option<Result<ControlFlow<()>, E>> {
    let record = Record::parse(line).ok()?;
    let document = record.document(fields, made).ok()?;
    let metadata = record.raw("metadata");
    let note = record.raw("metadata.parable").or_else(|| record.raw("parable"));
    Some(take(&Found { document: &document, metadata, note, beside: Beside::Record(&record) }))
}
