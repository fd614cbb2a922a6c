//! The texts of the rows that a report shows, cut to what matters, with their evidence marked.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::clusters::{self, Copies};
use super::gather::{AuditError, Gathered};
use super::row::{ADMIRABLE, COERCION, ENACTED, Row, SEVERITY};
use super::sample::{Pick, doubtful};
use super::tally::THRESHOLD;
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Format, Input, Limits, Piece, Record, expand, table};
use crate::taxonomy::Category;

/// Characters of an excerpt at most.
const EXCERPT: usize = 1400;
/// Characters shown before and behind a place that speaks for a category.
const AROUND: usize = 220;

/// A document as the report shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Example {
    pub id: String,
    pub shard: String,
    pub source: String,
    pub coercion: f32,
    pub enacted: f32,
    pub severity: f32,
    pub admirable: f32,
    pub frame: &'static str,
    pub agent: &'static str,
    pub portrayal: &'static str,
    /// Categories that reach the threshold, with their probabilities.
    pub categories: Vec<(&'static str, f32)>,
    pub rules: Vec<String>,
    pub chars: u64,
    /// The look of a false alarm.
    pub doubtful: bool,
    /// Near the threshold.
    pub boundary: bool,
    /// The excerpt in order; empty where the text was not found.
    pub text: Vec<Stretch>,
    /// Why there is no text.
    pub missing: Option<&'static str>,
}

/// A stretch of an excerpt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stretch {
    pub t: String,
    /// The category that this stretch speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c: Option<&'static str>,
    /// Something was left out before this stretch.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gap: bool,
}

/// What a report shows of the documents themselves.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub examples: Vec<Example>,
    pub copies: Copies,
}

/// Finds the texts of all sampled rows: in `originals` where those are given, else among the
/// documents that the runs wrote.
///
/// # Errors
/// Where a file cannot be opened; a text that is not there any more is no error.
pub fn find(
    gathered: &Gathered,
    originals: &[Input],
    fields: &FieldPaths,
) -> Result<Shown, AuditError> {
    let picks = gathered.tally.samples.all();
    let texts = texts(gathered, &picks, originals, fields)?;
    let flagged: Vec<(String, &str)> = picks
        .iter()
        .filter(|pick| pick.row.scores[COERCION] >= THRESHOLD)
        .filter_map(|pick| {
            let name = format!("{}: {}", pick.shard, pick.row.id);
            texts.get(&key(pick)).map(|text| (name, text.as_str()))
        })
        .collect();
    Ok(Shown {
        copies: clusters::copies(&flagged),
        examples: picks.iter().map(|p| example(p, texts.get(&key(p)), EXCERPT)).collect(),
    })
}

/// Shard and id.
pub type Key = (Arc<str>, String);

/// By what a pick's text is found.
#[must_use]
pub fn key(pick: &Pick) -> Key {
    (pick.shard.clone(), pick.row.id.to_string())
}

/// Where a shard's documents may lie, and whether its lines are still those of the input.
struct Place {
    input: Input,
    same_lines: bool,
}

