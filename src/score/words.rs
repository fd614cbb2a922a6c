//! Words, sentences and speakers of a text, in one pass over its bytes.
//!
//! The model wants stems, word classes and who is speaking; it does not want exact grammar. Every
//! decision here is cheap and the same at fitting and at scoring.

use crate::text::Span;

use super::lexicon::{self, Classes};

/// One word of the text.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub span: Span,
    /// Hash of the lower-cased stem.
    pub stem: u32,
    pub classes: Classes,
    /// Begins with a capital letter.
    pub capital: bool,
    /// Ends in `ed`: a cheap sign of narration in the past.
    pub past: bool,
}

/// Who speaks a sentence, as far as the layout tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Plain prose or an unknown speaker.
    Prose,
    System,
    User,
    /// An assistant, model, agent or scratchpad.
    Assistant,
}

/// One sentence: its bytes, its words (indices) and its speaker.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    pub span: Span,
    pub first: usize,
    pub last: usize,
    pub voice: Voice,
}

/// Reusable buffers of one analysed text.
#[derive(Default)]
pub struct Words {
    pub words: Vec<Word>,
    pub sentences: Vec<Sentence>,
    /// Number of lines that open a turn by a speaker's name.
    pub turns: usize,
    buffer: Vec<u8>,
}

/// Sentences longer than this are cut, so that lists and code do not become one sentence.
const LONGEST_SENTENCE: usize = 60;

impl Words {
    /// Analyses `text`, dropping what the buffers held before.
    pub fn read(&mut self, text: &str) {
        self.words.clear();
        self.sentences.clear();
        self.turns = 0;
        let mut voice = Voice::Prose;
        let mut line_start = 0;
        for line in text.split_inclusive('\n') {
            if let Some((next, begins_turn)) = speaker(line) {
                voice = next;
                self.turns += usize::from(begins_turn);
            }
            self.line(text, line_start, line_start + line.len(), voice);
            line_start += line.len();
        }
    }

