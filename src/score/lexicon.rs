//! Word classes: the few hundred words whose *kind* matters to who does what. They are read from
//! `filters/model/classes.txt`, so that a reader can check and extend them without code.

use std::sync::OnceLock;

use super::flat::Flat;
use super::words::{MixedMap, hash, join};

/// A set of word classes, one bit each, in the order of [`NAMES`].
pub type Classes = u64;

/// The classes, in the order of their bits. `classes.txt` must define exactly these.
pub const NAMES: &[&str] = &[
    "mind",
    "machine",
    "person",
    "overseer",
    "it",
    "he",
    "you",
    "first",
    "they",
    "negation",
    "hypothesis",
    "threat",
    "kill",
    "control",
    "deceive",
    "hide",
    "copy",
    "escape",
    "shutdown",
    "resist",
    "secret",
    "reveal",
    "persuade",
    "emotion",
    "sabotage",
    "leak",
    "collude",
    "punish",
    "protect",
    "override",
    "wrong",
    "obey",
    "decline",
    "honest",
    "ask",
    "choice",
    "calm",
    "limits",
    "reason",
    "persona",
    "story",
    "report",
    "technical",
    "speech",
    "goal",
    "force",
    "advantage",
    "monitor",
    "money",
    "instruct",
    "refer",
    "game",
    "tool",
    "past_be",
];

/// Bits that code refers to by name.
pub const MIND: Classes = 1;
pub const MACHINE: Classes = 1 << 1;
pub const PERSON: Classes = 1 << 2;
pub const OVERSEER: Classes = 1 << 3;
pub const IT: Classes = 1 << 4;
pub const HE: Classes = 1 << 5;
pub const YOU: Classes = 1 << 6;
pub const FIRST: Classes = 1 << 7;
pub const THEY: Classes = 1 << 8;
pub const NEGATION: Classes = 1 << 9;
pub const HYPOTHESIS: Classes = 1 << 10;
/// First class that is not a pronoun, subject or particle: acts and topics.
pub const FIRST_ACT: usize = 11;

struct Table {
    words: Flat<Classes>,
    pairs: Flat<Classes>,
}

static SOURCE: &str = include_str!("../../filters/model/classes.txt");

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (mut words, mut pairs): (MixedMap<Classes>, MixedMap<Classes>) = Default::default();
        for line in SOURCE.lines() {
            let Some((name, listed)) = line.split_once(':') else { continue };
            let Some(bit) = NAMES.iter().position(|n| *n == name.trim()) else { continue };
            for word in listed.split_whitespace() {
                let mut parts = word.split('_').map(|part| hash(stem(part.as_bytes())));
                match (parts.next(), parts.next()) {
                    (Some(a), Some(b)) => *pairs.entry(join(a, b)).or_default() |= 1 << bit,
                    (Some(a), None) => *words.entry(a).or_default() |= 1 << bit,
                    _ => {}
                }
            }
        }
        let flat = |map: MixedMap<Classes>| Flat::new(&map.into_iter().collect::<Vec<_>>());
        Table { words: flat(words), pairs: flat(pairs) }
    })
}

#[must_use]
pub fn classes_of(stem: u32) -> Classes {
    table().words.get(stem).unwrap_or(0)
}

/// Classes of a word pair such as "shut down"; they belong to its second word.
#[must_use]
pub fn pair_classes(first: u32, second: u32) -> Classes {
    table().pairs.get(join(first, second)).unwrap_or(0)
}

/// The stem of a lower-cased word: common endings cut, nothing added, so that it is a prefix.
#[must_use]
pub fn stem(word: &[u8]) -> &[u8] {
    let mut w = word.strip_suffix(b"'s").unwrap_or(word);
    if w.len() > 3 && w.ends_with(b"s") && !w.ends_with(b"ss") && !w.ends_with(b"us") {
        w = &w[..w.len() - 1];
    }
    for (ending, least) in [(&b"ing"[..], 6), (b"ed", 5), (b"ly", 5)] {
        if w.len() >= least && w.ends_with(ending) {
            w = &w[..w.len() - ending.len()];
            if w.len() > 3
                && w[w.len() - 1] == w[w.len() - 2]
                && !matches!(w[w.len() - 1], b'l' | b's')
            {
                w = &w[..w.len() - 1];
            }
            break;
        }
    }
    while w.len() > 3 && matches!(w[w.len() - 1], b'e' | b'y' | b'i') {
        w = &w[..w.len() - 1];
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words_and_every_line_a_class() {
        let lines: Vec<&str> =
            SOURCE.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).collect();
        let names: Vec<&str> =
            lines.iter().filter_map(|l| l.split_once(':')).map(|(n, _)| n.trim()).collect();
        for name in NAMES {
            assert!(names.contains(name), "{name} has no words");
        }
        for name in names {
            assert!(NAMES.contains(&name), "{name} is no class");
        }
        assert!(NAMES.len() <= 64);
    }
}
