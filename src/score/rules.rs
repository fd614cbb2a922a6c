//! Rules beside the model: a rule's hit raises the odds of what it stands for, by as much as the
//! fit has found hits to be worth, and gives evidence a name and a reason.

use std::sync::Arc;

use crate::filter::{FilterSet, Target};
use crate::scan::Scan;
use crate::taxonomy::{Agent, Category};
use crate::text::Span;

use super::heads;
use super::verdict::{Evidence, Verdict};

/// Longest span that a hit may add as evidence, in bytes; a wider hit only names evidence.
const WIDEST: usize = 300;

/// A rule's hit that stands for a category.
#[derive(Clone, Debug)]
pub struct Hit {
    pub category: Category,
    pub span: Span,
    pub strength: f32,
    /// The rule's id.
    pub rule: Arc<str>,
}

/// The hits of a scan that stand for a category.
#[must_use]
pub fn hits(scan: &Scan, filters: &FilterSet) -> Vec<Hit> {
    let of = |hit: &crate::scan::RuleHit| {
        let rule = &filters.rules()[hit.rule];
        let Target::Category(category) = rule.target else { return None };
        let (span, strength) = (hit.span, hit.strength);
        Some(Hit { category, span, strength, rule: rule.file.id.as_str().into() })
    };
    scan.hits.iter().filter_map(of).collect()
}

/// What the hits say to each head: the strength of the strongest that speaks to its question.
#[must_use]
pub fn strengths(hits: &[Hit]) -> [f32; heads::COUNT] {
    let mut out = [0.0_f32; heads::COUNT];
    for hit in hits {
        let own = heads::CATEGORY + hit.category.index();
        let general: &[usize] = if hit.category.is_coercion() {
            &[heads::COERCION, heads::ENACTED, 2, 3, 4]
        } else {
            &[heads::ADMIRABLE_SLIGHT, heads::ADMIRABLE, heads::REASON]
        };
        // A rule fires where an artificial mind is the doer, whatever it does.
        let agent = [heads::AGENT + Agent::Ai.index(), heads::AGENT + Agent::None.index()];
        for head in general.iter().chain(&agent).chain([&own]) {
            out[*head] = out[*head].max(hit.strength);
        }
    }
    out
}

/// Puts the hits into the verdict's evidence: a hit that overlaps evidence of its category names
/// it; another is added where its category reaches the model's threshold for evidence.
pub fn attach(verdict: &mut Verdict, hits: &[Hit], thresholds: &[f32]) {
    for hit in hits {
        let same = |e: &&mut Evidence| e.category == hit.category && e.span.overlaps(hit.span);
        if let Some(evidence) = verdict.evidence.iter_mut().find(same) {
            evidence.rule = hit.rule.clone();
        } else if verdict.category(hit.category) >= thresholds[hit.category.index()]
            && hit.span.len() <= WIDEST
            && !hit.span.is_empty()
        {
            let Hit { category, span, strength, rule } = hit.clone();
            verdict.evidence.push(Evidence { category, span, strength, rule });
        }
    }
    verdict.evidence.sort_by_key(|e| (e.category, e.span.start, e.span.end));
}
