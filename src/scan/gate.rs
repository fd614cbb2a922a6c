//! The gate: one multi-literal search over undecoded bytes that tells which records can matter.
//!
//! An atom is a literal that names, or may name, an artificial mind. A record without any is
//! cleared: it is never parsed for its text, scored or copied more than once. The gate may admit a
//! record in vain; it may never clear one that holds an atom once decoded. JSON can hide an atom in
//! three ways, and each admits the record: an ASCII character written as `\u00XX`, white space
//! inside a phrase written as an escape, and an escape that ends in a letter right before a word.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::windows::{Literal, Windows};
use crate::filter::FilterSet;

/// How much is scored. At every level but `Off` the model's sieve reads what the gate admits and
/// clears what is not worth scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateLevel {
    /// Only records with a word that names an artificial mind, or hints at one: the cheapest, and
    /// blind to minds that are "the steward" or "it".
    Named,
    /// The sieve reads every record.
    Fast,
    /// The same, but it clears a record only where it is surer.
    Wide,
    /// Every record is scored.
    Off,
}

/// A compiled gate. Cheap to clone; searching needs no scratch.
#[derive(Clone)]
pub struct Gate {
    search: Search,
    atoms: Arc<[Atom]>,
}

#[derive(Clone)]
enum Search {
    /// Nothing is searched: everything is admitted.
    Off,
    Windows(Arc<Windows>),
    /// Where a term is too short for windows; several times slower.
    Automaton(Arc<AhoCorasick>),
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
        if level == GateLevel::Named {
            terms.extend(filters.lexicon("artificial_agents"));
            terms.extend(filters.lexicon("gate_hints"));
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
        let search = match level {
            GateLevel::Fast | GateLevel::Wide | GateLevel::Off => Search::Off,
            GateLevel::Named => windows(&literals, &atoms).unwrap_or_else(|| automaton(&literals)),
        };
        Self { search, atoms: atoms.into() }
    }

    /// The same gate by another search, for tests and measurements of this one.
    #[must_use]
    pub fn by_automaton(filters: &FilterSet, level: GateLevel) -> Self {
        let mut gate = Self::new(filters, level);
        if let Search::Windows(windows) = &gate.search {
            gate.search = automaton(&windows.literals());
        }
        gate
    }

    /// Appends, in ascending order, one offset for each line of `block` that the gate would admit if
    /// it stood alone.
    pub fn marks(&self, block: &[u8], marks: &mut Vec<usize>) {
        if matches!(self.search, Search::Off) {
            marks.push(0);
            marks.extend(
                memchr::memchr_iter(b'\n', block).map(|i| i + 1).filter(|i| *i < block.len()),
            );
            return;
        }
        let mut from = 0;
        // One mark for each line is enough: the search starts again behind the line that was hit.
        while let Some(hit) = self.find(block, from, |literal| !literal.contains(&b'\n')) {
            marks.push(hit);
            match memchr::memchr(b'\n', &block[hit..]) {
                Some(end) => from = hit + end + 1,
                None => return,
            }
        }
    }

    /// Whether a whole text or undecoded line may matter.
    #[must_use]
    pub fn admits(&self, text: &[u8]) -> bool {
        matches!(self.search, Search::Off) || self.find(text, 0, |_| true).is_some()
    }

    /// Where an atom that `wanted` accepts as it is spelled here stands, at or behind `from`.
    fn find(&self, text: &[u8], from: usize, wanted: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let stands = |pattern: usize, start: usize, end: usize| {
            wanted(&text[start..end]) && self.stands(text, start, end, pattern)
        };
        match &self.search {
            Search::Off => None,
            Search::Windows(windows) => windows.find(text, from, stands),
            Search::Automaton(automaton) => automaton
                .try_find_overlapping_iter(&text[from..])
                .ok()?
                .map(|hit| (hit.pattern().as_usize(), from + hit.start(), from + hit.end()))
                .find(|(pattern, start, end)| stands(*pattern, *start, *end))
                .map(|(_, start, _)| start),
        }
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

fn windows(literals: &[String], atoms: &[Atom]) -> Option<Search> {
    let word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let literal = |(text, atom): (&String, &Atom)| Literal {
        bytes: text.as_bytes().to_vec(),
        opens_word: !atom.escape && word(text.as_bytes().first()),
        closes_word: !atom.open_end && word(text.as_bytes().last()),
    };
    let literals: Vec<Literal> = literals.iter().zip(atoms).map(literal).collect();
    Windows::new(&literals).map(|windows| Search::Windows(Arc::new(windows)))
}

fn automaton<L: AsRef<[u8]>>(literals: &[L]) -> Search {
    // The automatic choice above a hundred patterns is an NFA several times slower.
    let built = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(literals);
    built.map_or(Search::Off, |automaton| Search::Automaton(Arc::new(automaton)))
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

    static NAMED: std::sync::LazyLock<Gate> = std::sync::LazyLock::new(|| gate(GateLevel::Named));

    fn gate(level: GateLevel) -> Gate {
        Gate::new(FilterSet::embedded(), level)
    }

    #[test]
    fn atoms_are_words() {
        let gate = gate(GateLevel::Named);
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
        let gate = gate(GateLevel::Named);
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
            let gate = &*NAMED;
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
