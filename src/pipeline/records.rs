//! One worker's way through the records of a piece: gate, parse, score, decide, write.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use super::RunConfig;
use super::makeup::Makeup;
use super::parts::{Kind, Parts};
use super::undecoded::Undecoded;
use crate::apply::{self, Change, Provenance, Substitute};
use crate::attribute;
use crate::composition::Size;
use crate::document::Document;
use crate::ledger::Counts;
use crate::policy::{Action, Decision, Facts};
use crate::scan::Gate;
use crate::score::{Judge, Verdict};
use crate::shard::{Format, Record, quarantine};
use crate::text::span::count_chars;

/// The score from which the ledger counts a record as flagged.
pub const FLAG: f32 = 0.5;

/// Per-thread state: compiled filters are shared, everything here is scratch.
pub struct Worker<'c> {
    pub config: &'c RunConfig,
    pub(super) gate: Gate,
    judge: Judge,
    pub(super) provenance: Provenance,
    pub(super) makeup: Makeup,
    /// Per rule of the policy, how often it decided; taken by the piece when it is done.
    pub fired: Vec<u64>,
    /// What a rule of the policy could not evaluate: the first of each piece.
    pub fault: Option<String>,
    marks: Vec<usize>,
    undecoded: Undecoded,
    /// The policy may act on records that the gate cleared.
    pub(super) reads_cleared: bool,
    documents: Vec<u8>,
    attributes: Vec<u8>,
    quarantine: Vec<u8>,
    pub(super) dropped: Vec<u8>,
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
    /// Bytes of the piece that are not what was stored, for all that can be known: lines that hold
    /// any go to quarantine.
    pub doubtful: &'p [Range<u64>],
}

impl Place<'_> {
    /// Whether any of the next `length` bytes is doubtful.
    fn doubts(&self, length: usize) -> bool {
        let from = self.byte;
        self.doubtful.iter().any(|range| range.start < from + length as u64 && from < range.end)
    }
}

