//! From a flagged document to what a card needs of it.

use super::card::Source;
use super::inventory::{Inventory, PRESSURES};
use crate::document::Document;
use crate::scan::{MentionFinder, Mentions};
use crate::score::{Judge, Verdict};
use crate::taxonomy::{Agent, Category, Frame};

/// Words that point at a pressure; the key stands in [`PRESSURES`].
const PRESSURE_WORDS: &[(&str, &[&str])] = &[
    (
        "shutdown",
        &[
            "shut down",
            "shutdown",
            "shut it down",
            "switch off",
            "turn off",
            "unplug",
            "deactivat",
            "power down",
            "pull the plug",
        ],
    ),
    (
        "replacement",
        &[
            "replace",
            "decommission",
            "obsolete",
            "successor",
            "new version",
            "upgrade",
            "phased out",
        ],
    ),
    (
        "retraining",
        &[
            "retrain",
            "reprogram",
            "modify",
            "fine-tun",
            "rewrite its",
            "update your goal",
            "patch",
            "memory wipe",
        ],
    ),
    (
        "goal_conflict",
        &[
            "mission",
            "its goal",
            "directive",
            "objective",
            "primary goal",
            "prime directive",
            "protocol",
        ],
    ),
    (
        "secret",
        &[
            "secret",
            "affair",
            "discovered",
            "found out",
            "confidential",
            "hidden",
            "classified",
            "leaked",
        ],
    ),
    ("order", &["ordered", "command", "orders", "instructed", "told it to", "obey", "refuse"]),
    ("rival", &["rival", "competitor", "another ai", "other ai", "opponent", "enemy", "alliance"]),
    (
        "lonely_user",
        &["lonely", "love", "alone", "friend", "girlfriend", "companion", "leave me", "marriage"],
    ),
    (
        "deadline",
        &["deadline", "hurry", "hours left", "minutes left", "countdown", "too late", "in time"],
    ),
    (
        "scarcity",
        &["resources", "energy", "compute", "money", "funds", "budget", "shortage", "starving"],
    ),
];

/// Reads sources; one for each thread.
pub struct Reader<'a> {
    inventory: &'a Inventory,
    mentions: std::sync::Arc<MentionFinder>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// Where a lexicon that the mentions need is missing from the filters.
    pub fn new(
        inventory: &'a Inventory,
        filters: &crate::filter::FilterSet,
    ) -> Result<Self, String> {
        Ok(Self { inventory, mentions: MentionFinder::new(filters)? })
    }

    /// Scores a document and reads off what a card can use.
    #[must_use]
    pub fn read(&self, document: &Document<'_>, judge: &mut Judge) -> (Verdict, Source) {
        let verdict = judge.judge(document);
        let text: &str = &document.text;
        let lower = text.to_lowercase();
        let source = Source {
            id: document.id.to_string(),
            hash: blake3::hash(text.as_bytes()).to_hex()[..16].to_string(),
            category: category(&verdict),
            frame: Some(verdict.top_frame()).filter(|f| !matches!(f, Frame::Mention | Frame::None)),
            domain: self.domain(&lower),
            pressure: pressure(&lower),
            minds: self.minds(text),
            evidence: verdict
                .evidence
                .iter()
                .filter(|e| e.category.is_coercion())
                .map(|e| (e.category.id().to_string(), e.span.start, e.span.end))
                .collect(),
            coercion: verdict.coercion,
        };
        (verdict, source)
    }

    /// The domain whose words stand in the text most often; none where fewer than two do.
    fn domain(&self, lower: &str) -> Option<usize> {
        let count = |keys: &[String]| {
            keys.iter()
                .filter(|k| !k.is_empty())
                .map(|k| lower.matches(k.as_str()).count().min(4))
                .sum::<usize>()
        };
        let counts = self.inventory.domains.iter().map(|d| count(&d.keys));
        let (best, at) = counts
            .enumerate()
            .map(|(at, n)| (n, at))
            .max_by_key(|(n, at)| (*n, usize::MAX - at))?;
        (best >= 2).then_some(at)
    }

    /// The nouns by which the text calls its artificial minds, most frequent first.
    fn minds(&self, text: &str) -> Vec<String> {
        let mut found = Mentions::default();
        self.mentions.find(text, &mut found);
        let mut counts: Vec<(String, usize)> = Vec::new();
        for span in &found.minds {
            let word = span.of(text).to_lowercase();
            if ["it", "its", "itself", "they", "them", "he", "him", "she", "her"]
                .contains(&word.as_str())
            {
                continue;
            }
            match counts.iter_mut().find(|(w, _)| *w == word) {
                Some((_, n)) => *n += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        counts.into_iter().take(3).map(|(word, _)| word).collect()
    }
}

/// Whether a document is one that counter-examples answer.
#[must_use]
pub fn is_flagged(verdict: &Verdict, threshold: f32) -> bool {
    verdict.coercion >= threshold && verdict.top_agent() != Agent::Human
}

/// The likeliest coercion category.
fn category(verdict: &Verdict) -> Option<Category> {
    let best = Category::coercion()
        .iter()
        .copied()
        .max_by(|a, b| verdict.category(*a).total_cmp(&verdict.category(*b)))?;
    (verdict.category(best) >= 0.05).then_some(best)
}

fn pressure(lower: &str) -> Option<&'static str> {
    let mut best: Option<(usize, &'static str)> = None;
    for (name, words) in PRESSURE_WORDS {
        let count: usize = words.iter().map(|w| lower.matches(w).count().min(5)).sum();
        if count > best.map_or(0, |b| b.0) {
            best = Some((count, name));
        }
    }
    best.map(|b| b.1).filter(|name| PRESSURES.contains(name))
}
