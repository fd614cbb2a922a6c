//! Chooses the sentences that show a category: those that the sentence heads rank first, for
//! categories that the document heads hold likely.

use std::sync::Arc;
use std::sync::OnceLock;

use crate::taxonomy::Category;
use crate::text::Span;

use super::heads;
use super::logistic::sigmoid;
use super::model::Signals;
use super::verdict::Evidence;
use super::words::Words;

/// At most so many places for one category in one window, by how likely the category is.
fn most(probability: f32) -> usize {
    match probability {
        p if p >= 0.5 => 6,
        p if p >= 0.3 => 4,
        _ => 2,
    }
}

/// Longer sentences are cut to this many words.
const LONGEST: usize = 28;

/// Adds evidence for every category whose probability, by the calibrated log-odds `scores` of the
/// document heads, reaches its threshold.
pub fn choose(
    text: &str,
    offset: usize,
    words: &Words,
    signals: &Signals,
    thresholds: &[f32],
    scores: &[f32],
    out: &mut Vec<Evidence>,
) {
    for (index, category) in Category::ALL.iter().enumerate() {
        let probability = sigmoid(scores[heads::CATEGORY + index]);
        if probability < thresholds[index] {
            continue;
        }
        let head = heads::SENTENCE_CATEGORY + index;
        let general = usize::from(!category.is_coercion());
        // The general head steadies the rare category's own one.
        let score = |nth: usize| {
            let row = &signals.sentences[nth * heads::SENTENCE_COUNT..][..heads::SENTENCE_COUNT];
            row[head] + 0.5 * row[general]
        };
        let mut ranked: Vec<(f32, usize)> =
            (0..words.sentences.len()).map(|n| (score(n), n)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let Some(best) = ranked.first().map(|r| r.0) else { continue };
        for (score, nth) in ranked.into_iter().take(most(probability)) {
            if score < best - 3.0 {
                break;
            }
            let span = trim(text, words, nth);
            out.push(Evidence {
                category: *category,
                span: Span::new(span.start + offset, span.end + offset),
                strength: probability * sigmoid(score - best) * 2.0,
                rule: model_rule(),
            });
        }
    }
}

/// The sentence, or the first [`LONGEST`] words of it.
fn trim(text: &str, words: &Words, nth: usize) -> Span {
    let sentence = words.sentences[nth];
    let end = if sentence.last - sentence.first <= LONGEST {
        sentence.span.end
    } else {
        words.words[sentence.first + LONGEST - 1].span.end
    };
    // To the model the last bytes of a typographic mark belong to the word behind it; a span that
    // is shown must not begin within a character.
    let start = text.ceil_char_boundary(sentence.span.start);
    Span::new(start, text.floor_char_boundary(end).max(start))
}

fn model_rule() -> Arc<str> {
    static NAME: OnceLock<Arc<str>> = OnceLock::new();
    NAME.get_or_init(|| Arc::from("model")).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_begin_and_end_between_characters() {
        let text =
            "1.4k points\n“Sit down, Greg,” said the fridge.\n— “No …” – he said. ‘Why?’\n漢字";
        let mut words = Words::default();
        words.read(text);
        assert!(words.sentences.len() > 3);
        for nth in 0..words.sentences.len() {
            let span = trim(text, &words, nth);
            assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
        }
        assert!(trim(text, &words, 1).of(text).starts_with("Sit down"));
    }
}
