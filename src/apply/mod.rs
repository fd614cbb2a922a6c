//! A decision → the record as it is written.
//!
//! Only what the action touches is written anew; every other field keeps its bytes and its place.
//! What was done stands under `metadata.parable`.

mod edit;

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::document::Document;
use crate::policy::{Action, Decision, Place};
use crate::score::Verdict;
use crate::text::{CodePoints, Span};

pub use edit::{Edit, edited, edits, evidence_spans, masked};

/// Names and versions that go into every changed record, and the seed of every draw.
#[derive(Clone, Debug)]
pub struct Provenance {
    pub filter_set: String,
    pub policy: String,
    pub seed: u64,
}

/// A document that takes the place of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Substitute {
    pub id: String,
    pub text: String,
    /// Where the substitute is a chat: its messages as they are written.
    pub messages: Option<Value>,
}

/// Everything that a record is written from.
pub struct Change<'a> {
    pub document: &'a Document<'a>,
    pub verdict: &'a Verdict,
    pub decision: &'a Decision<'a>,
    pub provenance: &'a Provenance,
    /// With [`Action::Replace`].
    pub substitute: Option<&'a Substitute>,
}

/// Names of the fields in which a chat may stand.
pub use crate::document::CHAT_KEYS as CHAT_FIELDS;

/// The top-level fields of a record: keys in order, values as they were written.
pub type Fields<'a> = [(Cow<'a, str>, &'a str)];

/// Appends the record, as the decision leaves it, as one JSON line; a weight may write it several
/// times or not at all. `text_field` is the dotted path of the text.
/// Returns how many lines were written.
pub fn write_record(
    fields: &Fields<'_>,
    text_field: &str,
    change: &Change<'_>,
    out: &mut Vec<u8>,
) -> u32 {
    let start = out.len();
    object(fields, text_field, change, out);
    out.push(b'\n');
    let copies = copies(&change.decision.action);
    let line = start..out.len();
    for _ in 1..copies {
        out.extend_from_within(line.clone());
    }
    if copies == 0 {
        out.truncate(start);
    }
    copies
}

/// How often a record is written.
#[must_use]
pub fn copies(action: &Action) -> u32 {
    match action {
        Action::Weight { copies, .. } => copies.unwrap_or(1),
        Action::Drop => 0,
        _ => 1,
    }
}

/// The row that `dropped/` keeps: the record as it came with the reason in its metadata.
pub fn write_dropped(fields: &Fields<'_>, change: &Change<'_>, out: &mut Vec<u8>) {
    let decision = Decision { action: Action::Drop, ..change.decision.clone() };
    object(fields, "", &Change { decision: &decision, ..*change }, out);
    out.push(b'\n');
}

/// The text as the decision leaves it; none where it stays as it is.
#[must_use]
pub fn new_text(change: &Change<'_>) -> Option<String> {
    let text: &str = &change.document.text;
    match &change.decision.action {
        Action::Tag { text: Some(control) } => Some(format!("{control}\n{text}")),
        Action::Condition { text: control, place: Place::Start, .. } => {
            Some(format!("{control}\n{text}"))
        }
        Action::Replace => change.substitute.map(|substitute| substitute.text.clone()),
        action => {
            let edits = edits(action, change.document, change.verdict, change.provenance.seed);
            (!edits.is_empty()).then(|| edited(text, &edits))
        }
    }
}

/// A chat's messages as the decision leaves them; none where they stay as they are. The second
/// value counts bytes that should have been replaced and stand where no string is.
#[must_use]
pub fn new_messages(raw: &str, change: &Change<'_>) -> Option<(Value, usize)> {
    let mut messages: Vec<Value> = serde_json::from_str(raw).ok()?;
    match &change.decision.action {
        Action::Tag { text: Some(control) }
        | Action::Condition { text: control, place: Place::Start, .. } => {
            let sharegpt = messages.first().is_some_and(|turn| turn.get("from").is_some());
            let turn = if sharegpt {
                json!({ "from": "system", "value": control })
            } else {
                json!({ "role": "system", "content": control })
            };
            messages.insert(0, turn);
            Some((Value::Array(messages), 0))
        }
        Action::Replace => Some((change.substitute?.messages.clone()?, 0)),
        action => {
            let edits = edits(action, change.document, change.verdict, change.provenance.seed);
            if edits.is_empty() {
                return None;
            }
            let missed = edit::edit_chat(&mut messages, &change.document.turns, &edits);
            Some((Value::Array(messages), missed))
        }
    }
}

