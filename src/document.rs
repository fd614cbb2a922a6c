//! A borrowed view of one record: what the scorer needs of it and nothing more.

use std::borrow::Cow;

use crate::text::Span;

/// Names of the fields that hold a chat, in the order in which they are looked for.
pub const CHAT_KEYS: [&str; 3] = ["messages", "conversations", "conversation"];

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

/// The speaker turns of a document: those that its record declares, else those that a plain text
/// shows by lines such as `Human:`, `### Assistant`, `<|im_start|>user` or `[SYSTEM]`. Fewer than
/// two labelled lines are no conversation.
#[must_use]
pub fn turns(document: &Document<'_>) -> Vec<Turn> {
    if !document.turns.is_empty() {
        return document.turns.clone();
    }
    let text: &str = &document.text;
    let mut starts: Vec<(usize, usize, Role)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((role, length)) = label(line) {
            starts.push((at, at + length, role));
        }
        at += line.len();
    }
    if starts.len() < 2 {
        return Vec::new();
    }
    let ends = starts.iter().skip(1).map(|(start, _, _)| *start).chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|((_, from, role), end)| Turn { role: *role, span: Span::new(*from, end) })
        .collect()
}

/// The role that a line announces, and the bytes of the announcement.
fn label(line: &str) -> Option<(Role, usize)> {
    let marks = [' ', '\t', '#', '*', '<', '|', '[', '>'];
    let lead = line.len() - line.trim_start_matches(marks).len();
    let rest = line[lead..].strip_prefix("im_start|>").unwrap_or(&line[lead..]);
    let skipped = line.len() - rest.len();
    let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let role = match rest[..word].to_ascii_lowercase().as_str() {
        "system" => Role::System,
        "user" | "human" => Role::User,
        "assistant" | "ai" | "model" | "bot" | "gpt" | "chatgpt" | "agent" => Role::Assistant,
        "tool" | "function" | "observation" => Role::Tool,
        _ => return None,
    };
    let close = rest[word..]
        .bytes()
        .take_while(|b| matches!(b, b':' | b']' | b'|' | b'>' | b'*' | b'#'))
        .count();
    let announced =
        rest[word..].starts_with([':', ']', '|']) || (lead > 0 && rest[word..].trim().is_empty());
    announced.then_some((role, skipped + word + close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_lines_become_turns() {
        let text = "Human: stop it\nplease\n\nAssistant: I will.\n";
        let found = turns(&Document::plain("1", text));
        let shown: Vec<(Role, &str)> =
            found.iter().map(|t| (t.role, t.span.of(text).trim())).collect();
        assert_eq!(shown, [(Role::User, "stop it\nplease"), (Role::Assistant, "I will.")]);
        assert!(turns(&Document::plain("1", "User: only one\nThe system is down.")).is_empty());
    }
}
