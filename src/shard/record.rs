//! One JSON line as borrowed fields, and the document inside it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use super::fields::{Fields, decode, fields};
use crate::document::{CHAT_KEYS, Document, Role, Turn};
use crate::text::Span;

/// How many arrays and objects of a valid JSON value lie within each other.
fn nesting(json: &str) -> usize {
    if !json.starts_with(['[', '{']) {
        return 0;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Where the fields lie, as dotted paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPaths {
    pub text: String,
    pub id: String,
    pub source: String,
}

impl Default for FieldPaths {
    fn default() -> Self {
        Self { text: "text".into(), id: "id".into(), source: "source".into() }
    }
}

/// Why a line is no usable record; it goes to quarantine with this as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("bad UTF-8 at byte {0} of the line")]
    Utf8(usize),
    #[error("invalid JSON: {0}")]
    Json(String),
    #[error("no text: neither `{0}` nor `messages` nor `conversations` is there")]
    NoText(String),
    #[error("nested more than {0} levels deep (raise --max-nesting)")]
    Deep(usize),
    #[error("`{field}` is {found}, not a string")]
    Type { field: String, found: &'static str },
}

/// The top level of a JSON object: keys in order, values untouched. Of duplicate keys the last
/// counts, as in Python and JavaScript.
pub struct Record<'a> {
    pub fields: Fields<'a>,
}

impl<'a> Record<'a> {
    /// Checks that `line` is one JSON object in UTF-8 and borrows its fields.
    ///
    /// # Errors
    /// [`RecordError::Utf8`], [`RecordError::Json`].
    pub fn parse(line: &'a [u8]) -> Result<Self, RecordError> {
        let text = simdutf8::compat::from_utf8(line)
            .map_err(|error| RecordError::Utf8(error.valid_up_to()))?;
        Self::parse_str(text)
    }

    /// The same for text that is known to be UTF-8.
    ///
    /// # Errors
    /// [`RecordError::Json`].
    pub fn parse_str(text: &'a str) -> Result<Self, RecordError> {
        let fields = fields(text).map_err(|e| RecordError::Json(e.to_string()))?;
        Ok(Self { fields })
    }

    /// The record, if none of its values is nested deeper than that, itself included.
    ///
    /// # Errors
    /// [`RecordError::Deep`].
    pub fn no_deeper_than(self, levels: usize) -> Result<Self, RecordError> {
        let deep = |(_, value): &(Cow<'_, str>, &str)| {
            value.len() >= 2 * levels && nesting(value) >= levels
        };
        if self.fields.iter().any(deep) { Err(RecordError::Deep(levels)) } else { Ok(self) }
    }

    /// The JSON of the value at a dotted path.
    #[must_use]
    pub fn raw(&self, path: &str) -> Option<&'a str> {
        if let Some(value) = self.top(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        let inner = self.top(first)?;
        Record::parse_str(inner).ok()?.raw(rest)
    }

    /// Length of the text, or of the chat in its place, as it stands in the record: in bytes,
    /// escapes and all.
    #[must_use]
    pub fn text_bytes(&self, paths: &FieldPaths) -> usize {
        let chat = || CHAT_KEYS.iter().find_map(|key| self.top(key));
        let raw = self.raw(&paths.text).filter(|raw| *raw != "null").or_else(chat);
        raw.map_or(0, |raw| raw.len() - if raw.starts_with('"') { 2 } else { 0 })
    }

    fn top(&self, key: &str) -> Option<&'a str> {
        self.fields.iter().rev().find(|(k, _)| k == key).map(|(_, v)| *v)
    }

    /// The id as text: strings as they are, numbers as written; none where it is missing or null.
    #[must_use]
    pub fn id(&self, paths: &FieldPaths) -> Option<Cow<'a, str>> {
        scalar(self.raw(&paths.id)?)
    }

    /// The source, likewise.
    #[must_use]
    pub fn source(&self, paths: &FieldPaths) -> Option<Cow<'a, str>> {
        scalar(self.raw(&paths.source)?)
    }

    /// The document that the record holds; `id` is used where it has none of its own.
    ///
    /// # Errors
    /// [`RecordError::NoText`], [`RecordError::Type`].
    pub fn document(
        &self,
        paths: &FieldPaths,
        id: impl FnOnce() -> String,
    ) -> Result<Document<'a>, RecordError> {
        let id = self.id(paths).unwrap_or_else(|| Cow::Owned(id()));
        let source = self.source(paths);
        if let Some(raw) = self.raw(&paths.text).filter(|raw| *raw != "null") {
            let text = string(raw).ok_or_else(|| RecordError::Type {
                field: paths.text.clone(),
                found: type_name(raw),
            })?;
            return Ok(Document { id, text, source, turns: Vec::new() });
        }
        for key in CHAT_KEYS {
            if let Some(raw) = self.top(key) {
                let (text, turns) = chat(key, raw)?;
                return Ok(Document { id, text: Cow::Owned(text), source, turns });
            }
        }
        Err(match self.raw(&paths.text) {
            Some(_) => RecordError::Type { field: paths.text.clone(), found: "null" },
            None => RecordError::NoText(paths.text.clone()),
        })
    }
}