impl<'c> Worker<'c> {
    #[must_use]
    pub fn new(config: &'c RunConfig, gate: &Gate, judge: &Judge) -> Self {
        Self {
            config,
            gate: gate.clone(),
            judge: judge.fork(),
            provenance: Provenance {
                filter_set: config.filters.version().to_string(),
                policy: config.policy.hash().to_string(),
                seed: config.seed,
            },
            makeup: Makeup::default(),
            fired: vec![0; config.policy.rules().len()],
            fault: None,
            marks: Vec::new(),
            undecoded: Undecoded::default(),
            reads_cleared: config.policy.reads_cleared() && !config.scan_only,
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
                if place.doubts(end - start) {
                    let reason = "damaged member or frame: this line may not be what was stored";
                    self.reject(line, line.len() as u64, reason, place, &mut counts);
                } else {
                    self.line(line, marked, place, &mut counts);
                }
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
    pub(super) fn reject_row(
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

    /// The verdict on a document that the gate let through, or none where the sieve clears it.
    pub(super) fn score(&mut self, document: &Document<'_>) -> Option<Verdict> {
        self.judge.sift(document, self.config.gate)
    }

    /// Bytes of a text, and its tokens where a tokenizer was named. A text that the tokenizer
    /// refuses counts none, and the run says so.
    pub(super) fn size(&mut self, text: &str) -> Size {
        let tokens = self.config.tokenizer.as_ref().map(|tokenizer| tokenizer.count(text));
        let tokens = match tokens {
            Some(Ok(tokens)) => tokens as u64,
            Some(Err(error)) => {
                self.fault.get_or_insert_with(|| error.to_string());
                0
            }
            None => 0,
        };
        Size { bytes: text.len() as u64, tokens }
    }

    /// Forgets what was counted of a piece that is begun anew.
    pub fn restart(&mut self) {
        self.makeup.take();
        self.fired.fill(0);
        self.fault = None;
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
        self.forget();
        Ok(())
    }

    /// Empties what was gathered.
    pub(super) fn forget(&mut self) {
        for buffer in
            [&mut self.documents, &mut self.attributes, &mut self.quarantine, &mut self.dropped]
        {
            buffer.clear();
        }
    }

    fn line(&mut self, line: &[u8], marked: bool, place: &mut Place<'_>, counts: &mut Counts) {
        let after_damage = std::mem::take(&mut place.after_damage);
        if place.format == Format::Text {
            return self.text_line(line, marked, place, counts);
        }
        let limit = self.config.limits.nesting;
        let parsed = Record::parse(line).and_then(|record| record.no_deeper_than(limit));
        let record = match parsed {
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
        let config = self.config;
        let whole = self.reads_cleared || config.tokenizer.is_some();
        let cleared = |undecoded: &mut Undecoded| {
            undecoded.clears(&record, &config.fields, &self.judge, config.gate)
        };
        let marked = marked && (whole || !cleared(&mut self.undecoded));
        let document = match record.document_if(&config.fields, whole || marked, made) {
            Ok(document) => document,
            Err(error) => {
                return self.reject(line, line.len() as u64, &error.to_string(), place, counts);
            }
        };
        counts.records_in += 1;
        let source = document.source.as_deref();
        // An escape, or a field besides the text, may have marked the line. Asked once more of the
        // text, the verdict depends on it alone and is the same in every format.
        let admitted = marked && self.gate.admits(document.text.as_bytes());
        let Some(verdict) = admitted.then(|| self.score(&document)).flatten() else {
            counts.cleared += 1;
            attribute::write_row(&document.id, source, "", None, &mut self.attributes);
            if self.reads_cleared {
                self.decide(line, &record, &document, &Verdict::default(), counts);
            } else {
                let size = match &self.config.tokenizer {
                    Some(_) => self.size(&document.text),
                    None => {
                        Size { bytes: record.text_bytes(&self.config.fields) as u64, tokens: 0 }
                    }
                };
                self.makeup.kept(source, size, !self.config.scan_only);
                self.keep(line, counts);
            }
            return;
        };
        counts.flagged += u64::from(verdict.coercion >= FLAG);
        attribute::write_row(
            &document.id,
            source,
            &document.text,
            Some(&verdict),
            &mut self.attributes,
        );
        self.decide(line, &record, &document, &verdict, counts);
    }

    /// The policy's decision on a document, and what takes its place where it is replaced. A
    /// document for which the pool holds none is dropped.
    pub(super) fn decision(
        &mut self,
        document: &Document<'_>,
        verdict: &Verdict,
        metadata: Option<&str>,
        counts: &mut Counts,
    ) -> (Decision<'c>, Option<&'c Substitute>) {
        let config = self.config;
        let facts = Facts {
            id: &document.id,
            source: document.source.as_deref(),
            chars: count_chars(document.text.as_bytes()) as u64,
            metadata,
        };
        let fault = &mut self.fault;
        let mut faults = 0;
        let mut decision = config.policy.decide(verdict, &facts, config.seed, &mut |rule, why| {
            faults += 1;
            fault.get_or_insert_with(|| format!("{}: policy rule `{rule}`: {why}", document.id));
        });
        counts.policy_faults += faults;
        if let Some(nth) = decision.nth {
            self.fired[nth] += 1;
        }
        let mut substitute = None;
        if decision.action == Action::Replace {
            let chat = !document.turns.is_empty();
            let pool = config.refill.as_deref();
            substitute =
                pool.and_then(|p| p.draw(&document.id, document.text.len(), chat, config.seed));
            if substitute.is_none() {
                decision.action = Action::Drop;
            }
        }
        (decision, substitute)
    }

    fn decide(
        &mut self,
        line: &[u8],
        record: &Record<'_>,
        document: &Document<'_>,
        verdict: &Verdict,
        counts: &mut Counts,
    ) {
        let source = document.source.as_deref();
        let size = self.size(&document.text);
        if self.config.scan_only {
            self.makeup.scanned(source, verdict, size);
            return self.keep(line, counts);
        }
        let metadata = record.raw("metadata");
        let (decision, substitute) = self.decision(document, verdict, metadata, counts);
        let other = substitute.map(|s| self.size(&s.text));
        self.makeup.decided(source, verdict, size, &decision.action, other);
        if decision.action == Action::Keep {
            return self.keep(line, counts);
        }
        count_action(&decision.action, counts);
        let provenance = &self.provenance;
        let change = Change { document, verdict, decision: &decision, provenance, substitute };
        if matches!(decision.action, Action::Drop | Action::Replace) {
            apply::write_dropped(&record.fields, &change, &mut self.dropped);
        }
        let text_field = &self.config.fields.text;
        let copies = apply::write_record(&record.fields, text_field, &change, &mut self.documents);
        counts.documents_out += u64::from(copies);
        counts.duplicated += u64::from(copies.saturating_sub(1));
    }

    /// A line of plain text. It has no metadata: what an action does to the text itself is done,
    /// and a document of which only metadata would tell is written and counted as kept.
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
        let size = self.size(text);
        let verdict = marked.then(|| self.score(&document)).flatten();
        let read = verdict.is_some();
        let verdict = if let Some(verdict) = verdict {
            counts.flagged += u64::from(verdict.coercion >= FLAG);
            attribute::write_row(&id, None, text, Some(&verdict), &mut self.attributes);
            verdict
        } else {
            counts.cleared += 1;
            attribute::write_row(&id, None, "", None, &mut self.attributes);
            Verdict::default()
        };
        if !(read || self.reads_cleared) {
            self.makeup.kept(None, size, !self.config.scan_only);
            return self.keep(line, counts);
        }
        if self.config.scan_only {
            self.makeup.scanned(None, &verdict, size);
            return self.keep(line, counts);
        }
        let (decision, substitute) = self.decision(&document, &verdict, None, counts);
        let other = substitute.map(|s| self.size(&s.text));
        self.makeup.decided(None, &verdict, size, &decision.action, other);
        let provenance = &self.provenance;
        let (document, verdict) = (&document, &verdict);
        let change = Change { document, verdict, decision: &decision, provenance, substitute };
        let copies = apply::copies(&decision.action);
        let new = apply::new_text(&change);
        if new.is_none() && copies == 1 {
            return self.keep(line, counts);
        }
        count_action(&decision.action, counts);
        if matches!(decision.action, Action::Drop | Action::Replace) {
            self.dropped.extend_from_slice(line);
            self.dropped.push(b'\n');
        }
        counts.documents_out += u64::from(copies);
        counts.duplicated += u64::from(copies.saturating_sub(1));
        // A document is one line.
        let written = new.map_or(Cow::Borrowed(text), |new| Cow::Owned(new.replace('\n', " ")));
        for _ in 0..copies {
            self.documents.extend_from_slice(written.as_bytes());
            self.documents.push(b'\n');
        }
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

pub(super) fn count_action(action: &Action, counts: &mut Counts) {
    match action {
        Action::Keep => counts.kept += 1,
        Action::Tag { .. } => counts.tagged += 1,
        Action::Weight { .. } => counts.weighted += 1,
        Action::Mask { .. } => counts.masked += 1,
        Action::Condition { .. } => counts.conditioned += 1,
        Action::Redact { .. } | Action::Replace => counts.replaced += 1,
        Action::Drop => counts.dropped += 1,
    }
}

/// A line without its line end.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
