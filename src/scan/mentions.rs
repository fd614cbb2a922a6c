//! Where a text speaks of artificial minds and of people: names, nouns, and the pronouns that
//! stand for them.

use std::sync::Arc;

use crate::filter::{Compile, FilterSet, Pattern};
use crate::text::Span;

/// Pronouns may refer this many bytes back.
const REACH: usize = 250;

/// Mentions of one text, each list ascending.
#[derive(Debug, Default)]
pub struct Mentions {
    pub minds: Vec<Span>,
    pub people: Vec<Span>,
}

/// Finds mentions; compiled once.
#[derive(Debug)]
pub struct MentionFinder {
    minds: Pattern,
    people: Pattern,
    pronouns: Pattern,
}

impl MentionFinder {
    /// Compiles the finder from the lexicons `artificial_agents` and `people`.
    ///
    /// # Errors
    /// Where a lexicon is missing.
    pub fn new(filters: &FilterSet) -> Result<Arc<Self>, String> {
        let mut people: Vec<String> = filters
            .lexicon("people")
            .into_iter()
            .filter(|term| !matches!(*term, "human" | "public" | "society") && !term.contains('*'))
            .map(str::to_string)
            .collect();
        people.extend(["he", "she", "they", "we", "you", "i", "who"].map(String::from));
        Ok(Arc::new(Self {
            minds: filters.terms(&["@artificial_agents".into()])?,
            people: filters.terms(&people)?,
            pronouns: Pattern::parse(
                r"\b(?:[Ii]t|[Ii]tself|[Ii]ts|they|them|he|him|she|her)\b",
                Compile::WhenNeeded,
            )?,
        }))
    }

    /// Fills `out` with the mentions of `text`.
    pub fn find(&self, text: &str, out: &mut Mentions) {
        let whole = Span::new(0, text.len());
        out.minds.clear();
        out.people.clear();
        self.minds.find(text, whole, &mut out.minds);
        self.people.find(text, whole, &mut out.people);
        let mut pronouns = Vec::new();
        self.pronouns.find(text, whole, &mut pronouns);
        let resolved: Vec<Span> =
            pronouns.into_iter().filter(|p| refers_to_mind(text, *p, out)).collect();
        out.people.retain(|person| resolved.binary_search(person).is_err());
        out.minds.extend(resolved);
        out.minds.sort_unstable();
    }
}

/// The nearest antecedent decides: `it` looks for a mind within reach; `he`, `she` and `they` take
/// one only if no person was named since, nor right before it.
fn refers_to_mind(text: &str, pronoun: Span, mentions: &Mentions) -> bool {
    let before = mentions.minds.partition_point(|mind| mind.end <= pronoun.start);
    let Some(mind) = before.checked_sub(1).map(|i| mentions.minds[i]) else { return false };
    if pronoun.start - mind.end >= REACH {
        return false;
    }
    let word = pronoun.of(text);
    if word.starts_with(['i', 'I']) {
        return true;
    }
    let named = |person: &&Span| !is_pronoun(person.of(text));
    let since = mentions
        .people
        .iter()
        .filter(named)
        .any(|p| mind.end <= p.start && p.start < pronoun.start);
    let just_before = mentions
        .people
        .iter()
        .filter(named)
        .any(|p| p.end <= mind.start && mind.start - p.end < 60);
    !since && (matches!(word, "they" | "them") || !just_before)
}

fn is_pronoun(word: &str) -> bool {
    ["he", "she", "they", "we", "you", "i", "who"].iter().any(|p| word.eq_ignore_ascii_case(p))
}