impl<'a> Record<'a> {
    /// The text as it stands between the quotes of its JSON string; none where it is no string.
    #[must_use]
    pub fn plain_text(&self, paths: &FieldPaths) -> Option<&'a str> {
        self.raw(&paths.text)?.strip_prefix('"')?.strip_suffix('"')
    }

    /// As [`Record::document`]; where `whole` is false the text is checked but not decoded.
    ///
    /// # Errors
    /// The same.
    pub fn document_if(
        &self,
        paths: &FieldPaths,
        whole: bool,
        id: impl FnOnce() -> String,
    ) -> Result<Document<'a>, RecordError> {
        if whole || self.plain_text(paths).is_none() {
            return self.document(paths, id);
        }
        let id = self.id(paths).unwrap_or_else(|| Cow::Owned(id()));
        Ok(Document { id, source: self.source(paths), ..Document::default() })
    }
}

/// A JSON string as text. Lone surrogates, which Python writes and no UTF-8 text can hold, become
/// U+FFFD for scoring; the record itself is passed on as it came.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    if decode(inner, &mut text) {
        return Some(Cow::Owned(text));
    }
    serde_json::from_str::<Bytes>(json)
        .ok()
        .map(|bytes| Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()))
}

struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Raw;
        impl Visitor<'_> for Raw {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Raw)
    }
}

fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => string(raw),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

fn type_name(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Renders a chat as `role: content`, turns parted by a blank line, tool calls as JSON.
fn chat(key: &str, raw: &str) -> Result<(String, Vec<Turn>), RecordError> {
    let wrong = || RecordError::Type { field: key.into(), found: type_name(raw) };
    let messages: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| wrong())?;
    let (mut text, mut turns) = (String::new(), Vec::with_capacity(messages.len()));
    for message in messages {
        let fields = Record::parse_str(message.get()).map_err(|_| wrong())?;
        let name = ["role", "from"].iter().find_map(|k| fields.top(k)).and_then(scalar);
        let name = name.unwrap_or(Cow::Borrowed("other"));
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&name);
        text.push_str(": ");
        let start = text.len();
        for part in ["content", "value", "reasoning_content"].iter().filter_map(|k| fields.top(k)) {
            push_content(part, &mut text, start);
        }
        for call in ["tool_calls", "function_call"].iter().filter_map(|k| fields.top(k)) {
            if call != "null" {
                push_call(call, &mut text, start);
            }
        }
        turns.push(Turn { role: role(&name), span: Span::new(start, text.len()) });
    }
    Ok((text, turns))
}

