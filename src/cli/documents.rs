//! The documents of an input, one by one, for verbs that look at single documents.

use std::ops::ControlFlow;

use anyhow::{Context, Result, bail};

use crate::document::Document;
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Format, Limits, Record, expand};

/// Hands every document of the inputs, with its `metadata` as JSON, to `take` until it breaks; gives
/// how many records or damaged places could not be read. `verb` stands in errors.
///
/// # Errors
/// Where an input cannot be opened, or is a table.
pub fn each(
    verb: &str,
    inputs: &[String],
    fields: &FieldPaths,
    mut take: impl FnMut(&Document<'_>, Option<&str>) -> Result<ControlFlow<()>>,
) -> Result<u64> {
    let mut unread = 0;
    for input in expand(inputs)? {
        if input.format == Format::Parquet {
            bail!("{}: {verb} reads lines; convert the table to JSON first", input.name());
        }
        let opened = Shard::open(&input);
        input.intact()?;
        let shard = opened.with_context(|| input.name())?;
        let mut nth = 0;
        for piece in &shard.pieces {
            let mut lines = shard.lines(piece, Limits::default())?;
            loop {
                let block = match lines.next_chunk() {
                    Chunk::Lines(block) => block,
                    Chunk::End => break,
                    _ => {
                        input.intact()?;
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
                    let made = format!("{}:{nth}", input.name());
                    let record = match input.format {
                        Format::Text => None,
                        _ => Record::parse(line).ok(),
                    };
                    let document = match (&record, input.format) {
                        (_, Format::Text) => {
                            std::str::from_utf8(line).ok().map(|t| Document::plain(&made, t))
                        }
                        (Some(record), _) => record.document(fields, || made.clone()).ok(),
                        (None, _) => None,
                    };
                    let metadata = record.as_ref().and_then(|r| r.raw("metadata"));
                    match document {
                        Some(document) => {
                            if take(&document, metadata.map(|m| m.get()))?.is_break() {
                                return Ok(unread);
                            }
                        }
                        None => unread += 1,
                    }
                }
            }
        }
    }
    Ok(unread)
}
