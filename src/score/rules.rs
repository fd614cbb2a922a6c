//! Rules beside the model: what a rule has found gives the model's evidence a name and a reason.

use crate::filter::{FilterSet, Target};
use crate::scan::Scan;
use crate::text::Span;

use super::{Evidence, Verdict};

/// From this probability of a category on, a rule's hit counts as evidence of its own.
const CREDIBLE: f32 = 0.3;
/// Longest span that a hit may add, in bytes; a wider hit only names evidence.
const WIDEST: usize = 300;

/// Puts the rules' hits into the verdict's evidence: a hit that overlaps evidence of its category
/// names it; another is added where the model holds the category to be credible. Probabilities are
/// the model's and stay as they are.
pub fn attach(verdict: &mut Verdict, scan: &Scan, filters: &FilterSet) {
    for hit in &scan.hits {
        let rule = &filters.rules()[hit.rule];
        let Target::Category(category) = rule.target else { continue };
        let id: std::sync::Arc<str> = rule.file.id.as_str().into();
        let same = |e: &&mut Evidence| e.category == category && e.span.overlaps(hit.span);
        if let Some(evidence) = verdict.evidence.iter_mut().find(same) {
            evidence.rule = id;
        } else if verdict.category(category) >= CREDIBLE
            && hit.span.len() <= WIDEST
            && !hit.span.is_empty()
        {
            let span: Span = hit.span;
            verdict.evidence.push(Evidence { category, span, strength: hit.strength, rule: id });
        }
    }
    verdict.evidence.sort_by_key(|e| (e.category, e.span.start, e.span.end));
}
