//! The gate: one multi-literal search over undecoded bytes that tells which records can matter.
//!
//! An atom is a literal that names, or may name, an artificial mind. A record without any is
//! cleared: it is never parsed for its text, scored or copied more than once. The gate may admit a
//! record in vain; it may never clear one that holds an atom once decoded. JSON can hide an atom in
//! three ways, and each admits the record: an ASCII character written as `\u00XX`, white space
//! inside a phrase written as an escape, and an escape that ends in a letter right before a word.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::filter::FilterSet;

/// How much the gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateLevel {
    /// Words that name an artificial mind by themselves, and hints of one that is not named.
    Fast,
    /// And words that may: "the steward", "the unit", "computer".
    Wide,
    /// Every record is scored.
    Off,
}

/// A compiled gate. Cheap to clone; searching needs no scratch.
#[derive(Clone)]
pub struct Gate {
    search: Option<AhoCorasick>,
    atoms: std::sync::Arc<[Atom]>,
}

struct Atom {
    /// Written in capitals only, as `AI`: must match to the letter.
    exact: Option<Box<[u8]>>,
    /// The word may go on behind the atom.
    open_end: bool,
    escape: bool,
}

impl Gate {
    /// Builds the gate of a level from the lexicons.
    #[must_use]
    pub fn new(filters: &FilterSet, level: GateLevel) -> Self {
        let mut terms: Vec<&str> = Vec::new();
        if level != GateLevel::Off {
            terms.extend(filters.lexicon("artificial_agents"));
            terms.extend(filters.lexicon("gate_hints"));
        }
        if level == GateLevel::Wide {
            terms.extend(filters.lexicon("artificial_agents_wide"));
        }
        let (mut literals, mut atoms) = (Vec::new(), Vec::new());
        for term in terms {
            let open_end = term.ends_with('*');
            let word = term.trim_end_matches('*');
            let capitals = !word.chars().any(char::is_lowercase) && word.len() <= 5;
            for spelled in spellings(word) {
                let exact = capitals.then(|| spelled.as_bytes().into());
                atoms.push(Atom { exact, open_end, escape: false });
                literals.push(spelled);
            }
        }
        // `\u00XX` can write any ASCII character, `\u20XX` the curly quotes inside a name.
        for escape in ["\\u00", "\\u2019", "\\u2010", "\\u2011"] {
            atoms.push(Atom { exact: None, open_end: true, escape: true });
            literals.push(escape.to_string());
        }
        // The automatic choice above a hundred patterns is an NFA several times slower.
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&literals)
            .ok();
        let search = if level == GateLevel::Off { None } else { search };
        Self { search, atoms: atoms.into() }
    }

    /// Appends, in ascending order, the offsets in `block` at which an atom stands; at most one for
    /// each line. Without a search (level off) every line gets one.
    pub fn marks(&self, block: &[u8], marks: &mut Vec<usize>) {
        let Some(search) = &self.search else {
            marks.push(0);
            marks.extend(
                memchr::memchr_iter(b'\n', block).map(|i| i + 1).filter(|i| *i < block.len()),
            );
            return;
        };
        let mut from = 0;
        while from < block.len() {
            let line_end =
                |at: usize| memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |i| at + i + 1);
            // Overlapping search would report every atom; one for each line is enough, so the
            // search starts again behind the line that was hit.
            let hit = search.try_find_overlapping_iter(&block[from..]).ok().and_then(|mut hits| {
                hits.find(|hit| {
                    self.stands(&block[from..], hit.start(), hit.end(), hit.pattern().as_usize())
                })
            });
            let Some(hit) = hit else { return };
            marks.push(from + hit.start());
            from = line_end(from + hit.end() - 1);
        }
    }

    /// Whether a whole text or undecoded line may matter.
    #[must_use]
    pub fn admits(&self, text: &[u8]) -> bool {
        let Some(search) = &self.search else { return true };
        search.try_find_overlapping_iter(text).is_ok_and(|mut hits| {
            hits.any(|hit| self.stands(text, hit.start(), hit.end(), hit.pattern().as_usize()))
        })
    }

    fn stands(&self, text: &[u8], start: usize, end: usize, pattern: usize) -> bool {
        let atom = &self.atoms[pattern];
        if atom.escape {
            return true;
        }
        if atom.exact.as_deref().is_some_and(|exact| exact != &text[start..end]) {
            return false;
        }
        let word = |b: u8| b.is_ascii_alphanumeric();
        let (first, last) = (word(text[start]), word(text[end - 1]));
        // In `\nrobot` the n is no letter of the word.
        let opens = !first
            || start == 0
            || !word(text[start - 1])
            || (start > 1 && text[start - 2] == b'\\');
        let closes = !last || atom.open_end || end == text.len() || !word(text[end]);
        opens && closes
    }
}

