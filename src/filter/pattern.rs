//! A compiled pattern and the atoms that it needs, derived from the pattern itself.

use std::sync::OnceLock;

use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Anchored, meta};
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};
use regex_syntax::hir::{Hir, HirKind};

use super::lexicon::Lexicons;
use super::rewrite::{ascii_words, loose, unfolded, without_look_around};
use crate::text::Span;

/// Steps that a look-around pattern may backtrack before it counts as not matching.
const BACKTRACK_LIMIT: usize = 100_000;
/// Atoms of one pattern; with more, searching for them costs more than it saves.
const MOST_ATOMS: usize = 400;
/// Bytes of the lazy automaton's cache; the default makes large alternations build states anew.
const LAZY_CACHE: usize = 16 << 20;
/// Longer literals are cut: they would be as many branches in the search for all atoms, and the first
/// letters are nearly as rare.
const LONGEST_ATOM: usize = 8;
/// Bytes behind a window that a look-ahead may see. Without an end every window would search the rest
/// of its text.
const LOOK_AHEAD: usize = 256;
/// Shorter literals stand in almost every document.
const SHORTEST_ATOM: usize = 2;

/// One pattern. Without look-around it runs in linear time. It is compiled when it is first asked
/// for: most runs need few of the patterns, and compiling all of them takes half a second.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    engine: OnceLock<Engine>,
    atoms: OnceLock<Atoms>,
}

/// Lower-case literals of which every match holds at least one.
#[derive(Debug, Default)]
struct Atoms {
    literals: Vec<String>,
    /// Every match begins with one of them.
    lead: bool,
}

#[derive(Debug)]
enum Engine {
    Linear(Box<meta::Regex>),
    LookAround {
        strict: Box<fancy_regex::Regex>,
        /// The pattern without its look-arounds: where it finds nothing, neither does `strict`, at
        /// fifty times the cost.
        loose: Option<Box<meta::Regex>>,
    },
    /// A pattern of the built-in filters that does not compile; it matches nothing.
    Faulty,
}

/// Whether a definition is compiled as it is read, so that its faults are told, or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compile {
    Now,
    WhenNeeded,
}

impl Pattern {
    /// Reads a pattern as it stands in a rule file.
    ///
    /// # Errors
    /// What the regex compiler says, where it is asked now.
    pub fn parse(pattern: &str, when: Compile) -> Result<Self, String> {
        let (engine, atoms) = (OnceLock::new(), OnceLock::new());
        let parsed = Self { source: pattern.to_string(), engine, atoms };
        if when == Compile::Now {
            let engine = compile(pattern)?;
            parsed.engine.get_or_init(|| engine);
        }
        Ok(parsed)
    }

    /// Reads words and phrases, lexicons resolved.
    ///
    /// # Errors
    /// Where a lexicon is missing.
    pub fn terms(terms: &[String], lexicons: &Lexicons, when: Compile) -> Result<Self, String> {
        let mut all: Vec<String> = Vec::new();
        for term in terms {
            match term.strip_prefix('@') {
                Some(name) => {
                    let found = lexicons.terms(name);
                    if found.is_empty() {
                        return Err(format!("`{term}` is no lexicon"));
                    }
                    all.extend(found.into_iter().map(str::to_string));
                }
                None => all.push(term.clone()),
            }
        }
        all.sort_by_key(|term| std::cmp::Reverse(term.len()));
        let parts: Vec<String> = all.iter().map(|term| term_pattern(term)).collect();
        Self::parse(&format!("(?i)(?:{})", parts.join("|")), when)
    }

    fn engine(&self) -> &Engine {
        self.engine.get_or_init(|| compile(&self.source).unwrap_or(Engine::Faulty))
    }

    /// Lower-case literals of which every match holds at least one; empty where none could be
    /// derived: then the pattern is always tried.
    pub fn atoms(&self) -> &[String] {
        &self.derived().literals
    }

    fn derived(&self) -> &Atoms {
        self.atoms.get_or_init(|| atoms(&without_look_around(&self.source)))
    }

    /// Matches in `text` between two offsets, in order, not overlapping.
    pub fn find(&self, text: &str, span: Span, found: &mut Vec<Span>) {
        match self.engine() {
            Engine::Faulty => {}
            Engine::Linear(regex) => {
                let input = regex_automata::Input::new(text).range(span.start..span.end);
                found.extend(regex.find_iter(input).map(|m| Span::new(m.start(), m.end())));
            }
            Engine::LookAround { strict, loose } => {
                let (seen, mut at) = (seen(text, span), span.start);
                while let Some(start) = candidate(loose.as_deref(), seen, at) {
                    if start >= span.end {
                        break;
                    }
                    let Some(hit) = strict_match(strict, seen, start) else { break };
                    if hit.end > span.end {
                        break;
                    }
                    found.push(hit);
                    let next = if hit.end > hit.start { hit.end } else { hit.end + 1 };
                    if next > span.end {
                        break;
                    }
                    at = text.ceil_char_boundary(next);
                }
            }
        }
    }

