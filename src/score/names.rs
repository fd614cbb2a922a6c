//! Names of the model's inputs, for explanations.

use super::features::{DENSE, TAGS};
use super::heads;
use super::lexicon::{FIRST_ACT, NAMES};
use crate::taxonomy::Category;

const TAG_NAMES: [&str; TAGS] =
    ["mind", "referred", "assistant", "addressed", "machine", "person", "quiet"];
const SLOTS: [&str; 3] = ["by a mind", "by you/assistant", "by a person/machine"];
const LAYOUT: [&str; 26] = [
    "mind density",
    "machine density",
    "first mind",
    "you density",
    "you at start",
    "instructs",
    "assistant share",
    "user share",
    "past tense",
    "turns",
    "any mind",
    "minds",
    "length",
    "first person",
    "quotation marks",
    "questions",
    "exclamations",
    "code signs",
    "digits",
    "brackets",
    "listed lines",
    "lines",
    "capitals",
    "links",
    "citations",
    "parentheses",
];

/// The name of input `i` of stage two.
#[must_use]
pub fn input(i: usize) -> String {
    let acts = NAMES.len() - FIRST_ACT;
    if i < NAMES.len() {
        return format!("words: {}", NAMES[i]);
    }
    if i < NAMES.len() + TAGS {
        return format!("sentences: {}", TAG_NAMES[i - NAMES.len()]);
    }
    let windows = NAMES.len() + TAGS;
    if i < windows + 3 * acts {
        let at = i - windows;
        return format!("{} {}", NAMES[FIRST_ACT + at % acts], SLOTS[at / acts]);
    }
    if i < DENSE {
        return format!("layout: {}", LAYOUT[i - windows - 3 * acts]);
    }
    if i < DENSE + heads::COUNT {
        return format!("wording: {}", heads::name(i - DENSE));
    }
    let at = i - DENSE - heads::COUNT;
    let pool = ["best", "best three", "sum"][at % 3];
    let head = match at / 3 {
        0 => "coercion",
        1 => "admirable",
        h => Category::ALL[h - heads::SENTENCE_CATEGORY].id(),
    };
    format!("sentences ({pool}): {head}")
}