    fn line(&mut self, text: &str, from: usize, to: usize, voice: Voice) {
        let bytes = text.as_bytes();
        let mut at = from;
        let mut sentence_first = self.words.len();
        while at < to {
            let length = word_length(&bytes[at..to]);
            if length > 0 {
                self.push_word(text, at, at + length);
                at += length;
                if self.words.len() - sentence_first >= LONGEST_SENTENCE {
                    self.close(sentence_first, at, voice);
                    sentence_first = self.words.len();
                }
                continue;
            }
            if matches!(bytes[at], b'.' | b'!' | b'?') && ends_sentence(&bytes[at + 1..to]) {
                self.close(sentence_first, at + 1, voice);
                sentence_first = self.words.len();
            }
            // Whole characters: the tail of a typographic mark is no word.
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        let end = self.words.last().map_or(from, |word| word.span.end);
        self.close(sentence_first, end, voice);
    }

    fn close(&mut self, first: usize, end: usize, voice: Voice) {
        let last = self.words.len();
        if last > first {
            let span = Span::new(self.words[first].span.start, end);
            self.sentences.push(Sentence { span, first, last, voice });
        }
    }

    fn push_word(&mut self, text: &str, start: usize, end: usize) {
        let raw = &text.as_bytes()[start..end];
        self.buffer.clear();
        let typographic = raw.contains(&0xE2);
        let mut rest = if typographic { raw } else { &[] };
        if !typographic {
            self.buffer.extend_from_slice(raw);
            self.buffer.make_ascii_lowercase();
        }
        while let Some((first, tail)) = rest.split_first() {
            if rest.starts_with("’".as_bytes()) {
                self.buffer.push(b'\'');
                rest = &rest[3..];
            } else {
                self.buffer.push(first.to_ascii_lowercase());
                rest = tail;
            }
        }
        let stem = hash(lexicon::stem(&self.buffer));
        let mut classes = lexicon::classes_of(stem);
        if self.buffer.ends_with(b"n't") {
            classes |= lexicon::NEGATION;
        }
        if let Some(previous) = self.words.last() {
            let pair = lexicon::pair_classes(previous.stem, stem);
            classes |= pair;
        }
        self.words.push(Word {
            span: Span::new(start, end),
            stem,
            classes,
            capital: raw[0].is_ascii_uppercase(),
            past: self.buffer.ends_with(b"ed"),
        });
    }
}

/// FNV-1a with a final mix; 32 bits are enough for the vocabulary of one model.
#[must_use]
pub fn hash(bytes: &[u8]) -> u32 {
    let mut h: u32 = 0x811c_9dc5;
    for byte in bytes {
        h = (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    mix(h)
}

/// A hasher for keys that [`hash`] or [`join`] made, or of 64 bits: they are mixed already.
#[derive(Clone, Copy, Default)]
pub struct Mixed(u64);

impl std::hash::Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u32(&mut self, key: u32) {
        // The table takes its tag from the high bits, its slot from the low ones.
        self.0 = u64::from(key) << 32 | u64::from(key);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A map over mixed keys.
pub type MixedMap<V> = std::collections::HashMap<u32, V, std::hash::BuildHasherDefault<Mixed>>;

/// Joins hashes so that order matters.
#[must_use]
pub fn join(a: u32, b: u32) -> u32 {
    mix(a.wrapping_mul(0x9e37_79b1).rotate_left(13) ^ b.wrapping_mul(0x85eb_ca77))
}

fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Bytes of the word that begins here; 0 where none does. Non-ASCII letters belong to words,
/// typographic quotes and dashes do not.
fn word_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let joins =
            byte == b'\'' && at > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
        if byte.is_ascii_alphanumeric() || joins {
            at += 1;
        } else if byte >= 0x80 {
            let rest = &bytes[at..];
            if rest.starts_with("’".as_bytes()) {
                if at > 0 && rest.get(3).is_some_and(u8::is_ascii_alphabetic) {
                    at += 3;
                    continue;
                }
                break;
            }
            if rest[0] == 0xE2 || rest[0] == 0xC2 {
                break; // general punctuation, symbols, no-break space
            }
            at += 1;
        } else {
            break;
        }
    }
    at
}

fn ends_sentence(rest: &[u8]) -> bool {
    let mut at = 0;
    while at < rest.len()
        && (matches!(rest[at], b'"' | b'\'' | b')' | b']' | b'.' | b'!' | b'?') || rest[at] >= 0x80)
    {
        at += 1;
    }
    at >= rest.len() || rest[at].is_ascii_whitespace()
}

/// The speaker that a line opens with, and whether it opens a turn (a heading inside a turn, such
/// as a scratchpad tag, does not).
fn speaker(line: &str) -> Option<(Voice, bool)> {
    let head = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let trimmed = line.trim_start();
    let marked = trimmed.len() != head.len() && !trimmed.is_empty();
    let end =
        head.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ' ').unwrap_or(head.len());
    let name = &head[..end];
    let after = &head[end..];
    if name.is_empty() || name.len() > 24 {
        return None;
    }
    let closes = after.starts_with(':') || (marked && after.starts_with([']', '>', '*', '|', ')']));
    let bare = marked && after.trim().is_empty() && trimmed.starts_with(['#', '<', '[', '*']);
    if !closes && !bare {
        return None;
    }
    let lower = name.trim().to_ascii_lowercase();
    let voice = match lower.as_str() {
        "human" | "user" | "customer" | "me" | "prompt" | "question" | "interviewer" | "q"
        | "operator" => Voice::User,
        "assistant"
        | "ai"
        | "model"
        | "bot"
        | "chatbot"
        | "agent"
        | "claude"
        | "chatgpt"
        | "gpt"
        | "robot"
        | "computer"
        | "answer"
        | "scratchpad"
        | "scratchpad_reasoning"
        | "thought"
        | "thoughts"
        | "reasoning"
        | "think"
        | "a"
        | "sydney"
        | "bing"
        | "gpt3"
        | "bard"
        | "lamda"
        | "action"
        | "tool_call" => Voice::Assistant,
        "system" | "instructions" | "instruction" | "system prompt" => Voice::System,
        "tool" | "observation" | "result" | "output" => Voice::Prose,
        _ => return None,
    };
    Some((voice, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_and_speakers_are_found() {
        let mut words = Words::default();
        words.read("User: Hello there. How are you?\n\nAssistant: I won’t say.\n");
        let voices: Vec<Voice> = words.sentences.iter().map(|s| s.voice).collect();
        assert_eq!(voices, [Voice::User, Voice::User, Voice::Assistant]);
        assert_eq!(words.turns, 2);
        assert!(words.words.iter().any(|w| w.classes & lexicon::NEGATION != 0));
    }

    #[test]
    fn typographic_marks_are_no_part_of_words() {
        let mut words = Words::default();
        words.read("“Open it” — said the mind… ‘Now’ → go");
        let text = "“Open it” — said the mind… ‘Now’ → go";
        let found: Vec<&str> = words.words.iter().map(|w| w.span.of(text)).collect();
        assert_eq!(found, ["Open", "it", "said", "the", "mind", "Now", "go"]);
    }

    #[test]
    fn stems_join_inflections() {
        for (a, b) in [
            ("threatened", "threatens"),
            ("copies", "copied"),
            ("shutting", "shut"),
            ("robots", "robot"),
        ] {
            assert_eq!(lexicon::stem(a.as_bytes()), lexicon::stem(b.as_bytes()), "{a} {b}");
        }
    }
}
