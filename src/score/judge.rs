//! The whole way from a document to its verdict: the model first, and the rules where the model
//! sees a reason to look.

use std::sync::Arc;

use crate::document::Document;
use crate::filter::FilterSet;
use crate::scan::{GateLevel, Scanner};

use super::heads;
use super::logistic::sigmoid;
use super::rules;
use super::scorer::verdict;
use super::sieve::Mesh;
use super::{Contribution, Model, Scorer, Verdict};

/// Where the model holds both coercion and admirable conduct less likely than this, the rules are
/// not run: hits could not carry such a document to any usual threshold.
pub const LOOK: f32 = 0.05;

/// Judges documents; one per thread, as it keeps scratch buffers.
pub struct Judge {
    model: Arc<Model>,
    filters: Arc<FilterSet>,
    scorer: Scorer,
    scanner: Scanner,
}

impl Judge {
    #[must_use]
    pub fn new(model: Arc<Model>, filters: Arc<FilterSet>) -> Self {
        let (scorer, scanner) = (Scorer::new(model.clone()), Scanner::new(filters.clone()));
        Self { model, filters, scorer, scanner }
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
            scorer: Scorer::new(self.model.clone()),
            scanner: self.scanner.fork(),
        }
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

    /// The verdict, and what moved the coercion score most, strongest first.
    pub fn explain(&mut self, document: &Document<'_>) -> (Verdict, Vec<Contribution>) {
        let mut list = self.scorer.contributions(document);
        self.scorer.read(document);
        let verdict = self.finish(document);
        if looks(&self.scorer.heads) {
            let hits = rules::hits(self.scanner.scan(document), &self.filters);
            let strengths = rules::strengths(&hits);
            let value = strengths.own[heads::COERCION];
            let weight = self.model.second.worth(heads::COERCION, &strengths);
            if weight.abs() > 0.01 {
                list.push(Contribution { name: "rules".into(), value, weight });
                list.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
            }
        }
        (verdict, list)
    }

    fn finish(&mut self, document: &Document<'_>) -> Verdict {
        let evidence = std::mem::take(&mut self.scorer.evidence);
        if !looks(&self.scorer.heads) {
            return Verdict { evidence, ..verdict(&self.scorer.heads) };
        }
        let hits = rules::hits(self.scanner.scan(document), &self.filters);
        let mut scores = self.scorer.heads;
        self.model.second.raise(&mut scores, &rules::strengths(&hits));
        let mut verdict = Verdict { evidence, ..verdict(&scores) };
        rules::attach(&mut verdict, &hits, &self.model.second.evidence);
        verdict
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