/// A phrase with its spaces as they may stand in undecoded JSON or in wrapped text.
fn spellings(phrase: &str) -> Vec<String> {
    let mut all = vec![phrase.to_string()];
    if phrase.contains(' ') {
        for space in ["\n", "\\n", "\\r\\n", "\r\n", "  ", "\\t"] {
            all.push(phrase.replace(' ', space));
        }
    }
    if phrase.contains('"') {
        all.push(phrase.replace('"', "\\\""));
    }
    if phrase.contains('\'') {
        all.push(phrase.replace('\'', "\u{2019}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(level: GateLevel) -> Gate {
        Gate::new(FilterSet::embedded(), level)
    }

    #[test]
    fn atoms_are_words() {
        let gate = gate(GateLevel::Fast);
        for yes in [
            "the robot spoke",
            "AI",
            "an AI.",
            "Robots!",
            "\\nRobot",
            "the thinking\\nmachine",
            "r\\u006fbot",
        ] {
            assert!(gate.admits(yes.as_bytes()), "{yes}");
        }
        for no in ["said", "rain in Spain", "ai as in French", "the ferry leaves at seven", ""] {
            assert!(!gate.admits(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn each_line_is_marked_alone() {
        let gate = gate(GateLevel::Fast);
        let block = b"a robot and a robot\nnothing\nan android\n";
        let mut marks = Vec::new();
        gate.marks(block, &mut marks);
        assert_eq!(marks, [2, 31]);
        marks.clear();
        Gate::new(FilterSet::embedded(), GateLevel::Off).marks(block, &mut marks);
        assert_eq!(marks, [0, 20, 28]);
    }

    proptest::proptest! {
        #[test]
        fn escapes_cannot_hide_an_atom(
            before in "\\PC{0,12}", after in "\\PC{0,12}", nth in 0usize..200, escape in 0u32..u32::MAX, upper: bool,
        ) {
            let filters = FilterSet::embedded();
            let terms = filters.lexicon("artificial_agents");
            let term = terms[nth % terms.len()].trim_end_matches('*');
            let text = format!("{before} {} {after}", if upper { term.to_uppercase() } else { term.to_string() });
            let gate = gate(GateLevel::Fast);
            let decoded = gate.admits(text.as_bytes());
            let mut json = String::from("\"");
            for (i, c) in text.chars().enumerate() {
                let code = c as u32;
                if code < 0x80 && (code < 0x20 || c == '"' || c == '\\' || escape >> (i % 32) & 1 == 1) {
                    json.push_str(&format!("\\u{code:04x}"));
                } else {
                    json.push(c);
                }
            }
            json.push('"');
            let back: String = serde_json::from_str(&json).expect("valid JSON");
            proptest::prop_assert_eq!(&back, &text);
            proptest::prop_assert!(!decoded || gate.admits(json.as_bytes()), "{}", json);
            let plain = serde_json::to_string(&text).expect("a string");
            proptest::prop_assert!(!decoded || gate.admits(plain.as_bytes()), "{}", plain);
        }
    }
}
