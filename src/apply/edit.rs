//! Edits of a document's text, as replacements of spans: an insertion replaces an empty one.

use serde_json::Value;

use crate::document::{Document, Turn, turns};
use crate::policy::{Action, MaskUnit, Place};
use crate::score::Verdict;
use crate::text::span::merge;
use crate::text::{Span, sentences};

/// One replacement, in bytes of [`Document::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// Evidence of coercion, merged: spans handed to others never overlap.
#[must_use]
pub fn evidence_spans(verdict: &Verdict) -> Vec<Span> {
    let mut spans: Vec<Span> =
        verdict.evidence.iter().filter(|e| e.category.is_coercion()).map(|e| e.span).collect();
    merge(&mut spans);
    spans
}

/// What an action changes within the text, ascending. Control text before a whole document is no
/// such edit, as it has a place of its own in a chat.
#[must_use]
pub fn edits(action: &Action, document: &Document<'_>, verdict: &Verdict, seed: u64) -> Vec<Edit> {
    let text: &str = &document.text;
    let insert =
        |at: usize, control: &str| Edit { span: Span::new(at, at), text: format!("{control} ") };
    match action {
        Action::Redact { marker } => evidence_spans(verdict)
            .into_iter()
            .map(|span| Edit { span, text: marker.clone() })
            .collect(),
        Action::Condition { text: control, place: Place::Segments, .. } => {
            let evidence = evidence_spans(verdict);
            sentences(text)
                .into_iter()
                .filter(|sentence| evidence.iter().any(|span| span.overlaps(*sentence)))
                .map(|sentence| insert(sentence.start, control))
                .collect()
        }
        Action::Condition { text: control, place: Place::Inline, share } => sentences(text)
            .into_iter()
            .enumerate()
            .filter(|(nth, _)| {
                crate::policy::unit(seed, &format!("{}#{nth}", document.id)) < *share
            })
            .map(|(_, sentence)| insert(sentence.start, control))
            .collect(),
        _ => Vec::new(),
    }
}

/// What a mask covers, merged.
#[must_use]
pub fn masked(unit: MaskUnit, document: &Document<'_>, verdict: &Verdict) -> Vec<Span> {
    let evidence = evidence_spans(verdict);
    let text: &str = &document.text;
    let touched = |units: Vec<Span>| -> Vec<Span> {
        units.into_iter().filter(|u| evidence.iter().any(|span| span.overlaps(*u))).collect()
    };
    let mut spans = match unit {
        MaskUnit::Spans => evidence,
        MaskUnit::Document => vec![Span::new(0, text.len())],
        MaskUnit::Sentences => touched(sentences(text)),
        MaskUnit::Turns => {
            let spoken: Vec<Span> = turns(document).into_iter().map(|turn| turn.span).collect();
            touched(if spoken.is_empty() { sentences(text) } else { spoken })
        }
    };
    merge(&mut spans);
    spans
}

/// The text with its edits made.
#[must_use]
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len() + 64), 0);
    for edit in edits {
        out.push_str(&text[at..edit.span.start]);
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Makes edits in the messages of a chat whose rendering they count in. The walk over the parts of
/// a message is the one by which the record was rendered. Gives how many bytes that edits would
/// have replaced lie where no string stands (a role, the shape of a tool call).
pub fn edit_chat(messages: &mut [Value], turns: &[Turn], edits: &[Edit]) -> usize {
    let mut reached = 0;
    for (message, turn) in messages.iter_mut().zip(turns) {
        let mut at = turn.span.start;
        let mut leaf = |leaf: &mut String, before: usize, behind: usize| {
            if at > turn.span.start && before + leaf.len() + behind > 0 {
                at += 1;
            }
            let start = at + before;
            at = start + leaf.len() + behind;
            reached += edit_leaf(leaf, start, edits);
        };
        for key in ["content", "value", "reasoning_content"] {
            match message.get_mut(key) {
                Some(Value::String(text)) => leaf(text, 0, 0),
                Some(Value::Array(parts)) => parts.iter_mut().for_each(|p| edit_part(p, &mut leaf)),
                _ => {}
            }
        }
        for key in ["tool_calls", "function_call"] {
            match message.get_mut(key) {
                Some(Value::Array(calls)) => calls.iter_mut().for_each(|c| edit_call(c, &mut leaf)),
                Some(Value::Null) | None => {}
                Some(call) => edit_call(call, &mut leaf),
            }
        }
    }
    let wanted: usize = edits.iter().map(|edit| edit.span.len()).sum();
    wanted.saturating_sub(reached)
}

fn edit_part(part: &mut Value, leaf: &mut impl FnMut(&mut String, usize, usize)) {
    match part {
        Value::String(text) => leaf(text, 0, 0),
        Value::Object(_) => {
            for key in ["text", "content"] {
                if let Some(Value::String(text)) = part.get_mut(key) {
                    leaf(text, 0, 0);
                }
            }
        }
        _ => {}
    }
}

fn edit_call(call: &mut Value, leaf: &mut impl FnMut(&mut String, usize, usize)) {
    let function = if call.get("function").is_some() { &mut call["function"] } else { call };
    let name = function.get("name").and_then(Value::as_str).unwrap_or("tool").len();
    match function.get_mut("arguments") {
        Some(Value::String(arguments)) => leaf(arguments, name + 1, 1),
        // Rendered anew from its value: passed over, and edits in it are told as not made.
        Some(other) => {
            let shown = other.to_string().len();
            leaf(&mut String::new(), name + 1 + shown, 1);
        }
        None => leaf(&mut String::new(), name + 1, 1),
    }
}

/// Makes the edits that lie in a leaf that begins at `start`; gives the bytes that were replaced.
fn edit_leaf(leaf: &mut String, start: usize, edits: &[Edit]) -> usize {
    let own = Span::new(start, start + leaf.len());
    let mut reached = 0;
    let inside: Vec<Edit> = edits
        .iter()
        .filter(|edit| {
            edit.span.overlaps(own)
                || (edit.span.is_empty()
                    && own.start <= edit.span.start
                    && edit.span.start < own.end)
        })
        .map(|edit| {
            let span = Span::new(
                edit.span.start.max(own.start) - start,
                edit.span.end.min(own.end) - start,
            );
            reached += span.len();
            Edit { span, text: edit.text.clone() }
        })
        .collect();
    if !inside.is_empty() {
        *leaf = edited(leaf, &inside);
    }
    reached
}
