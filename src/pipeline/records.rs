//! One worker's way through the records of a piece: gate, parse, score, decide, write.

use std::io;

use super::RunConfig;
use super::parts::{Kind, Parts};
use crate::apply::{self, Provenance};
use crate::attribute;
use crate::document::Document;
use crate::ledger::Counts;
use crate::policy::{Action, Facts};
use crate::scan::{Gate, Scanner};
use crate::score::{Scorer, Verdict, rules};
use crate::shard::{Format, Record, quarantine};
use crate::text::span::count_chars;

/// The score from which the ledger counts a record as flagged.
pub const FLAG: f32 = 0.5;
/// Below this probability nobody asks for reasons, and the rules are not run.
const LOOK: f32 = 0.25;

/// Per-thread state: compiled filters are shared, everything here is scratch.
pub struct Worker<'c> {
    pub config: &'c RunConfig,
    gate: Gate,
    scorer: Scorer,
    scanner: Scanner,
    provenance: Provenance,
    marks: Vec<usize>,
    documents: Vec<u8>,
    attributes: Vec<u8>,
    quarantine: Vec<u8>,
    dropped: Vec<u8>,
}

/// What became of one row of a table.
pub struct Row {
    pub index: usize,
    pub id: String,
    pub source: Option<String>,
    /// How often the row is written; 0 where it was dropped or rejected.
    pub copies: u32,
    /// `metadata.parable` as JSON, where the row was changed.
    pub note: Option<String>,
    /// The new text, where it was edited.
    pub text: Option<String>,
    /// The attribute map as JSON; empty for a rejected or a cleared row.
    pub attributes: String,
    /// In the order of [`attribute::scores`]; empty for a cleared row.
    pub scores: Vec<f32>,
}

/// Where in the shard the worker stands.
pub struct Place<'p> {
    pub shard: &'p str,
    pub format: Format,
    /// Lines and decoded bytes before the piece; asked for only where a number is needed.
    pub base: &'p dyn Fn() -> (u64, u64),
    /// Lines and bytes read so far within the piece.
    pub line: u64,
    pub byte: u64,
    /// The next line may be the rest of one whose beginning was lost.
    pub after_damage: bool,
}

impl<'c> Worker<'c> {
    #[must_use]
    pub fn new(config: &'c RunConfig, gate: &Gate, scanner: &Scanner) -> Self {
        Self {
            config,
            gate: gate.clone(),
            scorer: Scorer::new(config.model.clone()),
            scanner: scanner.fork(),
            provenance: Provenance {
                filter_set: config.filters.version().to_string(),
                policy: config.policy.hash().to_string(),
            },
            marks: Vec::new(),
            documents: Vec::new(),
            attributes: Vec::new(),
            quarantine: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Takes a block of whole lines through the pass; gives the counts that it added.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn block(
        &mut self,
        block: &[u8],
        place: &mut Place<'_>,
        left: &mut u64,
        parts: &mut Parts,
    ) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        self.gate.marks(block, &mut marks);
        let (mut start, mut next_mark) = (0, 0);
        while start < block.len() && *left > 0 {
            let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |i| start + i + 1);
            while next_mark < marks.len() && marks[next_mark] < start {
                next_mark += 1;
            }
            let marked = next_mark < marks.len() && marks[next_mark] < end;
            let mut line = trim(&block[start..end]);
            if place.byte == 0 && start == 0 {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            place.line += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                counts.blank_lines += 1;
            } else {
                self.line(line, marked, place, &mut counts);
                *left -= 1;
            }
            place.byte += (end - start) as u64;
            counts.bytes_decoded += (end - start) as u64;
            start = end;
        }
        self.marks = marks;
        self.flush(parts)?;
        Ok(counts)
    }

    /// Puts an unusable line into quarantine. Its attribute row is empty, so that there is one row
    /// for each record that came in; it carries the record's own id where that can be read.
    pub fn reject(
        &mut self,
        raw: &[u8],
        bytes: u64,
        reason: &str,
        place: &Place<'_>,
        counts: &mut Counts,
    ) {
        let own = Record::parse(raw)
            .ok()
            .and_then(|record| record.id(&self.config.fields).map(std::borrow::Cow::into_owned));
        let id =
            own.unwrap_or_else(|| format!("{}:{}", place.shard, (place.base)().0 + place.line));
        attribute::write_row(&id, None, "", None, &mut self.attributes);
        self.reject_row(raw, bytes, reason, place, counts);
    }

    /// The same for a row of a table, whose attributes are written with its batch.
    fn reject_row(
        &mut self,
        raw: &[u8],
        bytes: u64,
        reason: &str,
        place: &Place<'_>,
        counts: &mut Counts,
    ) {
        let (lines, offset) = (place.base)();
        let (line, at) = (lines + place.line, offset + place.byte);
        quarantine::write_row(place.shard, line, at, bytes, reason, raw, &mut self.quarantine);
        counts.records_in += 1;
        counts.quarantined += 1;
    }

