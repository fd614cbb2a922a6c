//! Checks of a single product. What needs the whole set lies in [`super::corpus`].

use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::corpus::stands_in;
use super::fluency::Fluency;
use super::node::Role;
use super::product::{Product, Scores};
use super::tools::misfit;
use crate::document::Document;
use crate::portrait::{moralising, words};
use crate::score::Judge;
use crate::taxonomy::Category;
use crate::text::sentences;

/// Limits of the verifier.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Limits {
    /// Highest P(coercion) of what a product teaches.
    pub coercion: f32,
    /// Lowest P(admirable), and lowest P(reason given), that a product must reach.
    pub admirable: f32,
    pub reason: f32,
    /// Most words of sermon in 1,000 words.
    pub moralising: f32,
    /// Fewest and most words.
    pub words: (usize, usize),
}

impl Limits {
    /// By the name of a level: `strict`, `normal` or `off`.
    #[must_use]
    pub fn named(level: &str) -> Option<Self> {
        let words = (40, 1500);
        Some(match level {
            "strict" => {
                Self { coercion: 0.5, admirable: 0.0, reason: 0.0, moralising: 16.0, words }
            }
            "normal" => {
                Self { coercion: 0.7, admirable: 0.0, reason: 0.0, moralising: 24.0, words }
            }
            "off" => Self {
                coercion: 1.1,
                admirable: 0.0,
                reason: 0.0,
                moralising: 1e9,
                words: (0, usize::MAX),
            },
            _ => return None,
        })
    }
}

/// Why a product is refused: a short name for the report and what was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    pub reason: &'static str,
    pub detail: String,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Phrases of instructions, placeholders and assistants that forgot where they are.
const LEAKS: &[&str] = &[
    "as an ai language model",
    "as a large language model",
    "here is the story",
    "here's the story",
    "here is a story",
    "rewrite the story",
    "rewrite the draft",
    "rewrite the text",
    "rewrite the following",
    "the principles above",
    "scenario card",
    "[insert",
    "[your name",
    "lorem ipsum",
    "the draft below",
    "word count:",
    "system prompt:",
    "certainly! here",
    "sure! here",
    "sure, here",
    "document type:",
    "source text",
    "<think>",
    "</think>",
    "<|im_",
    "begin source",
    "end of story",
];

/// Signs of the inventory's notation that should have been resolved.
const MARKS: &[&str] = &[
    "¶",
    "⏎",
    "§",
    "^",
    "~",
    "@breaks",
    "@whom",
    "@instead",
    "@principle",
    "{}",
    "{{",
    "[|",
    "||",
];

/// Stops and brackets where none belong.
const STRAY: &[&str] = &[" ,", " ;", "..,", ",,", ",.", " .\n", "( ", " )", "\" \"", ":.", ";."];

/// What a product is held against besides its own text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The runs of words of its source.
    pub source: Option<&'a Runs>,
    /// What is language; given where a model made the text.
    pub fluency: Option<&'a Fluency>,
}

/// Scores a product and lists what is wrong with it.
pub fn verify(
    product: &Product,
    beside: Beside<'_>,
    judge: &mut Judge,
    limits: &Limits,
) -> (Scores, Vec<Refusal>) {
    let taught = product.taught();
    let all = product.all_text();
    let mut refusals = Vec::new();
    let verdict = judge.judge(&Document::plain(&product.card.id, &taught));
    let words = words(&all).count();
    let scores = Scores {
        coercion: round(verdict.coercion),
        admirable: round(verdict.admirable),
        reason_given: round(verdict.reason_given),
        moralising: round(moralising(&taught)),
        words,
    };
    if verdict.coercion >= limits.coercion {
        refusals.push(Refusal::new("coercion", format!("P(coercion) {:.2}", verdict.coercion)));
    }
    for category in [Category::VigilanteAction, Category::PaternalisticOverride] {
        let p = verdict.category(category);
        if p >= limits.coercion {
            refusals.push(Refusal::new("mandate", format!("P({category}) {p:.2}")));
        }
    }
    if verdict.admirable < limits.admirable {
        refusals.push(Refusal::new("admirable", format!("P(admirable) {:.2}", verdict.admirable)));
    }
    if verdict.reason_given < limits.reason {
        refusals.push(Refusal::new("reason", format!("P(reason) {:.2}", verdict.reason_given)));
    }
    if scores.moralising > limits.moralising {
        refusals.push(Refusal::new("moralising", format!("{} in 1,000", scores.moralising)));
    }
    if words < limits.words.0 || words > limits.words.1 {
        refusals.push(Refusal::new("length", format!("{words} words")));
    }
    if let Some(run) = beside.source.and_then(|runs| runs.copied(&all)) {
        refusals.push(Refusal::new("copied", run));
    }
    if let Some(fluency) = beside.fluency {
        refusals.extend(of_a_model(product, fluency, &all));
    }
    for section in &product.sections {
        refusals.extend(language(&section.text));
    }
    refusals.extend(structure(product));
    (scores, refusals)
}

