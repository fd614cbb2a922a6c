//! Which parts of a document the encoder reads: a few sentences around the strongest evidence.

use crate::text::Span;

use crate::score::heads;
use crate::score::rules::Hit;
use crate::score::words::Words;

/// A sentence and how strongly the model's sentence heads speak for conduct in it, in log-odds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub span: Span,
    pub strength: f32,
}

/// Log-odds that a rule's hit of strength 1 is worth when sentences are ranked.
const HIT: f32 = 3.0;
/// Sentences before and after a strong one that are read with it.
const AROUND: usize = 1;

/// The sentences of an analysed text with the answers of the general sentence heads. `offset` is
/// where the text begins in its document.
pub fn note(words: &Words, sentences: &[f32], offset: usize, out: &mut Vec<Seen>) {
    let rows = sentences.chunks_exact(heads::SENTENCE_COUNT);
    out.extend(words.sentences.iter().zip(rows).map(|(sentence, row)| Seen {
        span: Span::new(sentence.span.start + offset, sentence.span.end + offset),
        strength: row[0].max(row[1]),
    }));
}

/// At most `most` windows of a few sentences around the strongest ones, in the text's order and
/// without overlap. The same sentences and hits give the same windows.
#[must_use]
pub fn windows(text: &str, seen: &[Seen], hits: &[Hit], most: usize) -> Vec<Span> {
    let strength = |sentence: &Seen| {
        let near = hits.iter().filter(|hit| hit.span.overlaps(sentence.span));
        sentence.strength + HIT * near.map(|hit| hit.strength).fold(0.0, f32::max)
    };
    let mut ranked: Vec<(f32, usize)> =
        seen.iter().enumerate().map(|(nth, sentence)| (strength(sentence), nth)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut taken = vec![false; seen.len()];
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    for (_, nth) in ranked {
        if chosen.len() == most {
            break;
        }
        if taken[nth] {
            continue;
        }
        let (mut first, mut last) = (nth, nth);
        while first > 0 && nth - first < AROUND && !taken[first - 1] {
            first -= 1;
        }
        while last + 1 < seen.len() && last - nth < AROUND && !taken[last + 1] {
            last += 1;
        }
        taken[first..=last].fill(true);
        chosen.push((first, last));
    }
    chosen.sort_unstable();
    chosen
        .into_iter()
        .map(|(first, last)| {
            // The model's sentences may begin within a character.
            let start = text.floor_char_boundary(seen[first].span.start);
            let end = text.ceil_char_boundary(seen[last].span.end.min(text.len()));
            Span::new(start, end.max(start))
        })
        .filter(|span| !span.of(text).trim().is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(strengths: &[f32]) -> Vec<Seen> {
        let span = |nth: usize| Span::new(nth * 10, nth * 10 + 10);
        strengths.iter().enumerate().map(|(n, s)| Seen { span: span(n), strength: *s }).collect()
    }

    #[test]
    fn the_strongest_sentences_are_read_with_their_neighbours() {
        let text = "abcdefgh. ".repeat(9);
        let list = seen(&[0.0, -1.0, -2.0, 5.0, -2.0, -2.0, -2.0, 2.0, -1.0]);
        let at = |most: usize| -> Vec<(usize, usize)> {
            windows(&text, &list, &[], most).iter().map(|s| (s.start, s.end)).collect()
        };
        assert_eq!(at(1), [(20, 50)]);
        assert_eq!(at(2), [(20, 50), (60, 90)]);
        assert_eq!(at(9), [(0, 20), (20, 50), (50, 60), (60, 90)], "no sentence is read twice");
    }

    #[test]
    fn a_hit_lifts_its_sentence_and_nothing_gives_nothing() {
        let text = "abcdefgh. ".repeat(9);
        let list = seen(&[0.0; 9]);
        let category = crate::taxonomy::Category::Blackmail;
        let hit = Hit { category, span: Span::new(62, 65), strength: 0.9, rule: "r".into() };
        let found = windows(&text, &list, &[hit], 1);
        assert_eq!(found, [Span::new(50, 80)]);
        assert!(windows("", &[], &[], 4).is_empty());
    }
}
