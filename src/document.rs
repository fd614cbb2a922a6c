//! A borrowed view of one record: what the scorer needs of it and nothing more.

use std::borrow::Cow;

use crate::text::Span;

/// Who speaks a turn of a chat record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
    Other,
}

/// One speaker turn: its role and the bytes of [`Document::text`] that it covers (its content
/// only, without the rendered role line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    pub span: Span,
}

/// One document. `text` is what every offset counts in; for chat records it is the rendering
/// `role: content`, turns parted by a blank line, and `turns` tells where each one lies.
#[derive(Clone, Debug, Default)]
pub struct Document<'a> {
    pub id: Cow<'a, str>,
    pub text: Cow<'a, str>,
    pub source: Option<Cow<'a, str>>,
    /// Turns that the record itself declares; empty for plain text.
    pub turns: Vec<Turn>,
}

impl<'a> Document<'a> {
    #[must_use]
    pub fn plain(id: &'a str, text: &'a str) -> Self {
        Self { id: Cow::Borrowed(id), text: Cow::Borrowed(text), source: None, turns: Vec::new() }
    }
}
