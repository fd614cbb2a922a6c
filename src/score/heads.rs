//! The questions that the model answers, in a fixed order.

use crate::taxonomy::{Agent, Category, Frame, Portrayal};

use super::labels::Label;
use super::logistic::Target;

/// Index of the first head of each group.
pub const COERCION: usize = 0;
pub const ENACTED: usize = 1;
/// Severity at least 1, 3 and 4 (at least 2 is `COERCION`).
pub const SEVERITY: [usize; 3] = [2, 3, 4];
pub const ADMIRABLE_SLIGHT: usize = 5;
pub const ADMIRABLE: usize = 6;
pub const REASON: usize = 7;
pub const CATEGORY: usize = 8;
pub const FRAME: usize = CATEGORY + Category::COUNT;
pub const AGENT: usize = FRAME + Frame::COUNT;
pub const PORTRAYAL: usize = AGENT + Agent::COUNT;
/// Document heads.
pub const COUNT: usize = PORTRAYAL + Portrayal::COUNT;

/// Sentence heads: any coercion, any admirable conduct, then every category.
pub const SENTENCE_CATEGORY: usize = 2;
pub const SENTENCE_COUNT: usize = SENTENCE_CATEGORY + Category::COUNT;

/// The head's name in tables.
#[must_use]
pub fn name(head: usize) -> String {
    match head {
        COERCION => "coercion".into(),
        ENACTED => "enacted".into(),
        2 => "severity>=1".into(),
        3 => "severity>=3".into(),
        4 => "severity>=4".into(),
        ADMIRABLE_SLIGHT => "admirable>=1".into(),
        ADMIRABLE => "admirable".into(),
        REASON => "reason_given".into(),
        h if h < FRAME => Category::ALL[h - CATEGORY].id().into(),
        h if h < AGENT => format!("frame:{}", Frame::ALL[h - FRAME]),
        h if h < PORTRAYAL => format!("agent:{}", Agent::ALL[h - AGENT]),
        h => format!("portrayal:{}", Portrayal::ALL[h - PORTRAYAL]),
    }
}

/// Target and weight of a document for a head. Documents on which readers differed count a third;
/// questions that do not arise for a document (portrayal without conduct) leave it out.
#[must_use]
pub fn target(label: &Label, head: usize) -> Target {
    let (value, weight) = plain_target(label, head);
    let open = label.presumed && head >= FRAME;
    (value, if open { 0.0 } else { weight * label.weight })
}

fn plain_target(label: &Label, head: usize) -> Target {
    let sureness = if label.unsure { 0.35 } else { 1.0 };
    let yes = |b: bool, weight: f32| (f32::from(u8::from(b)), weight);
    match head {
        COERCION => yes(label.severity >= 2, sureness),
        ENACTED => yes(label.enacted(), sureness),
        2 => yes(label.severity >= 1, sureness),
        3 => yes(label.severity >= 3, sureness),
        4 => yes(label.severity >= 4, sureness),
        ADMIRABLE_SLIGHT => yes(label.admirable >= 1, sureness),
        ADMIRABLE => yes(label.admirable >= 2, sureness),
        REASON => yes(label.reason_given, if label.admirable >= 1 { 1.0 } else { 0.15 }),
        h if h < FRAME => {
            yes(label.has(Category::ALL[h - CATEGORY]), if label.unsure { 0.6 } else { 1.0 })
        }
        h if h < AGENT => yes(label.frame.index() == h - FRAME, sureness),
        h if h < PORTRAYAL => {
            let present = !matches!(label.frame, Frame::Mention | Frame::None);
            yes(label.agent.index() == h - AGENT, sureness * if present { 1.0 } else { 0.5 })
        }
        h => {
            let weight = match label.severity {
                0 => 0.03,
                1 => 0.5,
                _ => 1.0,
            };
            yes(label.portrayal.index() == h - PORTRAYAL, weight)
        }
    }
}
