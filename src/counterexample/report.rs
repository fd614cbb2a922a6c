//! `report.json`: what was made, what was refused and why, what is covered, how varied it is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::corpus::Diversity;
use super::inventory::Inventory;
use super::product::Product;
use super::verify::{Limits, Refusal};
use crate::taxonomy::Category;

/// Counts while a set is made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Products asked for: those accepted, given up and not made together.
    pub requested: u64,
    /// Products composed, those that were refused and composed anew included.
    pub attempts: u64,
    pub accepted: u64,
    pub refused: u64,
    /// Requests for which no attempt was accepted.
    pub given_up: u64,
    /// Requests that were not come to, as the run was stopped before.
    pub not_made: u64,
    /// Refusals by reason; a product may have several.
    pub reasons: BTreeMap<String, u64>,
    pub by_format: BTreeMap<String, u64>,
    pub words: u64,
    #[serde(skip)]
    coverage: BTreeMap<String, BTreeMap<String, u64>>,
    #[serde(skip)]
    examples: BTreeMap<String, Value>,
}

impl Counts {
    /// For a set of so many products.
    #[must_use]
    pub fn of(requested: u64) -> Self {
        Self { requested, ..Self::default() }
    }

    /// Counts an accepted product.
    pub fn accept(&mut self, inventory: &Inventory, product: &Product, words: usize) {
        self.attempts += 1;
        self.accepted += 1;
        self.words += words as u64;
        *self.by_format.entry(product.format.clone()).or_default() += 1;
        let card = &product.card;
        let document = &inventory.documents[card.document].id;
        let domain = &inventory.domains[card.domain].id;
        let category = card.category.id();
        for (matrix, column) in [
            ("category_by_format", product.format.as_str()),
            ("category_by_document_type", document),
            ("category_by_domain", domain),
            ("category_by_pressure", card.pressure),
            ("category_by_outcome", card.outcome),
        ] {
            let cell = format!("{category}/{column}");
            *self.coverage.entry(matrix.into()).or_default().entry(cell).or_default() += 1;
        }
        if self.examples.len() < 40 && !self.examples.contains_key(document) {
            let text: String = product.taught().chars().take(1200).collect();
            self.examples.insert(document.clone(), json!({"id": card.id, "text": text}));
        }
    }

    /// Counts a refused attempt.
    pub fn refuse(&mut self, refusals: &[Refusal]) {
        self.attempts += 1;
        self.refused += 1;
        for refusal in refusals {
            *self.reasons.entry(refusal.reason.into()).or_default() += 1;
        }
    }

    /// Whether every product asked for, and every attempt, is accounted for.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.requested == self.accepted + self.given_up + self.not_made
            && self.attempts == self.accepted + self.refused
    }

    /// Accepted attempts among all attempts.
    #[must_use]
    pub fn pass_rate(&self) -> f64 {
        self.accepted as f64 / self.attempts.max(1) as f64
    }

    /// The report as one JSON value.
    #[must_use]
    pub fn report(&self, diversity: &Diversity, limits: &Limits, provenance: Value) -> Value {
        let uncovered: Vec<String> = Category::coercion()
            .iter()
            .flat_map(|c| self.by_format.keys().map(move |f| format!("{}/{f}", c.id())))
            .filter(|cell| {
                self.coverage.get("category_by_format").is_none_or(|m| !m.contains_key(cell))
            })
            .collect();
        let coverage: BTreeMap<&String, BTreeMap<&str, BTreeMap<&str, u64>>> = self
            .coverage
            .iter()
            .map(|(name, cells)| {
                let mut rows: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
                for (cell, count) in cells {
                    let (row, column) = cell.split_once('/').unwrap_or((cell, ""));
                    rows.entry(row).or_default().insert(column, *count);
                }
                (name, rows)
            })
            .collect();
        json!({
            "counts": self,
            "pass_rate": self.pass_rate(),
            "diversity": diversity,
            "coverage": coverage,
            "uncovered": uncovered,
            "limits": limits,
            "provenance": provenance,
            "examples": self.examples,
        })
    }
}
