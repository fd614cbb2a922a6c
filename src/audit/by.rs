//! Groups by a field that attribute rows do not carry (language, date, address): read from the
//! shards themselves, side by side with their rows, which stand in the same order.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::figures::{GroupLine, Notice};
use super::gather::{AuditError, Gathered, Part};
use super::row::Row;
use super::tally::{Group, Named};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Format, Input, Limits, Piece, Record};

/// Rows that may stand between two documents that line up: records that could not be read.
const STRAY: usize = 1000;
/// Characters of a group's name at most.
const NAME: usize = 100;

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
            Some(original) if original.format != Format::Parquet => {
                let counted = side_by_side(part, original, paths, fields);
                original.intact()?;
                part.input.intact()?;
                counted
            }
            _ => Ok((Vec::new(), 0, None)),
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

type Counted = (Vec<Named<Group>>, u64, Option<Notice>);

fn side_by_side(
    part: &Part,
    original: &Input,
    paths: &FieldPaths,
    fields: &[String],
) -> Result<Counted, AuditError> {
    let mut groups: Vec<Named<Group>> = fields.iter().map(|_| Named::default()).collect();
    let (mut counted, mut line_number) = (0u64, 0u64);
    let open = |input: &Input| Shard::open(input).map_err(|e| AuditError::io(&input.path, e));
    let (row_file, document_file) = (open(&part.input)?, open(original)?);
    let (mut rows, mut documents) = (FileLines::new(&row_file), FileLines::new(&document_file));
    while let Some(line) = documents.next().map_err(|e| AuditError::io(&original.path, e))? {
        line_number += 1;
        let Ok(record) = Record::parse(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)) else {
            continue;
        };
        let id = match record.id(paths) {
            Some(id) => id,
            None => format!("{}:{line_number}", original.name()).into(),
        };
        let mut strays = 0;
        let found = loop {
            let next = rows.next().map_err(|e| AuditError::io(&part.input.path, e))?;
            let Some(row) = next.map(Row::parse) else { break false };
            let Ok(row) = row else { continue };
            if row.id == id {
                counted += 1;
                for (field, named) in fields.iter().zip(&mut groups) {
                    let name = record.raw(field).map_or(String::new(), |raw| name_of(raw.get()));
                    named.with(&name, |g| g.add(&row), |others, gone| others.merge(gone));
                }
                break true;
            }
            strays += 1;
            if strays > STRAY {
                break false;
            }
        };
        if !found {
            let text = format!(
                "{}: documents and attribute rows do not line up from line {line_number}: its groups are not whole",
                part.shard
            );
            let notice = Notice { level: "alert".into(), text };
            return Ok((groups, counted, Some(notice)));
        }
    }
    Ok((groups, counted, None))
}

/// The group that a JSON value names: the host of an address, the month of a date, a scalar as it
/// is.
fn name_of(json: &str) -> String {
    let text = match serde_json::from_str::<serde_json::Value>(json) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) | Err(_) => return String::new(),
        Ok(other) => other.to_string(),
    };
    let plain: String = if let Some(rest) =
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
    {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let host = authority.rsplit('@').next().unwrap_or("");
        let host = host.split(':').next().unwrap_or("").to_lowercase();
        host.strip_prefix("www.").unwrap_or(&host).to_string()
    } else if is_date(text.as_bytes()) {
        text[..7].to_string()
    } else {
        text
    };
    plain.chars().take(NAME).collect()
}

/// `2019-07` and whatever follows it.
fn is_date(text: &[u8]) -> bool {
    text.len() >= 7
        && text[..4].iter().chain(&text[5..7]).all(u8::is_ascii_digit)
        && text[4] == b'-'
        && matches!(text.get(7), None | Some(b'-' | b'T' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_by_what_they_are() {
        for (json, name) in [
            ("\"https://www.Example.org:80/a?b\"", "example.org"),
            ("\"http://user@x.net#f\"", "x.net"),
            ("\"2019-07-03T10:00:00Z\"", "2019-07"),
            ("\"2019-07\"", "2019-07"),
            ("\"2019-0704\"", "2019-0704"),
            ("\"en\"", "en"),
            ("7", "7"),
            ("null", ""),
            ("\"äöüä-ö\"", "äöüä-ö"),
        ] {
            assert_eq!(name_of(json), name);
        }
    }
}
