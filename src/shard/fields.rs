//! The top level of a JSON object, its values left as they were written.
//!
//! Records are checked as JSON from end to end, most of them to be passed on untouched. What nearly
//! every record is made of, strings without control characters, is walked over here from quote to
//! quote; numbers, lists and objects are checked by serde_json, and so is the whole line where it
//! is anything but plain, so that it alone says what is JSON and what is wrong.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Keys in order, each with its value's JSON.
pub type Fields<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The fields of a JSON object.
///
/// # Errors
/// Those of serde_json, where the text is no JSON object.
pub fn fields(json: &str) -> Result<Fields<'_>, serde_json::Error> {
    match plain(json) {
        Some(fields) => Ok(fields),
        None => by_library(json),
    }
}

/// The same by serde_json alone, for tests of the shorter way.
///
/// # Errors
/// The same.
pub fn by_library(json: &str) -> Result<Fields<'_>, serde_json::Error> {
    serde_json::from_str(json).map(|Parsed(fields)| fields)
}

/// The text of a JSON string without its quotes, appended to `out`; false, with any text appended,
/// where it holds a lone surrogate.
pub fn decode(inner: &str, out: &mut String) -> bool {
    let bytes = inner.as_bytes();
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\\', &bytes[at..]) {
        out.push_str(&inner[at..at + length]);
        at += length + 2;
        out.push(match bytes.get(at - 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                let Some((c, length)) = written_as_hex(bytes, at - 2) else { return false };
                at += length - 2;
                c
            }
            Some(mark @ (b'"' | b'\\' | b'/')) => char::from(*mark),
            _ => return false,
        });
    }
    out.push_str(&inner[at..]);
    true
}

/// The character that an escape `\uXXXX`, or two of them, stand for, and their length.
fn written_as_hex(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = unit(bytes, at)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 6));
    }
    let second = unit(bytes, at + 6)?;
    let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    Some((char::decode_utf16(units).next()?.ok()?, 12))
}

fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', hex @ ..] = bytes.get(at..at + 6)? else { return None };
    hex.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// The fields of an object on one line, keys without escapes; none where anything is unusual.
fn plain(json: &str) -> Option<Fields<'_>> {
    let bytes = json.as_bytes();
    if bytes.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ' {
        return None;
    }
    let mut fields = Vec::with_capacity(8);
    let mut at = mark(bytes, 0, b'{')?;
    loop {
        let end = string_end(bytes, at)?;
        let key = &json[at + 1..end - 1];
        if key.contains('\\') {
            return None;
        }
        let start = mark(bytes, end, b':')?;
        let end = match bytes.get(start)? {
            b'"' => string_end(bytes, start)?,
            _ => start + value_length(&json[start..])?,
        };
        fields.push((Cow::Borrowed(key), &json[start..end]));
        let Some(next) = mark(bytes, end, b',') else {
            return (mark(bytes, end, b'}')? == bytes.len()).then_some(fields);
        };
        at = next;
    }
}

/// The place behind a mark and the blanks on both sides of it.
fn mark(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
    let behind = |at: usize| at + bytes[at..].iter().take_while(|byte| **byte == b' ').count();
    let at = behind(at);
    (bytes.get(at) == Some(&mark)).then(|| behind(at + 1))
}

/// The end of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += match bytes.get(at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                unit(bytes, at)?;
                6
            }
            _ => return None,
        };
    }
}

/// Bytes of the JSON value with which a text begins.
fn value_length(json: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

struct Parsed<'a>(Fields<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Parsed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Parsed<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Parsed<'de>, M::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    fields.push((key.0, value.get()));
                }
                Ok(Parsed(fields))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A key, borrowed where it has no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    /// What both ways make of a line: the same, or the plain one leaves it to the other.
    fn agree(line: &str) -> bool {
        plain(line).is_none_or(|found| Some(found) == by_library(line).ok())
    }

    #[test]
    fn ordinary_records_are_plain() {
        for line in [
            r#"{"id":"1","text":"a \"b\" \\ \n \u00e9 é","n":1.5e3,"metadata":{"a":[1,{"b":"}"}]},"x":null}"#,
            r#" { "id" : "1" , "text" : "t" } "#,
            r#"{"":""}"#,
        ] {
            assert!(plain(line).is_some() && agree(line), "{line}");
        }
    }

    #[test]
    fn what_is_no_json_is_never_plain() {
        for line in [
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":"\u123"}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":nul}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":"b"}}"#,
            r#"{"a":"b"} x"#,
            r#"{"a":"b"#,
            r#"{"a":"b\"#,
            r#"{"a"}"#,
            r#"{a:1}"#,
            "{\"a\":\"\u{1}\"}",
            "[]",
            "",
            "{",
        ] {
            assert!(plain(line).is_none(), "{line}");
            assert!(fields(line).is_err(), "{line}");
        }
        assert!(fields("{}").is_ok() && fields("{\t}").is_ok());
    }

    #[test]
    fn strings_are_decoded_as_by_the_library() {
        for inner in [
            "",
            "plain",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0041\u00e9\u20AC\ud83d\ude00 é 😀",
            r"a\u0000b",
        ] {
            let mut out = String::new();
            assert!(decode(inner, &mut out), "{inner}");
            let quoted = format!("\"{inner}\"");
            assert_eq!(out, serde_json::from_str::<String>(&quoted).expect("JSON"));
        }
        for lone in [r"\ud83d", r"\ud83d\ud83d", r"\ude00 x", r"\ud83dA"] {
            assert!(!decode(lone, &mut String::new()), "{lone}");
        }
    }

    proptest::proptest! {
        #[test]
        fn both_ways_agree(
            parts in proptest::collection::vec(0_usize..24, 0..24), noise in "\\PC{0,6}",
        ) {
            let tokens = [
                "{", "}", "[", "]", "\"", "\"a\"", "\"text\"", ":", ",", " ", "1", "-", ".5", "e9", "true", "null",
                "\\n", "\\u00e9", "\\ud83d", "\\", "\"a\":1", "\"b\":\"c\"", "\t", &noise,
            ];
            let line: String = parts.iter().map(|part| tokens[*part]).collect();
            proptest::prop_assert!(agree(&line), "{}", line);
            proptest::prop_assert!(agree(&format!("{{\"a\":\"{line}\"}}")), "{}", line);
            proptest::prop_assert!(agree(&format!("{{\"a\":{line},\"b\":2}}")), "{}", line);
        }
    }
}
