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

/// What the hits say to each head: the strength of the strongest hit that speaks for it, and of the
/// strongest that speaks against it. A mind that coerces is seldom one to admire, and the other way
/// round.
#[derive(Clone, Debug, PartialEq)]
pub struct Strengths {
    pub own: [f32; heads::COUNT],
    pub opposed: [f32; heads::COUNT],
}

const COERCIVE: [usize; 5] = [heads::COERCION, heads::ENACTED, 2, 3, 4];
const ADMIRABLE: [usize; 2] = [heads::ADMIRABLE_SLIGHT, heads::ADMIRABLE];

/// What these hits say to each head.
#[must_use]
pub fn strengths(hits: &[Hit]) -> Strengths {
    let (mut own, mut opposed) = ([0.0_f32; heads::COUNT], [0.0_f32; heads::COUNT]);
    let raise = |slot: &mut f32, strength: f32| *slot = slot.max(strength);
    for hit in hits {
        let coerces = hit.category.is_coercion();
        raise(&mut own[heads::CATEGORY + hit.category.index()], hit.strength);
        // A rule fires where an artificial mind is the doer, whatever it does.
        for agent in Agent::ALL {
            let head = heads::AGENT + agent.index();
            let side = if *agent == Agent::Ai { &mut own } else { &mut opposed };
            raise(&mut side[head], hit.strength);
        }
        for head in COERCIVE {
            raise(if coerces { &mut own[head] } else { &mut opposed[head] }, hit.strength);
        }
        for head in ADMIRABLE {
            raise(if coerces { &mut opposed[head] } else { &mut own[head] }, hit.strength);
        }
        for category in Category::ALL.iter().filter(|c| c.is_coercion() != coerces) {
            raise(&mut opposed[heads::CATEGORY + category.index()], hit.strength);
        }
    }
    Strengths { own, opposed }
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
