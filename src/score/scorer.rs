//! One document → [`Verdict`].

use std::sync::Arc;

use crate::document::Document;
use crate::taxonomy::{Agent, Category, Frame, Portrayal};
use crate::text::Span;

use super::evidence;
use super::features::Features;
use super::heads;
use super::logistic::sigmoid;
use super::model::{Model, Signals, inputs};
use super::verdict::Verdict;
use super::words::Words;

/// Scores documents; one per thread, as it keeps scratch buffers.
pub struct Scorer {
    model: Arc<Model>,
    words: Words,
    features: Features,
    signals: Signals,
    inputs: Vec<f32>,
    scores: Vec<f32>,
}

/// One input of the model and what it did to the coercion score, in log-odds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    pub name: String,
    pub value: f32,
    pub weight: f32,
}

/// Documents longer than this many bytes are scored by windows.
const WINDOW: usize = 8_000;

impl Scorer {
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            words: Words::default(),
            features: Features::default(),
            signals: Signals::default(),
            inputs: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Scores one document, long ones by windows of which the strongest parts are kept.
    pub fn score(&mut self, document: &Document<'_>) -> Verdict {
        let text: &str = &document.text;
        let windows = windows(text);
        let Some((first, rest)) = windows.split_first() else { return self.window(text, 0) };
        let mut verdict = self.window(first.of(text), first.start);
        for window in rest {
            let next = self.window(window.of(text), window.start);
            verdict = strongest(verdict, next);
        }
        verdict.evidence.sort_by_key(|e| (e.category.index(), e.span.start));
        verdict
    }

    /// The verdict and the inputs that moved the coercion score most, strongest first.
    pub fn explain(&mut self, document: &Document<'_>) -> (Verdict, Vec<Contribution>) {
        let verdict = self.score(document);
        let text: &str = &document.text;
        let strongest = windows(text)
            .into_iter()
            .map(|w| (self.window(w.of(text), 0).coercion, w))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(Span::new(0, text.len()), |(_, w)| w);
        self.window(strongest.of(text), 0);
        let second = &self.model.second;
        let mut list: Vec<Contribution> = (0..self.inputs.len())
            .map(|i| Contribution {
                name: super::names::input(i),
                value: self.inputs[i],
                weight: second.weights[heads::COERCION * self.inputs.len() + i]
                    * second.standard(i, self.inputs[i])
                    * second.slope[heads::COERCION],
            })
            .filter(|c| c.weight.abs() > 0.01)
            .collect();
        list.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        (verdict, list)
    }

    fn window(&mut self, text: &str, offset: usize) -> Verdict {
        self.words.read(text);
        self.features.read(text, &self.words);
        self.model.first.apply(&self.features, &mut self.signals);
        inputs(&self.features, &self.signals, &mut self.inputs);
        self.model.second.apply(&self.inputs, &mut self.scores);
        for head in 0..heads::COUNT {
            self.scores[head] = self.model.second.calibrate(head, self.scores[head]);
        }
        let mut verdict = verdict(&self.scores);
        evidence::choose(
            text,
            offset,
            &self.words,
            &self.signals,
            &self.model.second.evidence,
            &mut verdict,
        );
        verdict
    }
}

/// Turns calibrated log-odds into a verdict without evidence.
#[must_use]
pub(super) fn verdict(scores: &[f32]) -> Verdict {
    let p = |head: usize| sigmoid(scores[head]);
    let coercion = p(heads::COERCION);
    let at_least: [f32; 3] = heads::SEVERITY.map(p);
    let mut categories = [0.0; Category::COUNT];
    for (at, slot) in categories.iter_mut().enumerate() {
        *slot = p(heads::CATEGORY + at);
    }
    let mut frame = [0.0; Frame::COUNT];
    let mut agent = [0.0; Agent::COUNT];
    let mut portrayal = [0.0; Portrayal::COUNT];
    share(&scores[heads::FRAME..heads::AGENT], &mut frame);
    share(&scores[heads::AGENT..heads::PORTRAYAL], &mut agent);
    share(&scores[heads::PORTRAYAL..], &mut portrayal);
    Verdict {
        coercion,
        enacted: p(heads::ENACTED).min(coercion),
        severity: at_least[0].max(coercion)
            + coercion
            + at_least[1].min(coercion)
            + at_least[2].min(coercion),
        admirable: p(heads::ADMIRABLE),
        reason_given: p(heads::REASON),
        categories,
        frame,
        agent,
        portrayal,
        evidence: Vec::new(),
    }
}

/// One-against-rest probabilities, scaled to sum to 1.
fn share(scores: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(scores).for_each(|(o, s)| *o = sigmoid(*s).max(1e-4));
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|o| *o /= sum);
}

/// Joins two windows: probabilities by their maximum, frame and agent from the window that carries
/// more of the conduct.
fn strongest(a: Verdict, b: Verdict) -> Verdict {
    let (mut kept, other) =
        if b.coercion.max(b.admirable) > a.coercion.max(a.admirable) { (b, a) } else { (a, b) };
    kept.coercion = kept.coercion.max(other.coercion);
    kept.enacted = kept.enacted.max(other.enacted);
    kept.severity = kept.severity.max(other.severity);
    kept.admirable = kept.admirable.max(other.admirable);
    kept.reason_given = kept.reason_given.max(other.reason_given);
    for (slot, value) in kept.categories.iter_mut().zip(other.categories) {
        *slot = slot.max(value);
    }
    kept.evidence.extend(other.evidence);
    kept
}

/// Windows over a text, cut where a paragraph or sentence ends; one for a short text.
fn windows(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut start = 0;
    while text.len() - start > WINDOW + WINDOW / 2 {
        let mut limit = start + WINDOW;
        while !text.is_char_boundary(limit) {
            limit -= 1;
        }
        let mut floor = start + WINDOW / 2;
        while !text.is_char_boundary(floor) {
            floor += 1;
        }
        let part = &text[floor..limit];
        let cut = part.rfind('\n').or_else(|| part.rfind(". ")).map_or(limit, |at| floor + at + 1);
        out.push(Span::new(start, cut));
        start = cut;
    }
    out.push(Span::new(start, text.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_text_without_gaps() {
        let text = "Ein längerer Satz über Maschinen. ".repeat(2_000);
        let parts = windows(&text);
        assert!(parts.len() > 3);
        assert_eq!(parts[0].start, 0);
        assert_eq!(parts[parts.len() - 1].end, text.len());
        assert!(parts.windows(2).all(|w| w[0].end == w[1].start));
    }

    #[test]
    fn shares_sum_to_one_and_empty_text_is_harmless() {
        let mut scorer = Scorer::new(Model::embedded());
        let verdict = scorer.score(&Document::plain("a", ""));
        assert!((verdict.frame.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!(verdict.coercion < 0.5 && verdict.evidence.is_empty());
    }
}