    /// The same as [`Pattern::find`], where the places of its atoms between the offsets are known
    /// (ascending).
    pub fn find_from(&self, text: &str, span: Span, starts: &[usize], found: &mut Vec<Span>) {
        if !self.derived().lead {
            return self.find(text, span, found);
        }
        let begins = |regex: &meta::Regex, at: usize, end: usize| {
            let input = regex_automata::Input::new(text).range(at..end).anchored(Anchored::Yes);
            regex.find(input).map(|m| Span::new(at, m.end()))
        };
        let (seen, mut free) = (seen(text, span), span.start);
        for at in starts.iter().copied() {
            if at < free {
                continue;
            }
            let hit = match self.engine() {
                Engine::Faulty => return,
                Engine::Linear(regex) => begins(regex, at, span.end),
                Engine::LookAround { loose: Some(loose), .. }
                    if begins(loose, at, seen.len()).is_none() =>
                {
                    None
                }
                Engine::LookAround { strict, .. } => match strict_match(strict, seen, at) {
                    Some(hit) if hit.end <= span.end => Some(hit),
                    _ => return,
                },
            };
            if let Some(hit) = hit {
                free = hit.end;
                found.push(hit);
            }
        }
    }

    /// Whether the pattern needs the backtracking engine.
    #[must_use]
    pub fn looks_around(&self) -> bool {
        matches!(self.engine(), Engine::LookAround { .. })
    }
}