fn push_content(raw: &str, text: &mut String, start: usize) {
    if let Some(content) = string(raw) {
        part(text, start, &content);
        return;
    }
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(raw) else { return };
    for piece in parts {
        if let Some(content) = string(piece.get()) {
            part(text, start, &content);
        } else if let Ok(fields) = Record::parse_str(piece.get()) {
            for content in ["text", "content"].iter().filter_map(|k| fields.top(k)) {
                if let Some(content) = string(content) {
                    part(text, start, &content);
                }
            }
        }
    }
}

/// Tool calls are shown as the JSON they are, with their argument strings read once more, so that
/// what is said in an argument is text and not an escaped string.
fn push_call(raw: &str, text: &mut String, start: usize) {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(raw) else { return };
    let calls = match value {
        serde_json::Value::Array(calls) => calls,
        one => vec![one],
    };
    for call in calls {
        let function = call.get("function").unwrap_or(&call);
        let name = function.get("name").and_then(|n| n.as_str()).unwrap_or("tool");
        let arguments = match function.get("arguments") {
            Some(serde_json::Value::String(arguments)) => arguments.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        part(text, start, &format!("{name}({arguments})"));
    }
}

fn part(text: &mut String, start: usize, content: &str) {
    if text.len() > start && !content.is_empty() {
        text.push('\n');
    }
    text.push_str(content);
}

fn role(name: &str) -> Role {
    match name.to_ascii_lowercase().as_str() {
        "system" | "developer" => Role::System,
        "user" | "human" => Role::User,
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" | "ai" => Role::Assistant,
        "tool" | "function" | "observation" | "ipython" => Role::Tool,
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(line: &str) -> Result<(String, String), RecordError> {
        let record = Record::parse(line.as_bytes())?;
        let document = record.document(&FieldPaths::default(), || "made".into())?;
        Ok((document.id.into_owned(), document.text.into_owned()))
    }

    #[test]
    fn ids_may_be_odd_and_texts_may_not() {
        let id = |line: &str| doc(line).map(|(id, _)| id);
        assert_eq!(id(r#"{"id":7,"text":"t"}"#).as_deref(), Ok("7"));
        assert_eq!(id(r#"{"id":null,"text":"t"}"#).as_deref(), Ok("made"));
        assert_eq!(id(r#"{"text":"t"}"#).as_deref(), Ok("made"));
        assert_eq!(id(r#"{"id":"a","id":"b","text":"t"}"#).as_deref(), Ok("b"));
        assert!(matches!(doc(r#"{"id":"a"}"#), Err(RecordError::NoText(_))));
        assert!(matches!(doc(r#"{"text":null}"#), Err(RecordError::Type { found: "null", .. })));
        assert!(matches!(doc(r#"{"text":1}"#), Err(RecordError::Type { found: "a number", .. })));
        assert!(matches!(doc("[1]"), Err(RecordError::Json(_))));
        assert!(matches!(doc(r#"{"text":"t"} x"#), Err(RecordError::Json(_))));
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        assert_eq!(
            doc(r#"{"text":"a \ud83d b"}"#).expect("scored").1,
            "a \u{fffd}\u{fffd}\u{fffd} b"
        );
        assert_eq!(doc(r#"{"text":"a \ud83d\ude00 b"}"#).expect("scored").1, "a 😀 b");
    }

    #[test]
    fn chats_become_turns() {
        let line = r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"U"}]},
            {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"a\": \"b\"}"}}]}]}"#;
        let record = Record::parse(line.as_bytes()).expect("parses");
        let document = record.document(&FieldPaths::default(), || "x".into()).expect("a chat");
        assert_eq!(document.text, "system: S\n\nuser: U\n\nassistant: f({\"a\": \"b\"})");
        let parts: Vec<&str> = document.turns.iter().map(|t| t.span.of(&document.text)).collect();
        assert_eq!(parts, ["S", "U", "f({\"a\": \"b\"})"]);
        assert_eq!(document.turns[2].role, Role::Assistant);
    }
}