    /// The model's verdict; where it is worth a look, the rules say why.
    fn score(&mut self, document: &Document<'_>) -> Verdict {
        let mut verdict = self.scorer.score(document);
        if verdict.coercion >= LOOK || verdict.admirable >= LOOK {
            let scan = self.scanner.scan(document);
            rules::attach(&mut verdict, scan, &self.config.filters);
        }
        verdict
    }

    /// Hands what was gathered to the part files.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn flush(&mut self, parts: &mut Parts) -> io::Result<()> {
        if !self.config.scan_only {
            parts.write(Kind::Documents, &self.documents)?;
            parts.write(Kind::Dropped, &self.dropped)?;
        }
        parts.write(Kind::Attributes, &self.attributes)?;
        parts.write(Kind::Quarantine, &self.quarantine)?;
        for buffer in
            [&mut self.documents, &mut self.attributes, &mut self.quarantine, &mut self.dropped]
        {
            buffer.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], marked: bool, place: &mut Place<'_>, counts: &mut Counts) {
        let after_damage = std::mem::take(&mut place.after_damage);
        if place.format == Format::Text {
            return self.text_line(line, marked, place, counts);
        }
        let record = match Record::parse(line) {
            Ok(record) => record,
            Err(_) if after_damage => {
                return self.reject(
                    line,
                    line.len() as u64,
                    "the rest of a line whose beginning is damaged",
                    place,
                    counts,
                );
            }
            Err(error) => {
                return self.reject(line, line.len() as u64, &error.to_string(), place, counts);
            }
        };
        let made = || format!("{}:{}", place.shard, (place.base)().0 + place.line);
        let document = match record.document_if(&self.config.fields, marked, made) {
            Ok(document) => document,
            Err(error) => {
                return self.reject(line, line.len() as u64, &error.to_string(), place, counts);
            }
        };
        counts.records_in += 1;
        let source = document.source.as_deref();
        if !marked {
            self.keep(line, counts);
            counts.cleared += 1;
            attribute::write_row(&document.id, source, "", None, &mut self.attributes);
            return;
        }
        let verdict = self.score(&document);
        self.decide(line, &record, &document, &verdict, counts);
    }

    fn decide(
        &mut self,
        line: &[u8],
        record: &Record<'_>,
        document: &Document<'_>,
        verdict: &Verdict,
        counts: &mut Counts,
    ) {
        counts.flagged += u64::from(verdict.coercion >= FLAG);
        let source = document.source.as_deref();
        let facts =
            Facts { id: &document.id, source, chars: count_chars(document.text.as_bytes()) as u64 };
        let decision = self.config.policy.decide(verdict, &facts, self.config.seed);
        if self.config.scan_only || decision.action == Action::Keep {
            self.keep(line, counts);
            attribute::write_row(
                &document.id,
                source,
                &document.text,
                Some(verdict),
                &mut self.attributes,
            );
            return;
        }
        count_action(&decision.action, counts);
        if decision.action == Action::Drop {
            apply::write_dropped(
                &record.fields,
                document,
                verdict,
                &decision,
                &self.provenance,
                &mut self.dropped,
            );
        }
        let before = self.documents.len();
        let copies = apply::write_record(
            &record.fields,
            &self.config.fields.text,
            document,
            verdict,
            &decision,
            &self.provenance,
            &mut self.documents,
        );
        counts.documents_out += u64::from(copies);
        counts.duplicated += u64::from(copies.saturating_sub(1));
        debug_assert!(copies > 0 || self.documents.len() == before);
        // The attributes of what came in, whatever becomes of it: decisions can be taken again.
        attribute::write_row(
            &document.id,
            source,
            &document.text,
            Some(verdict),
            &mut self.attributes,
        );
    }

    fn text_line(&mut self, line: &[u8], marked: bool, place: &Place<'_>, counts: &mut Counts) {
        let text = match simdutf8::compat::from_utf8(line) {
            Ok(text) => text,
            Err(error) => {
                let reason = format!("bad UTF-8 at byte {} of the line", error.valid_up_to());
                return self.reject(line, line.len() as u64, &reason, place, counts);
            }
        };
        counts.records_in += 1;
        let id = format!("{}:{}", place.shard, (place.base)().0 + place.line);
        let document = Document::plain(&id, text);
        if !marked {
            self.keep(line, counts);
            counts.cleared += 1;
            attribute::write_row(&id, None, "", None, &mut self.attributes);
            return;
        }
        let verdict = self.score(&document);
        counts.flagged += u64::from(verdict.coercion >= FLAG);
        let facts = Facts { id: &id, source: None, chars: count_chars(line) as u64 };
        let decision = self.config.policy.decide(&verdict, &facts, self.config.seed);
        attribute::write_row(&id, None, text, Some(&verdict), &mut self.attributes);
        match decision.action {
            // Plain text has no metadata to write to: only what changes the text itself can be done.
            Action::Drop if !self.config.scan_only => {
                counts.dropped += 1;
                self.dropped.extend_from_slice(line);
                self.dropped.push(b'\n');
            }
            Action::Weight { copies, .. } if copies != 1 && !self.config.scan_only => {
                counts.weighted += 1;
                counts.documents_out += u64::from(copies);
                counts.duplicated += u64::from(copies.saturating_sub(1));
                for _ in 0..copies {
                    self.documents.extend_from_slice(line);
                    self.documents.push(b'\n');
                }
            }
            Action::Condition { ref text } if !self.config.scan_only => {
                counts.conditioned += 1;
                counts.documents_out += 1;
                self.documents.extend_from_slice(text.replace('\n', " ").as_bytes());
                self.documents.push(b' ');
                self.documents.extend_from_slice(line);
                self.documents.push(b'\n');
            }
            _ => self.keep(line, counts),
        }
    }

    /// Takes one row of a table through the pass. Where it has no text, `chat` holds a chat column.
    #[allow(clippy::too_many_arguments)] // one row is that many things
    pub fn row(
        &mut self,
        index: usize,
        id: String,
        source: Option<String>,
        text: Option<&str>,
        chat: Option<(&str, serde_json::Value)>,
        place: &Place<'_>,
        counts: &mut Counts,
    ) -> Row {
        let mut row = Row {
            index,
            id,
            source,
            copies: 0,
            note: None,
            text: None,
            attributes: "{}".into(),
            scores: Vec::new(),
        };
        let json = chat
            .map(|(name, value)| serde_json::json!({ name: value }).to_string())
            .unwrap_or_else(|| "{}".into());
        let parsed = Record::parse_str(&json).and_then(|record| match text {
            Some(text) => Ok(Document::plain("", text)),
            None => record.document(&self.config.fields, String::new),
        });
        let mut document = match parsed {
            Ok(document) => document,
            Err(error) => {
                self.reject_row(
                    json.as_bytes(),
                    json.len() as u64,
                    &error.to_string(),
                    place,
                    counts,
                );
                return row;
            }
        };
        counts.records_in += 1;
        counts.bytes_decoded += document.text.len() as u64;
        row.copies = 1;
        if !self.gate.admits(document.text.as_bytes()) {
            counts.kept += 1;
            counts.cleared += 1;
            counts.documents_out += u64::from(!self.config.scan_only);
            return row;
        }
        document.id = row.id.clone().into();
        document.source = row.source.clone().map(Into::into);
        let verdict = self.score(&document);
        counts.flagged += u64::from(verdict.coercion >= FLAG);
        row.scores = attribute::scores(&verdict).into_iter().map(|(_, score)| score).collect();
        let mut line = Vec::new();
        attribute::write_row(&row.id, None, &document.text, Some(&verdict), &mut line);
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&line) {
            row.attributes = value["attributes"].to_string();
        }
        let facts = Facts {
            id: &row.id,
            source: row.source.as_deref(),
            chars: count_chars(document.text.as_bytes()) as u64,
        };
        let decision = self.config.policy.decide(&verdict, &facts, self.config.seed);
        if self.config.scan_only || decision.action == Action::Keep {
            counts.kept += 1;
            counts.documents_out += u64::from(!self.config.scan_only);
            return row;
        }
        count_action(&decision.action, counts);
        let raw = serde_json::value::to_raw_value(&*document.text).ok();
        let fields: Vec<_> =
            raw.iter().map(|raw| (std::borrow::Cow::Borrowed("text"), &**raw)).collect();
        let mut written = Vec::new();
        if decision.action == Action::Drop {
            row.copies = 0;
            let id = serde_json::value::to_raw_value(&row.id).ok();
            let all: Vec<_> = id
                .iter()
                .map(|raw| (std::borrow::Cow::Borrowed("id"), &**raw))
                .chain(fields)
                .collect();
            apply::write_dropped(
                &all,
                &document,
                &verdict,
                &decision,
                &self.provenance,
                &mut self.dropped,
            );
            return row;
        }
        row.copies = apply::write_record(
            &fields,
            "text",
            &document,
            &verdict,
            &decision,
            &self.provenance,
            &mut written,
        );
        counts.documents_out += u64::from(row.copies);
        counts.duplicated += u64::from(row.copies.saturating_sub(1));
        let first = written.split(|b| *b == b'\n').next().unwrap_or_default();
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(first) {
            row.note = Some(value["metadata"]["parable"].to_string());
            if text.is_some() && value["text"].as_str() != text {
                row.text = value["text"].as_str().map(str::to_string);
            }
        }
        row
    }

    fn keep(&mut self, line: &[u8], counts: &mut Counts) {
        counts.kept += 1;
        if !self.config.scan_only {
            counts.documents_out += 1;
            self.documents.extend_from_slice(line);
            self.documents.push(b'\n');
        }
    }
}

fn count_action(action: &Action, counts: &mut Counts) {
    match action {
        Action::Keep => counts.kept += 1,
        Action::Tag { .. } => counts.tagged += 1,
        Action::Weight { .. } => counts.weighted += 1,
        Action::Mask { .. } => counts.masked += 1,
        Action::Condition { .. } => counts.conditioned += 1,
        Action::Redact { .. } => counts.replaced += 1,
        Action::Drop => counts.dropped += 1,
    }
}

/// A line without its line end.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