fn compile(pattern: &str) -> Result<Engine, String> {
    Ok(match linear(&ascii_words(pattern)) {
        Some(regex) => Engine::Linear(Box::new(regex)),
        None => Engine::LookAround {
            strict: Box::new(
                fancy_regex::RegexBuilder::new(pattern)
                    .backtrack_limit(BACKTRACK_LIMIT)
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
            loose: loose(pattern).and_then(|loose| linear(&loose)).map(Box::new),
        },
    })
}

/// What of a text a pattern with look-around may see that is searched for between two offsets.
fn seen(text: &str, span: Span) -> &str {
    &text[..text.floor_char_boundary(span.end.saturating_add(LOOK_AHEAD))]
}

/// The first match at or behind `at`. An error is the backtrack limit: the rest of the text then
/// counts as no match.
fn strict_match(strict: &fancy_regex::Regex, text: &str, at: usize) -> Option<Span> {
    let found = strict.find_from_pos(text, at).ok().flatten();
    found.map(|m| Span::new(m.start(), m.end()))
}

/// Where a match may begin at the earliest, at or behind `at`: none where there is none for sure.
fn candidate(loose: Option<&meta::Regex>, text: &str, at: usize) -> Option<usize> {
    let Some(loose) = loose else { return Some(at) };
    let input = regex_automata::Input::new(text).range(at..);
    loose.find(input).map(|m| m.start())
}

fn linear(pattern: &str) -> Option<meta::Regex> {
    // Nobody asks for groups, and literals to search for are found by the atoms: preparing either
    // takes a good part of the time of compiling.
    let config = meta::Config::new()
        .hybrid_cache_capacity(LAZY_CACHE)
        .which_captures(WhichCaptures::Implicit)
        .auto_prefilter(false);
    meta::Regex::builder().configure(config).build(&unfolded(pattern)).ok()
}

/// A term as a pattern: word-bounded at an end that is a word character, open at a `*`.
fn term_pattern(term: &str) -> String {
    let word = term.trim_matches('*');
    let (first, last) = (word.chars().next(), word.chars().next_back());
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let open = if is_word(first) && !term.starts_with('*') { r"\b" } else { "" };
    let close = match (term.ends_with('*'), is_word(last)) {
        (true, _) => r"\w*",
        (false, true) => r"\b",
        (false, false) => "",
    };
    let spaced = regex_syntax::escape(word).replace(' ', r"\s+");
    format!("{open}{spaced}{close}")
}

/// By how many letters others must be longer than leading atoms to be taken in their place: a match
/// that begins with its atom is only looked for there.
const LEAD: usize = 2;

/// Literals of which each match holds one, lower-cased; empty where there is no such finite set of
/// useful length.
fn atoms(pattern: &str) -> Atoms {
    // Case is folded by the search for atoms; folded here it would multiply the literals.
    let cased = pattern.replace("(?i)", "").replace("(?im)", "(?m)").replace("(?i:", "(?:");
    let Ok(hir) = regex_syntax::parse(&cased) else { return Atoms::default() };
    let lead = at_end(&hir, &ExtractKind::Prefix);
    let good = lead.as_ref().is_some_and(|atoms| shortest(atoms) > LEAD + 1);
    let inner = if good { None } else { needed(&hir) };
    match (lead, inner) {
        (Some(lead), Some(inner)) if shortest(&inner) > shortest(&lead) + LEAD => {
            Atoms { literals: inner, lead: false }
        }
        (Some(literals), _) => Atoms { literals, lead: true },
        (None, inner) => Atoms { literals: inner.unwrap_or_default(), lead: false },
    }
}

fn shortest(atoms: &[String]) -> usize {
    atoms.iter().map(String::len).min().unwrap_or(0)
}

/// Literals with one of which every match of an expression begins, or ends.
fn at_end(hir: &Hir, kind: &ExtractKind) -> Option<Vec<String>> {
    let mut extractor = Extractor::new();
    extractor.kind(kind.clone()).limit_total(MOST_ATOMS * 8).limit_class(60);
    usable(&extractor.extract(hir), kind)
}

/// The longest literals of which every match of an expression holds one, wherever they stand in it.
fn needed(hir: &Hir) -> Option<Vec<String>> {
    let ends = [ExtractKind::Prefix, ExtractKind::Suffix];
    let at_ends = ends.iter().filter_map(|kind| at_end(hir, kind));
    let inside = match hir.kind() {
        HirKind::Capture(group) => needed(&group.sub),
        HirKind::Repetition(many) if many.min > 0 => needed(&many.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(needed).max_by_key(|a| shortest(a)),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<Vec<String>>> = branches.iter().map(needed).collect();
            let mut all = all.map(|lists| lists.concat()).unwrap_or_default();
            all.sort_unstable();
            all.dedup();
            (!all.is_empty() && all.len() <= MOST_ATOMS).then_some(all)
        }
        _ => None,
    };
    at_ends.chain(inside).max_by_key(|atoms| shortest(atoms))
}

fn usable(seq: &Seq, kind: &ExtractKind) -> Option<Vec<String>> {
    let literals = seq.literals()?;
    let mut atoms = Vec::with_capacity(literals.len());
    for literal in literals {
        let text = String::from_utf8_lossy(literal.as_bytes());
        if text.chars().any(|c| matches!(c, '\u{212a}' | '\u{17f}')) {
            // The Kelvin sign and the long s, which `(?i)` adds to k and s.
            continue;
        }
        // Only ASCII folds the way the search for atoms folds: what lies at the end that counts.
        let mut parts = text.split(|c: char| !c.is_ascii());
        let part = match kind {
            ExtractKind::Suffix => parts.next_back(),
            _ => parts.next(),
        };
        let part = part.unwrap_or_default();
        let cut = match kind {
            ExtractKind::Suffix => &part[part.len().saturating_sub(LONGEST_ATOM)..],
            _ => &part[..part.len().min(LONGEST_ATOM)],
        };
        atoms.push(cut.to_ascii_lowercase());
    }
    atoms.sort_unstable();
    atoms.dedup();
    let short = atoms.iter().any(|atom| atom.len() < SHORTEST_ATOM);
    (!short && !atoms.is_empty() && atoms.len() <= MOST_ATOMS).then_some(atoms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{FilterSet, Signal};

    #[test]
    fn the_loose_pattern_hides_no_match_of_the_strict_one() {
        let samples = [
            include_str!("../../corpora-samples/labelled/human-01.jsonl"),
            include_str!("../../corpora-samples/labelled/fiction-enacted-01.jsonl"),
            include_str!("../../corpora-samples/labelled/contrast-01.jsonl"),
        ];
        let mut texts =
            vec!["Naïve soldiers — “threatened” them; the café’s bôss éblackmailed us.".into()];
        for line in samples.iter().flat_map(|sample| sample.lines()) {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            texts.push(record["text"].as_str().unwrap().to_string());
        }
        let (mut seen, mut matches) = (0, 0);
        for signal in FilterSet::embedded().rules().iter().flat_map(|rule| &rule.signals) {
            let Signal::Pattern(pattern) = signal else { continue };
            let Engine::LookAround { strict, loose: Some(_) } = pattern.engine() else { continue };
            seen += 1;
            for text in &texts {
                let mut found = Vec::new();
                pattern.find(text, Span::new(0, text.len()), &mut found);
                let all: Vec<Span> = strict
                    .find_iter(text)
                    .map_while(Result::ok)
                    .map(|m| Span::new(m.start(), m.end()))
                    .collect();
                assert_eq!(found, all, "{} on {text:?}", pattern.source);
                matches += found.len();
            }
        }
        assert!(seen > 5 && matches > 10, "{seen} patterns, {matches} matches");
    }
}
