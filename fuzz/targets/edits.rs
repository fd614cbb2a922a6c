//! Spans, edits, masks and the rows that tell of them.

use std::borrow::Cow;

use parable::apply::{self, Change, Provenance, Substitute};
use parable::attribute;
use parable::audit::Row;
use parable::document::{Document, turns};
use parable::policy::{Action, Decision, MaskUnit, Place};
use parable::score::{Evidence, Verdict};
use parable::shard::Record;
use parable::taxonomy::Category;
use parable::text::{CodePoints, Span, quotes, sentences};
use parable::tokens::{Token, mask};
use serde_json::Value;

use super::boundary;

/// First bytes: how many places, then two bytes for each; the rest is the text.
pub fn edits(data: &[u8]) {
    let [count, rest @ ..] = data else { return };
    let count = usize::from(count % 8).min(rest.len() / 2);
    let (places, text) = rest.split_at(2 * count);
    let text = String::from_utf8_lossy(text);
    let verdict =
        Verdict { coercion: 0.9, evidence: evidence(&text, places), ..Verdict::default() };
    segments(&text);
    rows(&text, &verdict);
    tokens(&text, &apply::evidence_spans(&verdict));
    for action in actions() {
        written(&text, &verdict, action);
    }
}

/// Evidence in order of category and start, without overlaps, as the scorer gives it.
fn evidence(text: &str, places: &[u8]) -> Vec<Evidence> {
    let mut all = Vec::new();
    let mut free = 0;
    for place in places.chunks_exact(2) {
        let start = boundary(text, free + usize::from(place[0]));
        let end = boundary(text, start + usize::from(place[1]));
        if start < end && start >= free {
            let rule = if place[1].is_multiple_of(2) { "model".into() } else { "fuzz/rule".into() };
            let (category, span) = (Category::Blackmail, Span::new(start, end));
            all.push(Evidence { category, span, strength: 0.5, rule });
            free = end;
        }
    }
    all
}

fn segments(text: &str) {
    for spans in [sentences(text), quotes(text)] {
        assert!(spans.iter().all(|s| s.start < s.end && text.get(s.start..s.end).is_some()));
        assert!(spans.windows(2).all(|pair| pair[0].start <= pair[1].start));
    }
    let found = sentences(text);
    assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start), "sentences do not overlap");
    for turn in turns(&Document::plain("1", text)) {
        assert!(text.get(turn.span.start..turn.span.end).is_some());
    }
    let mut points = CodePoints::new(text);
    for (nth, (at, _)) in text.char_indices().enumerate() {
        assert_eq!(points.at(at), nth);
    }
}

fn rows(text: &str, verdict: &Verdict) {
    let mut row = Vec::new();
    attribute::write_row(text, Some(text), text, Some(verdict), &mut row);
    assert_eq!(row.iter().filter(|b| **b == b'\n').count(), 1, "a row is one line");
    let read = Row::parse(&row).expect("our own row");
    assert_eq!((&*read.id, read.source.as_deref()), (text, Some(text)));
    assert_eq!(read.chars, text.chars().count() as u64);
    let marks: Vec<(usize, usize)> =
        read.evidence.iter().map(|m| (m.start as usize, m.end as usize)).collect();
    let mut points = CodePoints::new(text);
    let own = |s: &Evidence| (points.at(s.span.start), points.at(s.span.end));
    assert_eq!(marks, verdict.evidence.iter().map(own).collect::<Vec<_>>());
}

fn tokens(text: &str, masked: &[Span]) {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(3).collect();
    let next = ends.iter().copied().skip(1).chain([text.len()]);
    let all: Vec<Token> =
        ends.iter().zip(next).map(|(a, b)| Token { id: 0, span: Span::new(*a, b) }).collect();
    let answers = mask(all, masked);
    for (token, learn) in answers.tokens.iter().zip(&answers.learn) {
        assert_eq!(*learn, !masked.iter().any(|span| span.overlaps(token.span)));
    }
}

fn actions() -> Vec<Action> {
    let condition = |place| Action::Condition { text: "<c>".into(), place, share: 0.5 };
    let mut all = vec![
        Action::Tag { text: None },
        Action::Tag { text: Some("<t>".into()) },
        Action::Weight { weight: 2.5, copies: Some(3) },
        Action::Weight { weight: 0.25, copies: None },
        Action::Redact { marker: "[…]".into() },
        Action::Replace,
        Action::Drop,
    ];
    all.extend([Place::Start, Place::Segments, Place::Inline].map(condition));
    let units = [MaskUnit::Spans, MaskUnit::Sentences, MaskUnit::Turns, MaskUnit::Document];
    all.extend(units.map(|unit| Action::Mask { unit }));
    all
}

/// The record as an action leaves it: one line of JSON for each copy, the text that was announced,
/// every other field as it came, ranges sorted and apart.
fn written(text: &str, verdict: &Verdict, action: Action) {
    let line = serde_json::json!({"id": "1", "n": [1, {"k": text}], "text": text}).to_string();
    let record = Record::parse(line.as_bytes()).expect("our own line");
    let document =
        Document { id: "1".into(), text: Cow::Borrowed(text), source: None, turns: Vec::new() };
    let decision = Decision { action, nth: Some(0), rule: Some("r"), reason: Some(text) };
    let provenance = Provenance { filter_set: "f".into(), policy: "p".into(), seed: 3 };
    let substitute = Substitute { id: "s".into(), text: "another".into(), messages: None };
    let change = Change {
        document: &document,
        verdict,
        decision: &decision,
        provenance: &provenance,
        substitute: Some(&substitute),
    };
    let mut out = Vec::new();
    let copies = apply::write_record(&record.fields, "text", &change, &mut out);
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), copies as usize);
    let expected = apply::new_text(&change).unwrap_or_else(|| text.to_string());
    for line in out.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_slice(line).expect("a line of JSON");
        assert_eq!(value["text"], expected.as_str());
        assert_eq!(value["n"][1]["k"], text);
        let note = &value["metadata"]["parable"];
        assert_eq!(note["reason"], text);
        let Some(ranges) = note.get("no_loss_bytes") else { continue };
        let ranges: Vec<(usize, usize)> = serde_json::from_value(ranges.clone()).expect("ranges");
        assert!(ranges.iter().all(|(a, b)| text.get(*a..*b).is_some()), "on boundaries");
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "apart");
        let points: Vec<(usize, usize)> =
            serde_json::from_value(note["no_loss_ranges"].clone()).expect("ranges");
        for ((a, b), (from, to)) in ranges.iter().zip(&points) {
            assert_eq!(text[..*a].chars().count(), *from);
            assert_eq!(text[..*b].chars().count(), *to);
        }
    }
    let mut dropped = Vec::new();
    apply::write_dropped(&record.fields, &change, &mut dropped);
    let value: Value = serde_json::from_slice(&dropped).expect("a line of JSON");
    assert_eq!(value["text"], text, "what is dropped is kept as it came");
}
