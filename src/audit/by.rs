//! Groups by a field that attribute rows do not carry (language, date, address): read from the
//! shards themselves, side by side with their rows, which stand in the same order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::figures::{GroupLine, Notice};
use super::gather::{AuditError, Gathered, Part, rows_of};
use super::row::Row;
use super::tally::{Group, Named};
use crate::portrait::bucket;
use crate::shard::documents::{self, Found};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Format, Input, Limits, Piece, table};

/// Rows that may stand between two documents that line up: records that could not be read.
const STRAY: usize = 1000;

/// Groups by one field.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Grouping {
    /// Dotted path of the field.
    pub field: String,
    /// Groups with most documents first.
    pub groups: Vec<GroupLine>,
    /// Documents whose shard was not given or could not be read beside its rows.
    pub unknown: u64,
}

/// Counts by field, in the order of the fields that were asked for.
pub struct Grouped {
    pub fields: Vec<(String, Named<Group>)>,
    pub rows: u64,
    pub notices: Vec<Notice>,
}

/// Groups the rows of everything gathered by fields of the originals.
///
/// # Errors
/// Where a file cannot be opened. Shards that do not line up are no errors, notices name them.
pub fn group(
    gathered: &Gathered,
    originals: &[Input],
    paths: &FieldPaths,
    fields: &[String],
) -> Result<Grouped, AuditError> {
    let by_name: BTreeMap<String, &Input> =
        originals.iter().filter(|i| !i.is_stdin()).map(|i| (i.name(), i)).collect();
    let done: Vec<(Vec<Named<Group>>, u64, Option<Notice>)> = gathered
        .parts
        .par_iter()
        .map(|part| match by_name.get(&part.input.name()) {
            Some(original) => {
                let counted = side_by_side(part, original, paths, fields);
                original.intact()?;
                part.input.intact()?;
                counted
            }
            None => Ok((Vec::new(), 0, None)),
        })
        .collect::<Result<_, AuditError>>()?;
    let mut all: Vec<(String, Named<Group>)> =
        fields.iter().map(|field| (field.clone(), Named::default())).collect();
    let (mut rows, mut notices) = (0, Vec::new());
    for (groups, counted, notice) in done {
        rows += counted;
        notices.extend(notice);
        for ((_, mine), theirs) in all.iter_mut().zip(groups) {
            mine.merge(theirs, Group::merge);
        }
    }
    Ok(Grouped { fields: all, rows, notices })
}

/// The lines of a file, over all its pieces.
struct FileLines<'s> {
    shard: &'s Shard,
    pieces: std::slice::Iter<'s, Piece>,
    reader: Option<crate::shard::piece::Lines<'s>>,
    block: Vec<u8>,
    at: usize,
}

impl<'s> FileLines<'s> {
    fn new(shard: &'s Shard) -> Self {
        Self { shard, pieces: shard.pieces.iter(), reader: None, block: Vec::new(), at: 0 }
    }

    /// The next line without its end; none at the end of the file. Damaged stretches are passed over.
    fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        while self.at >= self.block.len() {
            let Some(reader) = &mut self.reader else {
                let Some(piece) = self.pieces.next() else { return Ok(None) };
                self.reader = Some(self.shard.lines(piece, Limits::default())?);
                continue;
            };
            match reader.next_chunk() {
                Chunk::Lines(lines) => {
                    self.block.clear();
                    self.block.extend_from_slice(lines);
                    self.at = 0;
                }
                Chunk::TooLong { .. } | Chunk::Broken { .. } => {}
                Chunk::End => self.reader = None,
            }
        }
        let rest = &self.block[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = self.at..self.at + length;
        self.at += length + 1;
        Ok(Some(self.block[line].trim_ascii_end()))
    }
}

/// The attribute rows of a shard, in their order.
enum Rows<'s> {
    Lines(FileLines<'s>),
    Table {
        part: &'s Part,
        groups: std::ops::Range<usize>,
        batches: Option<Batches>,
        batch: Vec<Row<'static>>,
    },
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>>>;

impl Rows<'_> {
    /// Calls `take` with the next row that can be read; false at the end.
    fn next(&mut self, take: &mut dyn FnMut(&Row<'_>)) -> std::io::Result<bool> {
        match self {
            Rows::Lines(lines) => {
                while let Some(line) = lines.next()? {
                    if let Ok(row) = Row::parse(line) {
                        take(&row);
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Rows::Table { part, groups, batches, batch } => loop {
                if let Some(row) = batch.pop() {
                    take(&row);
                    return Ok(true);
                }
                match batches.as_mut().and_then(Iterator::next) {
                    Some(Ok(read)) => {
                        *batch = rows_of(&read)
                            .unwrap_or_default()
                            .into_iter()
                            .flatten()
                            .map(Row::into_owned)
                            .collect();
                        batch.reverse();
                    }
                    // What is damaged was told of when the rows were counted.
                    Some(Err(_)) | None => {
                        let Some(group) = groups.next() else { return Ok(false) };
                        let opened = table::row_group(&part.input, group);
                        *batches = Some(Box::new(opened.map_err(std::io::Error::other)?));
                    }
                }
            },
        }
    }
}

type Counted = (Vec<Named<Group>>, u64, Option<Notice>);

fn side_by_side(
    part: &Part,
    original: &Input,
    paths: &FieldPaths,
    fields: &[String],
) -> Result<Counted, AuditError> {
    let mut groups: Vec<Named<Group>> = fields.iter().map(|_| Named::default()).collect();
    let mut counted = 0u64;
    let row_file = documents::open(&part.input)?;
    let mut rows = if part.input.format == Format::Parquet {
        let groups = 0..row_file.pieces.len();
        Rows::Table { part, groups, batches: None, batch: Vec::new() }
    } else {
        Rows::Lines(FileLines::new(&row_file))
    };
    let mut lost = None;
    let document_file = documents::open(original)?;
    for piece in &document_file.pieces {
        let take = |found: &Found<'_>| -> Result<ControlFlow<()>, AuditError> {
            let id = &found.document.id;
            for _ in 0..=STRAY {
                let mut same = false;
                let more = rows.next(&mut |row| {
                    same = row.id == *id;
                    if same {
                        counted += 1;
                        for (field, named) in fields.iter().zip(&mut groups) {
                            let name = found.value(field).map_or(String::new(), |v| bucket(&v));
                            named.with(&name, |g| g.add(row), |others, gone| others.merge(gone));
                        }
                    }
                });
                if same {
                    return Ok(ControlFlow::Continue(()));
                }
                if !more.map_err(|e| AuditError::io(&part.input.path, e))? {
                    break;
                }
            }
            lost = Some(id.to_string());
            Ok(ControlFlow::Break(()))
        };
        let (_, flow) = documents::of_piece(&document_file, piece, paths, take)?;
        if flow.is_break() {
            break;
        }
    }
    let notice = lost.map(|id| Notice {
        level: "alert".into(),
        text: format!(
            "{}: documents and attribute rows do not line up from document {id}: its groups are not whole",
            part.shard
        ),
    });
    Ok((groups, counted, notice))
}
