//! The whole way from a document to its verdict: the model first, and the rules where the model
//! sees a reason to look.

use std::sync::Arc;

use crate::document::Document;
use crate::filter::FilterSet;
use crate::scan::{GateLevel, Scanner, Wanted};

use super::fasttext::Classifier;
use super::heads;
use super::logistic::sigmoid;
use super::opinion::{Opinion, places};
use super::rules;
use super::scorer::verdict;
use super::sieve::Mesh;
use super::{Contribution, Model, Scorer, Verdict};

/// Where the model holds both coercion and admirable conduct less likely than this, the rules are
/// not run: hits could not carry such a document to any usual threshold.
pub const LOOK: f32 = 0.05;

/// What is asked besides model and rules, where a user wants it.
#[derive(Clone, Default)]
pub struct Aides {
    /// A sentence encoder's opinion on documents of which the model is not sure.
    pub opinion: Option<Arc<Opinion>>,
    /// A classifier whose labels stand beside the verdict.
    pub classifier: Option<Arc<Classifier>>,
}

impl Aides {
    /// What the outputs depend on, by the name under which a run's books keep it.
    #[must_use]
    pub fn versions(&self) -> Vec<(&'static str, String)> {
        let opinion = self.opinion.as_ref().map(|o| ("encoder", o.version()));
        let classifier = self.classifier.as_ref().map(|c| ("fasttext", c.version().to_owned()));
        opinion.into_iter().chain(classifier).collect()
    }
}

/// Judges documents; one per thread, as it keeps scratch buffers.
pub struct Judge {
    model: Arc<Model>,
    filters: Arc<FilterSet>,
    aides: Aides,
    scorer: Scorer,
    scanner: Scanner,
}

impl Judge {
    #[must_use]
    pub fn new(model: Arc<Model>, filters: Arc<FilterSet>) -> Self {
        let scanner = Scanner::only(filters.clone(), Wanted::Categories);
        let scorer = Scorer::new(model.clone());
        Self { model, filters, aides: Aides::default(), scorer, scanner }
    }

    /// The same judge with others to ask.
    #[must_use]
    pub fn with(mut self, aides: Aides) -> Self {
        self.scorer.seen = aides.opinion.is_some().then(Vec::new);
        self.aides = aides;
        self
    }

    /// Model and filters that the program carries.
    #[must_use]
    pub fn embedded() -> Self {
        Self::new(Model::embedded(), FilterSet::embedded().clone())
    }

    /// Another judge for another thread: what is compiled is shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            model: self.model.clone(),
            filters: self.filters.clone(),
            aides: Aides::default(),
            scorer: Scorer::new(self.model.clone()),
            scanner: self.scanner.fork(),
        }
        .with(self.aides.clone())
    }

    /// The verdict on a document.
    pub fn judge(&mut self, document: &Document<'_>) -> Verdict {
        self.scorer.read(document);
        self.finish(document)
    }

    /// The verdict at a level of the gate; none where the sieve finds nothing worth scoring.
    pub fn sift(&mut self, document: &Document<'_>, level: GateLevel) -> Option<Verdict> {
        match mesh(level) {
            Some(mesh) => self.scorer.sift(document, mesh).then(|| self.finish(document)),
            None => Some(self.judge(document)),
        }
    }

    /// Whether the sieve finds anything worth scoring in the document.
    #[must_use]
    pub fn admits(&self, document: &Document<'_>, level: GateLevel) -> bool {
        mesh(level).is_none_or(|mesh| self.scorer.admits(document, mesh))
    }

    /// The same of a text as it stands between the quotes of a JSON string; none where it must be
    /// decoded first.
    #[must_use]
    pub fn admits_json(&self, inner: &str, level: GateLevel) -> Option<bool> {
        mesh(level).map_or(Some(true), |mesh| self.scorer.admits_json(inner, mesh))
    }

    /// The verdict, and what moved the coercion score most, strongest first.
    pub fn explain(&mut self, document: &Document<'_>) -> (Verdict, Vec<Contribution>) {
        let mut list = self.scorer.contributions(document);
        self.scorer.read(document);
        let (verdict, moved) = self.weigh(document);
        list.extend(moved.into_iter().filter(|c| c.weight.abs() > 0.01));
        list.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        (verdict, list)
    }

    fn finish(&mut self, document: &Document<'_>) -> Verdict {
        self.weigh(document).0
    }

    /// The verdict on the document that was read, and how far rules and encoder moved the coercion
    /// score.
    fn weigh(&mut self, document: &Document<'_>) -> (Verdict, Vec<Contribution>) {
        let text: &str = &document.text;
        let mut scores = self.scorer.heads;
        let mut moved = Vec::new();
        let mut step = |name: &str, value: f32, weight: f32| {
            moved.push(Contribution { name: name.into(), value, weight });
        };
        let mut hits = Vec::new();
        let looked = looks(&scores);
        if looked {
            hits = rules::hits(self.scanner.scan(document), &self.filters);
            let strengths = rules::strengths(&hits);
            self.model.second.raise(&mut scores, &strengths);
            let worth = self.model.second.worth(heads::COERCION, &strengths);
            step("rules", strengths.own[heads::COERCION], worth);
        }
        let before = scores[heads::COERCION];
        self.model.second.blend.apply(&mut scores);
        step("categories", scores[heads::COERCION], scores[heads::COERCION] - before);
        if let (Some(opinion), Some(seen)) = (&self.aides.opinion, &self.scorer.seen)
            && opinion.wanted(&scores)
        {
            let before = scores[heads::COERCION];
            let windows = places::windows(text, seen, &hits, opinion.most_windows());
            opinion.revise(text, &windows, &mut scores);
            step("encoder", windows.len() as f32, scores[heads::COERCION] - before);
        }
        let evidence = std::mem::take(&mut self.scorer.evidence);
        let mut verdict = Verdict { evidence, ..verdict(&scores) };
        if looked {
            rules::attach(&mut verdict, &hits, &self.model.second.evidence);
        }
        if let Some(classifier) = &self.aides.classifier {
            verdict.fasttext = classifier.classify(text);
        }
        (verdict, moved)
    }
}

/// Whether the rules are worth running, by the calibrated log-odds of a reading.
#[must_use]
pub fn looks(scores: &[f32]) -> bool {
    sigmoid(scores[heads::COERCION]) >= LOOK || sigmoid(scores[heads::ADMIRABLE]) >= LOOK
}

/// The sieve behind a level of the gate.
#[must_use]
pub fn mesh(level: GateLevel) -> Option<Mesh> {
    match level {
        GateLevel::Named | GateLevel::Fast => Some(Mesh::Coarse),
        GateLevel::Wide => Some(Mesh::Fine),
        GateLevel::Off => None,
    }
}