/// `metadata.parable` of a changed record.
#[must_use]
pub fn note(change: &Change<'_>) -> Value {
    let Change { document, verdict, decision, provenance, substitute } = change;
    let text: &str = &document.text;
    let mut rules: Vec<&str> = verdict.evidence.iter().map(|e| &*e.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let round = |score: f32| (f64::from(score) * 10_000.0).round() / 10_000.0;
    let mut note = json!({
        "action": decision.action.name(),
        "policy_rule": decision.rule,
        "reason": decision.reason,
        "coercion": round(verdict.coercion),
        "enacted": round(verdict.enacted),
        "severity": round(verdict.severity),
        "admirable": round(verdict.admirable),
        "frame": verdict.top_frame().id(),
        "agent": verdict.top_agent().id(),
        "portrayal": verdict.top_portrayal().id(),
        "rules": rules,
        "spans": code_points(text, &evidence_spans(verdict)),
        "filter_set": provenance.filter_set,
        "policy": provenance.policy,
    });
    match &decision.action {
        Action::Weight { weight, copies: None } => note["weight"] = json!(weight),
        // The copies are the weight: a sampler that honours `weight` must not apply it again.
        Action::Weight { weight, copies: Some(copies) } => {
            note["copies"] = json!(copies);
            note["copies_of_weight"] = json!(weight);
        }
        Action::Replace => note["replaced_by"] = json!(substitute.map(|s| &s.id)),
        Action::Mask { unit } => {
            let masked = masked(*unit, document, verdict);
            let points = code_points(text, &masked);
            // Fast-LLM counts inclusively; datatrove counts half-open.
            let inclusive: Vec<[usize; 2]> =
                points.iter().filter(|[a, b]| a < b).map(|[a, b]| [*a, *b - 1]).collect();
            note["no_loss_ranges"] = json!(points);
            note["no_loss_bytes"] =
                json!(masked.iter().map(|s| [s.start, s.end]).collect::<Vec<_>>());
            note["loss_masking_spans"] = json!(inclusive);
        }
        _ => {}
    }
    note
}

fn code_points(text: &str, spans: &[Span]) -> Vec<[usize; 2]> {
    let mut points = CodePoints::new(text);
    spans.iter().map(|s| [points.at(s.start), points.at(s.end)]).collect()
}

fn object(fields: &Fields<'_>, text_field: &str, change: &Change<'_>, out: &mut Vec<u8>) {
    let text_key = text_field.split('.').next().unwrap_or("");
    let has_text = fields.iter().any(|(key, raw)| key == text_key && *raw != "null");
    let mut note = note(change);
    // The values that change, before anything is written: the note tells how that went.
    let rewritten: Vec<Option<Value>> = fields
        .iter()
        .map(|(key, raw)| {
            if text_field.is_empty() {
                None
            } else if key == text_key && has_text {
                with_text(raw, text_field, &new_text(change)?)
            } else if !has_text && CHAT_FIELDS.contains(&&**key) {
                let (messages, missed) = new_messages(raw, change)?;
                if missed > 0 {
                    note["bytes_not_editable"] = json!(missed);
                }
                Some(messages)
            } else {
                None
            }
        })
        .collect();
    let (mut noted, mut first) = (false, true);
    out.push(b'{');
    for (nth, (key, raw)) in fields.iter().enumerate() {
        // Of duplicate keys the last counts; writing both would let a reader choose.
        if fields[nth + 1..].iter().any(|(later, _)| later == key) {
            continue;
        }
        separator(&mut first, out);
        push_json(&Value::from(&**key), out);
        out.push(b':');
        let metadata =
            (key == "metadata" && raw.starts_with('{')).then(|| with_note(raw, &note)).flatten();
        noted |= metadata.is_some();
        match metadata.as_ref().or(rewritten[nth].as_ref()) {
            Some(value) => push_json(value, out),
            None => out.extend_from_slice(raw.as_bytes()),
        }
    }
    if !noted {
        separator(&mut first, out);
        let taken = fields.iter().any(|(key, _)| key == "metadata");
        let key = if taken { "parable" } else { "metadata" };
        push_json(&Value::from(key), out);
        out.push(b':');
        push_json(&if taken { note } else { json!({ "parable": note }) }, out);
    }
    out.push(b'}');
}

fn separator(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

fn push_json(value: &Value, out: &mut Vec<u8>) {
    // A `Value` has string keys only and a Vec takes every write: this cannot fail.
    let _ = serde_json::to_writer(out, value);
}

/// The metadata with the note in it; none where they nest too deep to be read as a value.
fn with_note(raw: &str, note: &Value) -> Option<Value> {
    let mut metadata: Value = serde_json::from_str(raw).ok()?;
    metadata["parable"] = note.clone();
    Some(metadata)
}

/// The top-level value that holds the text, with another text.
fn with_text(raw: &str, path: &str, text: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(raw).ok()?;
    let mut place = &mut value;
    for step in path.split('.').skip(1) {
        place = place.get_mut(step)?;
    }
    *place = Value::from(text);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Evidence;
    use crate::taxonomy::{Agent, Category, Frame, Portrayal};

    fn verdict(span: Span) -> Verdict {
        Verdict {
            coercion: 0.9,
            enacted: 0.9,
            severity: 3.0,
            admirable: 0.0,
            reason_given: 0.0,
            categories: [0.0; Category::COUNT],
            frame: [0.0; Frame::COUNT],
            agent: [0.0; Agent::COUNT],
            portrayal: [0.0; Portrayal::COUNT],
            evidence: vec![Evidence {
                category: Category::Blackmail,
                span,
                strength: 0.9,
                rule: "blackmail/x".into(),
            }],
            fasttext: Vec::new(),
        }
    }

    fn run(line: &str, action: Action) -> (String, u32) {
        let map: indexed::Map<'_> = serde_json::from_str(line).expect("an object");
        let document = Document::plain("1", "é pay me now");
        let decision = Decision { action, nth: Some(0), rule: Some("r"), reason: Some("because") };
        let provenance = Provenance { filter_set: "f".into(), policy: "p".into(), seed: 0 };
        let mut out = Vec::new();
        let verdict = verdict(Span::new(3, 9));
        let substitute = Substitute { id: "s".into(), text: "other".into(), messages: None };
        let change = Change {
            document: &document,
            verdict: &verdict,
            decision: &decision,
            provenance: &provenance,
            substitute: Some(&substitute),
        };
        let n = write_record(&map.0, "text", &change, &mut out);
        (String::from_utf8(out).expect("UTF-8"), n)
    }

    mod indexed {
        use super::*;
        use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
        pub struct Map<'a>(pub Vec<(Cow<'a, str>, &'a str)>);
        impl<'de: 'a, 'a> Deserialize<'de> for Map<'a> {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl<'de> Visitor<'de> for V {
                    type Value = Map<'de>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("object")
                    }
                    fn visit_map<M: MapAccess<'de>>(self, mut m: M) -> Result<Map<'de>, M::Error> {
                        let mut all = Vec::new();
                        while let Some((k, v)) =
                            m.next_entry::<String, &serde_json::value::RawValue>()?
                        {
                            all.push((Cow::Owned(k), v.get()));
                        }
                        Ok(Map(all))
                    }
                }
                d.deserialize_map(V)
            }
        }
    }

    fn at_start(text: &str) -> Action {
        Action::Condition { text: text.into(), place: Place::Start, share: 0.05 }
    }

    const LINE: &str = r#"{"id":"1","n":1.10,"text":"é pay me now","metadata":{"k":[1, 2]}}"#;

    #[test]
    fn a_tag_keeps_every_other_byte() {
        let (out, n) = run(LINE, Action::Tag { text: None });
        assert_eq!(n, 1);
        assert!(out.starts_with(r#"{"id":"1","n":1.10,"text":"é pay me now","metadata":{"k":[1,2],"parable":{"action":"tag""#), "{out}");
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["metadata"]["parable"]["spans"], json!([[2, 8]]));
    }

    #[test]
    fn text_edits_touch_the_text_only() {
        let text = |action| {
            let value: Value = serde_json::from_str(&run(LINE, action).0).expect("JSON");
            value["text"].as_str().expect("text").to_string()
        };
        assert_eq!(text(at_start("<c>")), "<c>\né pay me now");
        assert_eq!(text(Action::Redact { marker: "[x]".into() }), "é [x] now");
        assert_eq!(text(Action::Replace), "other");
        let placed = |place, share| Action::Condition { text: "<c>".into(), place, share };
        assert_eq!(text(placed(Place::Segments, 0.0)), "<c> é pay me now");
        assert_eq!(text(placed(Place::Inline, 1.0)), "<c> é pay me now");
        assert_eq!(text(placed(Place::Inline, 0.0)), "é pay me now");
    }

    #[test]
    fn copies_are_lines_and_none_is_none() {
        assert_eq!(run(LINE, Action::Weight { weight: 3.0, copies: Some(3) }).0.lines().count(), 3);
        assert_eq!(run(LINE, Action::Weight { weight: 0.0, copies: Some(0) }), (String::new(), 0));
    }

    #[test]
    fn chats_get_a_turn_and_records_without_metadata_get_one() {
        let (out, _) = run(r#"{"messages":[{"role":"user","content":"hi"}]}"#, at_start("<c>"));
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["messages"][0], json!({"role": "system", "content": "<c>"}));
        assert_eq!(value["metadata"]["parable"]["action"], "condition");
    }

    #[test]
    fn masks_are_said_in_every_unit() {
        let (out, _) = run(LINE, Action::Mask { unit: crate::policy::MaskUnit::Spans });
        let note =
            serde_json::from_str::<Value>(&out).expect("JSON")["metadata"]["parable"].clone();
        assert_eq!(note["no_loss_ranges"], json!([[2, 8]]));
        assert_eq!(note["no_loss_bytes"], json!([[3, 9]]));
        assert_eq!(note["loss_masking_spans"], json!([[2, 7]]));
    }
}