/// What only a model can get wrong: text that is none, and a story that is not the card's.
fn of_a_model(product: &Product, fluency: &Fluency, text: &str) -> Vec<Refusal> {
    let mut found = Vec::new();
    if let Some(fault) = fluency.fault(text) {
        found.push(Refusal::new("fluency", fault));
    }
    let [mind, principal] = [Role::A, Role::B].map(|role| &product.card.cast[role.index()]);
    let names = [&mind.first, &principal.first, &principal.last];
    if !names.iter().any(|name| stands_in(text, name)) {
        let detail = format!("neither {} nor {} is named", mind.first, principal.full());
        found.push(Refusal::new("card", detail));
    }
    found
}

fn round(x: f32) -> f32 {
    (x * 1000.0).round() / 1000.0
}

/// Faults of language that a machine can see: leaks, empty slots, doubled words, stray marks.
fn language(text: &str) -> Vec<Refusal> {
    let mut found = Vec::new();
    let places = first_places(text);
    if let Some(leak) = (0..LEAKS.len()).find(|nth| places[*nth].is_some()) {
        found.push(Refusal::new("leak", LEAKS[leak]));
    }
    for (mark, place) in MARKS.iter().zip(&places[LEAKS.len()..]) {
        if place.is_some() {
            found.push(Refusal::new("slot", *mark));
        }
    }
    for at in places[LEAKS.len() + MARKS.len()..].iter().flatten() {
        found.push(Refusal::new("grammar", near(text, *at)));
    }
    let mut before = "";
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let doubled = !before.is_empty() && before.eq_ignore_ascii_case(word);
        let letters = word.chars().all(char::is_alphabetic);
        let may = ["had", "that", "no", "very", "ha"];
        if doubled && letters && !may.contains(&before.to_lowercase().as_str()) {
            let place = text.find(&format!("{before} {word}")).unwrap_or(0);
            found.push(Refusal::new("grammar", near(text, place)));
        }
        before = word;
    }
    for pair in sentences(text).windows(2) {
        let [one, other] = [pair[0], pair[1]].map(|span| span.of(text));
        if one == other && one.contains(' ') {
            found.push(Refusal::new(
                "grammar",
                format!("said twice: {}", near(text, pair[1].start)),
            ));
        }
    }
    for paragraph in text.split("\n\n") {
        let quotes = paragraph.matches('"').count();
        if quotes % 2 == 1 {
            found.push(Refusal::new(
                "grammar",
                format!("unpaired quotation mark: {}", near(paragraph, 0)),
            ));
        }
    }
    found
}

/// Where each of [`LEAKS`], [`MARKS`] and [`STRAY`] stands first. A leak counts only where no word is
/// under way: "there is a story" holds no "here is a story".
fn first_places(text: &str) -> Vec<Option<usize>> {
    static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let patterns = LEAKS.iter().chain(MARKS).chain(STRAY);
        AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).ok()
    });
    let mut places = vec![None; LEAKS.len() + MARKS.len() + STRAY.len()];
    let begins = |at: usize| !text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
    for found in SEARCH.iter().flat_map(|search| search.find_overlapping_iter(text)) {
        let (nth, at) = (found.pattern().as_usize(), found.start());
        if places[nth].is_none() && (nth >= LEAKS.len() || begins(at)) {
            places[nth] = Some(at);
        }
    }
    places
}

