//! One row of a table on its way through the pass.

use serde_json::Value;

use super::records::{FLAG, Place, Worker, count_action};
use crate::apply::{self, Change};
use crate::attribute;
use crate::composition::Size;
use crate::document::Document;
use crate::ledger::Counts;
use crate::policy::Action;
use crate::score::Verdict;
use crate::shard::Record;
use crate::shard::columns::Given;

/// What became of a row.
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
    /// The new messages, where a chat was edited.
    pub messages: Option<Value>,
    /// The attribute map as JSON; empty for a rejected or a cleared row.
    pub attributes: String,
    /// In the order of [`attribute::scores`]; empty for a cleared row.
    pub scores: Vec<f32>,
    pub size: Size,
    /// Why the row was rejected.
    pub rejected: Option<String>,
}

impl Row {
    /// A row that is written once and not changed.
    pub fn as_it_came(index: usize) -> Self {
        Self {
            index,
            id: String::new(),
            source: None,
            copies: 1,
            note: None,
            text: None,
            messages: None,
            attributes: "{}".into(),
            scores: Vec::new(),
            size: Size::default(),
            rejected: None,
        }
    }

    /// Whether it is written once and as it came.
    pub fn untouched(&self) -> bool {
        let changed = self.note.is_some() || self.text.is_some() || self.messages.is_some();
        self.copies == 1 && !changed
    }
}

impl Worker<'_> {
    /// Takes one row of a table through the pass.
    pub fn row(
        &mut self,
        index: usize,
        given: &Given<'_>,
        place: &Place<'_>,
        counts: &mut Counts,
    ) -> Row {
        let made = || format!("{}:{}", place.shard, (place.base)().0 + place.line);
        let id = given.id.clone().unwrap_or_else(made);
        let source = given.source.clone();
        let mut row = Row { id, source, copies: 0, ..Row::as_it_came(index) };
        let json = given.chat_json();
        let mut document = match given.document(&json, &self.config.fields) {
            Ok(document) => document,
            Err(error) => {
                let reason = error.to_string();
                self.reject_row(json.as_bytes(), json.len() as u64, &reason, place, counts);
                row.rejected = Some(reason);
                return row;
            }
        };
        document.id = row.id.clone().into();
        document.source = row.source.clone().map(Into::into);
        counts.records_in += 1;
        counts.bytes_decoded += document.text.len() as u64;
        row.copies = 1;
        row.size = self.size(&document.text);
        let admitted = self.gate.admits(document.text.as_bytes());
        let verdict = admitted.then(|| self.score(&document)).flatten();
        let read = verdict.is_some();
        let verdict = if let Some(verdict) = verdict {
            counts.flagged += u64::from(verdict.coercion >= FLAG);
            self.write_scores(&document, &verdict, &mut row);
            verdict
        } else {
            counts.cleared += 1;
            Verdict::default()
        };
        let (source, size) = (document.source.as_deref(), row.size);
        if self.config.scan_only {
            self.makeup.scanned(source, &verdict, size);
            counts.kept += 1;
        } else if !read && !self.reads_cleared {
            self.makeup.kept(source, size, true);
            counts.kept += 1;
            counts.documents_out += 1;
        } else {
            self.decide_row(
                &document,
                &verdict,
                &json,
                given.metadata().as_deref(),
                &mut row,
                counts,
            );
        }
        row
    }

    fn write_scores(&self, document: &Document<'_>, verdict: &Verdict, row: &mut Row) {
        row.scores = attribute::scores(verdict).into_iter().map(|(_, score)| score).collect();
        let mut line = Vec::new();
        attribute::write_row(&row.id, None, &document.text, Some(verdict), &mut line);
        if let Ok(value) = serde_json::from_slice::<Value>(&line) {
            row.attributes = value["attributes"].to_string();
        }
    }

    fn decide_row(
        &mut self,
        document: &Document<'_>,
        verdict: &Verdict,
        json: &str,
        metadata: Option<&str>,
        row: &mut Row,
        counts: &mut Counts,
    ) {
        let (decision, substitute) = self.decision(document, verdict, metadata, counts);
        let other = substitute.map(|s| self.size(&s.text));
        self.makeup.decided(document.source.as_deref(), verdict, row.size, &decision.action, other);
        count_action(&decision.action, counts);
        let provenance = &self.provenance;
        let change = Change { document, verdict, decision: &decision, provenance, substitute };
        if decision.action == Action::Keep {
            counts.documents_out += 1;
            return;
        }
        let mut note = apply::note(&change);
        if matches!(decision.action, Action::Drop | Action::Replace) {
            let kept = serde_json::json!({
                "id": row.id, "source": row.source, "text": document.text,
                "metadata": { "parable": note },
            });
            self.dropped.extend_from_slice(kept.to_string().as_bytes());
            self.dropped.push(b'\n');
        }
        row.copies = apply::copies(&decision.action);
        if document.turns.is_empty() {
            row.text = apply::new_text(&change);
        } else if let Ok(record) = Record::parse_str(json)
            && let Some((_, raw)) = record.fields.first()
            && let Some((messages, missed)) = apply::new_messages(raw, &change)
        {
            if missed > 0 {
                note["bytes_not_editable"] = missed.into();
            }
            row.messages = Some(messages);
        }
        row.note = Some(note.to_string());
        counts.documents_out += u64::from(row.copies);
        counts.duplicated += u64::from(row.copies.saturating_sub(1));
    }
}
