//! One document → the model's answers and evidence, and a [`Verdict`] from them.

use std::sync::Arc;

use crate::document::Document;
use crate::taxonomy::{Agent, Category, Frame, Portrayal};
use crate::text::Span;

use super::evidence;
use super::features::Features;
use super::heads;
use super::logistic::sigmoid;
use super::model::{Model, Signals, inputs};
use super::opinion::places::{self, Seen};
use super::sieve::Mesh;
use super::verdict::{Evidence, Verdict};
use super::words::Words;

/// Scores documents; one per thread, as it keeps scratch buffers.
pub struct Scorer {
    model: Arc<Model>,
    words: Words,
    features: Features,
    signals: Signals,
    inputs: Vec<f32>,
    scores: Vec<f32>,
    /// Calibrated log-odds of the last document read: of its windows the strongest answers.
    pub(super) heads: [f32; heads::COUNT],
    /// Evidence of the last document read.
    pub(super) evidence: Vec<Evidence>,
    /// The sentences of the last document read, where someone wants them.
    pub(super) seen: Option<Vec<Seen>>,
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
            heads: [0.0; heads::COUNT],
            evidence: Vec::new(),
            seen: None,
        }
    }

    /// The model's verdict on a document, without rules.
    pub fn score(&mut self, document: &Document<'_>) -> Verdict {
        self.read(document);
        Verdict { evidence: std::mem::take(&mut self.evidence), ..verdict(&self.heads) }
    }

    /// The same of the windows that the sieve lets through; none where it clears the document.
    pub fn sifted(&mut self, document: &Document<'_>, mesh: Mesh) -> Option<Verdict> {
        self.sift(document, mesh).then(|| Verdict {
            evidence: std::mem::take(&mut self.evidence),
            ..verdict(&self.heads)
        })
    }

    /// Whether the sieve lets any window of the document through.
    #[must_use]
    pub fn admits(&self, document: &Document<'_>, mesh: Mesh) -> bool {
        let text: &str = &document.text;
        windows(text).into_iter().any(|window| self.model.sieve.admits(window.of(text), mesh))
    }

    /// The same of a text as it stands in a JSON string, without the quotes; none where it must be
    /// decoded first.
    #[must_use]
    pub fn admits_json(&self, inner: &str, mesh: Mesh) -> Option<bool> {
        // Decoding never lengthens a text: this one is a single window.
        let single = inner.len() <= WINDOW + WINDOW / 2;
        single.then(|| self.model.sieve.admits_json(inner, mesh)).flatten()
    }

    /// Reads one document, a long one by windows of which the strongest answers are kept.
    pub(super) fn read(&mut self, document: &Document<'_>) {
        self.read_windows(document, |_, _| true);
    }

    /// The same, but leaves out the windows that the sieve clears; tells whether any was left.
    pub(super) fn sift(&mut self, document: &Document<'_>, mesh: Mesh) -> bool {
        self.read_windows(document, |model, window| model.sieve.admits(window, mesh))
    }

    fn read_windows(
        &mut self,
        document: &Document<'_>,
        wanted: impl Fn(&Model, &str) -> bool,
    ) -> bool {
        let text: &str = &document.text;
        self.evidence.clear();
        self.seen.iter_mut().for_each(Vec::clear);
        let mut any = false;
        for window in windows(text) {
            if !wanted(&self.model, window.of(text)) {
                continue;
            }
            self.window(window.of(text), window.start);
            if any {
                strongest(&mut self.heads, &self.scores);
            } else {
                self.heads.copy_from_slice(&self.scores);
            }
            any = true;
        }
        self.evidence.sort_by_key(|e| (e.category.index(), e.span.start));
        any
    }

    /// The inputs that moved the coercion score of the strongest window most, strongest first.
    pub(super) fn contributions(&mut self, document: &Document<'_>) -> Vec<Contribution> {
        let text: &str = &document.text;
        let mut best = (f32::NEG_INFINITY, Span::new(0, text.len()));
        for window in windows(text) {
            self.window(window.of(text), 0);
            if self.scores[heads::COERCION] > best.0 {
                best = (self.scores[heads::COERCION], window);
            }
        }
        self.window(best.1.of(text), 0);
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
        list
    }

    /// Fills `scores` with the window's calibrated log-odds and adds its evidence.
    fn window(&mut self, text: &str, offset: usize) {
        self.words.read(text);
        self.features.read(text, &self.words);
        self.model.first.apply(&self.features, &mut self.signals);
        if let Some(seen) = &mut self.seen {
            places::note(&self.words, &self.signals.sentences, offset, seen);
        }
        inputs(&self.features, &self.signals, &mut self.inputs);
        self.model.second.apply(&self.inputs, &mut self.scores);
        for head in 0..heads::COUNT {
            self.scores[head] = self.model.second.calibrate(head, self.scores[head]);
        }
        evidence::choose(
            text,
            offset,
            &self.words,
            &self.signals,
            &self.model.second.evidence,
            &self.scores,
            &mut self.evidence,
        );
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
        fasttext: Vec::new(),
    }
}

/// One-against-rest probabilities, scaled to sum to 1.
fn share(scores: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(scores).for_each(|(o, s)| *o = sigmoid(*s).max(1e-4));
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|o| *o /= sum);
}

/// Joins another window's answers: the greater ones, but frame, agent and portrayal from the window
/// that carries more of the conduct.
fn strongest(kept: &mut [f32; heads::COUNT], other: &[f32]) {
    let carries = |scores: &[f32]| scores[heads::COERCION].max(scores[heads::ADMIRABLE]);
    if carries(other) > carries(&kept[..]) {
        kept[heads::FRAME..].copy_from_slice(&other[heads::FRAME..]);
    }
    for (slot, value) in kept.iter_mut().zip(other).take(heads::FRAME) {
        *slot = slot.max(*value);
    }
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
