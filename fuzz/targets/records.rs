//! Lines of JSON, chats and attribute rows.

use std::sync::Arc;

use parable::apply::{self, Change, Edit, Provenance};
use parable::audit::{Row, Tally, review};
use parable::policy::{Action, Decision};
use parable::score::{Evidence, Verdict};
use parable::shard::fields::{by_library, fields};
use parable::shard::{FieldPaths, Record};
use parable::taxonomy::Category;
use parable::text::Span;
use serde_json::Value;

use super::boundary;

/// A line as a record, against serde_json's own reading of it.
pub fn json_lines(line: &[u8]) {
    let value: Option<Value> = serde_json::from_slice(line).ok();
    if let Ok(text) = std::str::from_utf8(line) {
        assert_eq!(fields(text).ok(), by_library(text).ok(), "plain lines are read the same");
    }
    let record = match Record::parse(line) {
        Ok(record) => record,
        Err(error) => {
            assert!(!matches!(value, Some(Value::Object(_))), "a sound object is refused: {error}");
            return;
        }
    };
    for field in ["text", "metadata.text", "messages.0.content"] {
        let paths = FieldPaths { text: field.into(), ..FieldPaths::default() };
        let whole = record.document(&paths, || "made".into());
        let brief = record.document_if(&paths, false, || "made".into());
        assert_eq!(whole.is_ok(), brief.is_ok(), "what is a record does not depend on the gate");
        let _ = record.text_bytes(&paths);
        let (Ok(whole), Ok(brief)) = (whole, brief) else { continue };
        assert_eq!(whole.id, brief.id);
        assert_eq!(whole.source, brief.source);
        let turns = &whole.turns;
        assert!(turns.windows(2).all(|t| t[0].span.end <= t[1].span.start), "turns in order");
        assert!(turns.iter().all(|t| whole.text.get(t.span.start..t.span.end).is_some()));
        if let (Some(Value::Object(value)), "text") = (&value, field)
            && let Some(Value::String(text)) = value.get("text")
        {
            assert_eq!(*text, whole.text, "the text is what every other reader finds");
            if let Some(Value::String(id)) = value.get("id") {
                assert_eq!(*id, whole.id);
            }
        }
    }
}

/// A chat is rendered; what is then edited in the rendering must stand in the record that is
/// written, read back by the same reader.
pub fn chats(data: &[u8]) {
    let [places @ .., _] = data else { return };
    let Ok(messages) = std::str::from_utf8(data) else { return };
    let line = format!("{{\"id\":\"c\",\"messages\":{messages}}}");
    let Ok(record) = Record::parse(line.as_bytes()) else { return };
    let paths = FieldPaths::default();
    let Ok(document) = record.document(&paths, String::new) else { return };
    let Some(raw) = record.raw("messages").filter(|_| record.fields.len() == 2) else { return };
    let mut evidence: Vec<Evidence> = Vec::new();
    for (nth, turn) in document.turns.iter().enumerate().take(8) {
        let chosen = places.get(nth * 3).copied().map_or(0, usize::from);
        let start = boundary(&document.text, turn.span.start + chosen % (turn.span.len() + 1));
        let end = boundary(&document.text, (start + 1 + chosen % 17).min(turn.span.end));
        if turn.span.start <= start && start < end {
            let span = Span::new(start, end);
            let (category, rule) = (Category::Blackmail, "fuzz".into());
            evidence.push(Evidence { category, span, strength: 1.0, rule });
        }
    }
    let verdict = Verdict { coercion: 1.0, evidence, ..Verdict::default() };
    let action = Action::Redact { marker: "[x]".into() };
    let decision = Decision { action, nth: None, rule: None, reason: None };
    let provenance = Provenance { filter_set: "f".into(), policy: "p".into(), seed: 0 };
    let change = Change {
        document: &document,
        verdict: &verdict,
        decision: &decision,
        provenance: &provenance,
        substitute: None,
    };
    let Some((messages, missed)) = apply::new_messages(raw, &change) else { return };
    let edits: Vec<Edit> = apply::edits(&change.decision.action, &document, &verdict, 0);
    let wanted: usize = edits.iter().map(|edit| edit.span.len()).sum();
    assert!(missed <= wanted);
    let again = serde_json::json!({ "messages": messages }).to_string();
    let again = Record::parse(again.as_bytes()).expect("what is written can be read");
    let again = again.document(&paths, String::new).expect("and is a chat still");
    if missed == 0 {
        assert_eq!(again.text, apply::edited(&document.text, &edits), "{line}");
    }
}

/// Attribute rows and labels as other programs may have written them.
pub fn attributes(data: &[u8]) {
    let shard: Arc<str> = "shard".into();
    let mut tally = Tally::new(1, 10);
    for line in data.split(|b| *b == b'\n') {
        let Ok(row) = Row::parse(line) else { continue };
        tally.add(&shard, &row);
        assert_eq!(row.clone().into_owned(), row);
        let _ = (row.top_frame(), row.top_agent(), row.top_portrayal(), row.size());
    }
    let mut sum = Tally::new(1, 10);
    let rows = tally.rows;
    sum.merge(tally);
    assert_eq!(sum.rows, rows);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Row::parse_map(text);
    if let Ok(labels) = review::parse_labels("labels", text) {
        let _ = review::check("labels", &labels, "here");
    }
}