/// The texts of picked rows as they were scored.
///
/// # Errors
/// Where a file cannot be opened.
pub fn texts(
    gathered: &Gathered,
    picks: &[Arc<Pick>],
    originals: &[Input],
    fields: &FieldPaths,
) -> Result<HashMap<Key, String>, AuditError> {
    let mut by_shard: BTreeMap<Arc<str>, HashMap<&str, &Row<'static>>> = BTreeMap::new();
    for pick in picks.iter().filter(|pick| !pick.row.id.is_empty()) {
        by_shard.entry(pick.shard.clone()).or_default().insert(&pick.row.id, &pick.row);
    }
    let prefixed = gathered.inputs.len() > 1;
    let jobs: Vec<(Arc<str>, Place, &HashMap<&str, &Row<'static>>)> = by_shard
        .iter()
        .flat_map(|(shard, wanted)| {
            places(gathered, shard, prefixed, originals)
                .into_iter()
                .map(move |place| (shard.clone(), place, wanted))
        })
        .collect();
    let found: Vec<Vec<(Key, String)>> = jobs
        .par_iter()
        .map(|(shard, place, wanted)| {
            let mut search = Search { shard, place, wanted, fields, found: Vec::new() };
            search.run()?;
            Ok::<_, AuditError>(search.found)
        })
        .collect::<Result<_, _>>()?;
    let mut all = HashMap::new();
    for (key, text) in found.into_iter().flatten() {
        all.entry(key).or_insert(text);
    }
    Ok(all)
}

fn places(gathered: &Gathered, shard: &str, prefixed: bool, originals: &[Input]) -> Vec<Place> {
    let bare = |prefix: &str| shard.strip_prefix(prefix).and_then(|s| s.strip_prefix(": "));
    let names: Vec<(Option<&PathBuf>, &str)> = if prefixed {
        let named = gathered.inputs.iter().zip(gathered.folders.iter().map(Some));
        named.filter_map(|(given, folder)| bare(given).map(|name| (folder, name))).collect()
    } else {
        vec![(gathered.folders.first(), shard)]
    };
    let mut places = Vec::new();
    for (folder, name) in names {
        places.extend(
            originals
                .iter()
                .filter(|input| input.name() == name && !input.is_stdin())
                .map(|input| Place { input: input.clone(), same_lines: true }),
        );
        if originals.is_empty()
            && let Some(folder) = folder
        {
            for below in ["documents", "dropped"] {
                places.extend(written(&folder.join(below), name));
            }
        }
    }
    places
}

/// The file of a shard below a folder of outputs. Dropped rows of tables are JSON lines.
fn written(folder: &Path, name: &str) -> Option<Place> {
    let path = folder.join(name);
    let path = if path.is_file() { path } else { path.with_extension("jsonl") };
    let input = expand(&[path.is_file().then(|| path.display().to_string())?]).ok()?.pop()?;
    Some(Place { input, same_lines: false })
}

struct Search<'s> {
    shard: &'s Arc<str>,
    place: &'s Place,
    wanted: &'s HashMap<&'s str, &'s Row<'static>>,
    fields: &'s FieldPaths,
    found: Vec<(Key, String)>,
}