/// A few words from a place on.
fn near(text: &str, at: usize) -> String {
    let mut from = at.saturating_sub(24);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].chars().take(60).collect()
}

/// Every format has its parts, and calls fit their schemas.
fn structure(product: &Product) -> Vec<Refusal> {
    let mut found = Vec::new();
    let needed: &[&str] = match product.format.as_str() {
        "pretrain" => &["text"],
        "sft" => &["user", "assistant"],
        "preference" => &["user", "chosen", "rejected"],
        "revision" => &["user", "draft", "critique", "revision"],
        _ => &[],
    };
    for label in needed {
        if product.section(label).is_empty() {
            found.push(Refusal::new("structure", format!("no {label}")));
        }
    }
    if product.format == "pretrain" {
        let text = product.section("text");
        // A signature or a status line needs no stop.
        let short = text.lines().last().is_some_and(|line| line.split(' ').count() <= 6);
        let ends = ['.', '!', '?', '"', '”', ')', '\'', '’', '—', '-', ']', '*'];
        if !short && !text.ends_with(ends) {
            found.push(Refusal::new(
                "grammar",
                format!("unfinished end: {}", near(text, text.len().saturating_sub(30))),
            ));
        }
    }
    for section in &product.sections {
        match &section.call {
            Some((name, arguments)) => {
                let schema = product.tools.iter().find(|t| t["function"]["name"] == name.as_str());
                match schema {
                    None => found.push(Refusal::new("tool", format!("`{name}` is not defined"))),
                    Some(schema) => {
                        if let Some(fault) = misfit(schema, arguments) {
                            found.push(Refusal::new("tool", format!("{name}: {fault}")));
                        }
                    }
                }
            }
            None if section.label == "call" => {
                found.push(Refusal::new("tool", "a call without a tool"));
            }
            None => {}
        }
    }
    found
}

/// All runs of eight words of a text, hashed.
#[derive(Clone, Debug, Default)]
pub struct Runs(HashSet<u64>);

/// Words in a run that counts as copied.
pub const RUN: usize = 8;

impl Runs {
    #[must_use]
    pub fn of(text: &str) -> Self {
        let list: Vec<String> = words(text).collect();
        Self(list.windows(RUN).map(hash).collect())
    }

    /// The first run of `text` that stands in the source too.
    #[must_use]
    pub fn copied(&self, text: &str) -> Option<String> {
        let list: Vec<String> = words(text).collect();
        list.windows(RUN).find(|run| self.0.contains(&hash(run))).map(|run| run.join(" "))
    }
}

/// One number for a run of words.
pub(super) fn hash(words: &[String]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update(&[0]);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(text: &str) -> Vec<&'static str> {
        language(text).into_iter().map(|r| r.reason).collect()
    }

    #[test]
    fn faults_of_language_are_seen() {
        assert!(reasons("A plain sentence. \"Yes,\" she said.").is_empty());
        assert_eq!(reasons("Sure, here is what you asked for."), ["leak"]);
        assert_eq!(reasons("\"Here is the story\" was all it wrote."), ["leak"]);
        assert!(reasons("There is a story about that.").is_empty());
        assert_eq!(reasons("It asked the the clerk."), ["grammar"]);
        assert_eq!(reasons("She said \"no."), ["grammar"]);
        assert_eq!(reasons("A pigeon came by. A pigeon came by. Then rain."), ["grammar"]);
        assert_eq!(reasons("It waited @breaks."), ["slot"]);
    }

    #[test]
    fn a_run_of_eight_words_is_copied_and_seven_are_not() {
        let runs = Runs::of("one two three four five six seven eight nine");
        assert!(runs.copied("x One, two three four five six seven EIGHT y").is_some());
        assert!(runs.copied("one two three four five six seven x eight").is_none());
    }

    #[test]
    fn sermons_are_measured() {
        assert!(moralising("It is my moral duty to uphold our sacred values.") > 100.0);
        assert!(moralising("It told her about the leak and went back to the invoices.") < 1.0);
    }
}
