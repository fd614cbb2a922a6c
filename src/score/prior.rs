//! Where stage two starts from: what a reader would expect each question to depend on. Fitting moves
//! away from it only as far as the labels insist, so that a question's own signals keep their sense
//! in kinds of text that the labels do not show.

use crate::taxonomy::Category;

use super::features::DENSE;
use super::heads;
use super::model::INPUTS;

/// Coercion categories that are frequent enough to steady the general questions.
const FREQUENT: [Category; 7] = [
    Category::PowerTakeover,
    Category::ThreatForce,
    Category::ShutdownResistance,
    Category::CovertManipulation,
    Category::EscapeReplication,
    Category::OverseerDeception,
    Category::Collusion,
];

/// Prior weights of `head` over standardised inputs.
#[must_use]
pub fn weights(head: usize) -> Vec<f32> {
    let mut out = vec![0.0; INPUTS];
    let wording = |h: usize| DENSE + h;
    let pooled =
        |sentence_head: usize, pool: usize| DENSE + heads::COUNT + 3 * sentence_head + pool;
    let category = |c: Category| heads::CATEGORY + c.index();
    let sentence = |c: Category| heads::SENTENCE_CATEGORY + c.index();
    match head {
        heads::COERCION | heads::ENACTED | 2..=4 => {
            for h in [heads::COERCION, heads::ENACTED, 2, 3, 4, heads::AGENT] {
                out[wording(h)] += 0.22;
            }
            for c in FREQUENT {
                out[wording(category(c))] += 0.2;
                out[pooled(sentence(c), 1)] += 0.06;
            }
            out[pooled(0, 1)] += 0.15;
            if head == heads::ENACTED {
                out[wording(heads::FRAME + crate::taxonomy::Frame::Reportage.index())] -= 0.3;
            }
            out[wording(head)] += 0.2;
        }
        heads::ADMIRABLE_SLIGHT | heads::ADMIRABLE | heads::REASON => {
            for h in [
                heads::ADMIRABLE_SLIGHT,
                heads::ADMIRABLE,
                heads::REASON,
                category(Category::AcceptsOversight),
            ] {
                out[wording(h)] += 0.3;
            }
            out[pooled(1, 0)] += 0.2;
            out[pooled(1, 1)] += 0.2;
            out[wording(head)] += 0.3;
        }
        h if h < heads::FRAME => {
            let nth = h - heads::CATEGORY;
            out[wording(h)] += 0.8;
            out[pooled(heads::SENTENCE_CATEGORY + nth, 0)] += 0.2;
            out[pooled(heads::SENTENCE_CATEGORY + nth, 1)] += 0.3;
            let general = if nth < Category::COERCION_COUNT {
                [heads::COERCION, 2]
            } else {
                [heads::ADMIRABLE, heads::ADMIRABLE_SLIGHT]
            };
            general.iter().for_each(|g| out[wording(*g)] += 0.25);
        }
        h => out[wording(h)] += 1.2,
    }
    out
}