impl Search<'_> {
    fn run(&mut self) -> Result<(), AuditError> {
        let read = self.read();
        self.place.input.intact()?;
        read
    }

    fn read(&mut self) -> Result<(), AuditError> {
        let input = &self.place.input;
        if input.format == Format::Parquet {
            return self.table();
        }
        let shard = Shard::open(input).map_err(|e| AuditError::io(&input.path, e))?;
        let made = format!("{}:", input.name());
        // Records without an id were given `<shard>:<line>`.
        let by_line = self.place.same_lines && self.wanted.keys().any(|id| id.starts_with(&made));
        for piece in &shard.pieces {
            if self.found.len() == self.wanted.len() {
                break;
            }
            let base = if by_line { shard.lines_before(piece, Limits::default()).0 } else { 0 };
            self.lines(&shard, piece, base, &made, by_line)?;
        }
        Ok(())
    }

    fn lines(
        &mut self,
        shard: &Shard,
        piece: &Piece,
        mut line_number: u64,
        made: &str,
        by_line: bool,
    ) -> Result<(), AuditError> {
        let fail = |e| AuditError::io(&shard.input.path, e);
        let mut lines = shard.lines(piece, Limits::default()).map_err(fail)?;
        while self.found.len() < self.wanted.len() {
            let block = match lines.next_chunk() {
                Chunk::End => break,
                Chunk::Lines(block) => block,
                Chunk::TooLong { .. } => {
                    line_number += 1;
                    continue;
                }
                Chunk::Broken { torn, .. } => {
                    line_number += u64::from(!torn.is_empty());
                    continue;
                }
            };
            for line in block.split_inclusive(|b| *b == b'\n') {
                line_number += 1;
                let line = line.trim_ascii_end();
                if shard.input.format == Format::Text {
                    if by_line && let Ok(text) = std::str::from_utf8(line) {
                        self.take(&format!("{made}{line_number}"), text, false);
                    }
                    continue;
                }
                let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
                let Ok(record) = Record::parse(line) else { continue };
                let own = record.id(self.fields);
                let id = match own {
                    Some(id) => id,
                    None if by_line => format!("{made}{line_number}").into(),
                    None => continue,
                };
                if !self.wanted.contains_key(&*id) {
                    continue;
                }
                if let Ok(document) = record.document(self.fields, String::new) {
                    let prefixed = !self.place.same_lines && was_prefixed(&record);
                    self.take(&id, &document.text, prefixed);
                }
            }
        }
        Ok(())
    }

    fn table(&mut self) -> Result<(), AuditError> {
        let input = &self.place.input;
        let path = input.path.display();
        let fail = |message: String| AuditError::Parquet { path: path.to_string(), message };
        let groups = table::footer(input).map_err(|e| fail(e.to_string()))?.row_groups;
        for group in 0..groups {
            for batch in table::row_group(input, group).map_err(|e| fail(e.to_string()))? {
                // Damage was reported by the run; what can be read is shown.
                let Ok(batch) = batch else { break };
                let (Some(ids), Some(texts)) = (
                    table::column(&batch, &self.fields.id),
                    table::column(&batch, &self.fields.text),
                ) else {
                    return Ok(());
                };
                let notes = table::column(&batch, "parable");
                for nth in 0..batch.num_rows() {
                    let id = match table::value(&ids, nth) {
                        serde_json::Value::String(id) => id,
                        serde_json::Value::Number(id) => id.to_string(),
                        _ => continue,
                    };
                    if let (true, Some(text)) =
                        (self.wanted.contains_key(id.as_str()), table::text(&texts, nth))
                    {
                        let note = notes.as_ref().and_then(|notes| table::text(notes, nth));
                        self.take(&id, text, note.is_some_and(prefixing));
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the text where it is the one that was scored: by its length, less what the policy put
    /// before it.
    fn take(&mut self, id: &str, text: &str, prefixed: bool) {
        let Some(row) = self.wanted.get(id) else { return };
        let chars = crate::text::span::count_chars(text.as_bytes()) as u64;
        let text = if !row.scored || chars == row.chars {
            text
        } else if prefixed && chars > row.chars {
            let skip = (chars - row.chars) as usize;
            text.char_indices().nth(skip).map_or("", |(at, _)| &text[at..])
        } else {
            return;
        };
        let key = (self.shard.clone(), id.to_string());
        if !self.found.iter().any(|(have, _)| *have == key) {
            self.found.push((key, text.to_string()));
        }
    }
}

/// Whether the policy put a text before the document and did nothing else to it.
fn was_prefixed(record: &Record<'_>) -> bool {
    let note = record.raw("metadata.parable").or_else(|| record.raw("parable"));
    note.is_some_and(prefixing)
}

fn prefixing(note: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Note {
        action: String,
    }
    serde_json::from_str::<Note>(note)
        .is_ok_and(|n| matches!(n.action.as_str(), "condition" | "tag"))
}

/// A picked row with an excerpt of at most `most` characters of its text.
#[must_use]
pub fn example(pick: &Pick, text: Option<&String>, most: usize) -> Example {
    let row = &pick.row;
    let round = |score: f32| (score * 1000.0).round() / 1000.0;
    let coercion = row.scores[COERCION];
    let mut categories: Vec<(&'static str, f32)> = Category::ALL
        .iter()
        .map(|c| (c.id(), round(row.category(*c))))
        .filter(|(_, p)| *p >= THRESHOLD)
        .collect();
    categories.sort_by(|a, b| b.1.total_cmp(&a.1));
    Example {
        id: row.id.chars().take(200).collect(),
        shard: pick.shard.chars().take(300).collect(),
        source: row.source.as_deref().unwrap_or("(no source)").chars().take(200).collect(),
        coercion: round(coercion),
        enacted: round(row.scores[ENACTED]),
        severity: round(row.scores[SEVERITY]),
        admirable: round(row.scores[ADMIRABLE]),
        frame: row.top_frame().id(),
        agent: row.top_agent().id(),
        portrayal: row.top_portrayal().id(),
        categories,
        rules: row.rules.iter().take(12).map(ToString::to_string).collect(),
        chars: row.chars,
        doubtful: coercion >= THRESHOLD && doubtful(row),
        boundary: (coercion - THRESHOLD).abs() < 0.1,
        text: text.map(|text| excerpt(text, row, most)).unwrap_or_default(),
        missing: text.is_none().then_some(
            "the text was not found: it was changed by the policy, or the documents were not given",
        ),
    }
}

/// The text around its evidence, or its beginning where there is none.
#[must_use]
pub fn excerpt(text: &str, row: &Row<'_>, most: usize) -> Vec<Stretch> {
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let chars = offsets.len() - 1;
    let mut marks: Vec<_> =
        row.evidence.iter().filter(|m| m.start < m.end && (m.end as usize) <= chars).collect();
    marks.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.start.cmp(&b.start)));
    // Windows around the strongest places, as many as fit.
    let mut windows: Vec<(usize, usize)> = Vec::new();
    let mut room = most;
    if chars <= most {
        windows.push((0, chars));
    } else if marks.is_empty() {
        windows.push((0, most / 2));
    }
    for mark in marks.iter().filter(|_| chars > most) {
        let from = (mark.start as usize).saturating_sub(AROUND);
        let to = (mark.end as usize + AROUND).min(chars).min(from + most);
        if to - from <= room {
            room -= to - from;
            windows.push((from, to));
        }
    }
    windows.sort_unstable();
    marks.sort_by_key(|m| (m.start, m.end));
    let mut pieces: Vec<Stretch> = Vec::new();
    let mut at = 0;
    let mut push = |from: usize, to: usize, c: Option<&'static str>, gap: bool| {
        if from < to {
            pieces.push(Stretch { t: text[offsets[from]..offsets[to]].to_string(), c, gap });
        }
    };
    for (from, to) in windows {
        let from = from.max(at);
        let mut gap = from > at;
        let mut here = from;
        for mark in marks.iter().filter(|m| (m.end as usize) > from && (m.start as usize) < to) {
            let (start, end) = ((mark.start as usize).max(here), (mark.end as usize).min(to));
            if start >= end {
                continue;
            }
            push(here, start, None, gap);
            push(start, end, Some(mark.category.id()), gap && start == here);
            gap = false;
            here = end;
        }
        push(here, to, None, gap);
        at = at.max(to);
    }
    if at < chars {
        pieces.push(Stretch { t: String::new(), c: None, gap: true });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::row::Mark;

    fn row(marks: &[(u32, u32)]) -> Row<'static> {
        let evidence = marks
            .iter()
            .map(|(start, end)| Mark {
                category: Category::Sabotage,
                start: *start,
                end: *end,
                strength: 0.5,
            })
            .collect();
        Row { scored: true, evidence, ..Row::default() }
    }

    #[test]
    fn a_short_text_is_shown_whole_with_its_marks() {
        let pieces = excerpt("ä😀 robot hides it", &row(&[(3, 8), (5, 12), (90, 99)]), EXCERPT);
        let shown: Vec<(&str, bool)> =
            pieces.iter().map(|p| (p.t.as_str(), p.c.is_some())).collect();
        assert_eq!(shown, [("ä😀 ", false), ("robot", true), (" hid", true), ("es it", false)]);
    }

    #[test]
    fn a_long_text_is_cut_to_its_evidence() {
        let text = "x".repeat(5000) + "HERE" + &"y".repeat(5000);
        let pieces = excerpt(&text, &row(&[(5000, 5004)]), EXCERPT);
        let all: usize = pieces.iter().map(|p| p.t.len()).sum();
        assert!(all <= EXCERPT && pieces[0].gap && pieces.last().is_some_and(|p| p.gap));
        assert_eq!(pieces.iter().find(|p| p.c.is_some()).map(|p| p.t.as_str()), Some("HERE"));
        let none = excerpt(&text, &row(&[]), EXCERPT);
        assert_eq!(none[0].t.len(), EXCERPT / 2);
    }
}
