//! What the answers to single questions say to the two that matter most.
//!
//! The heads of the categories see what the head of coercion does not: that *some* kind of it is there.
//! The probability that at least one is, as if they were independent, ranks held-out documents better
//! than the head's own answer, and both together better still. Likewise conduct that is enacted is
//! coercion in a text whose frame enacts. Both mixtures are fitted on held-out answers.

use crate::taxonomy::{Category, Frame};

use super::heads;
use super::labels::Label;
use super::logistic::{Rows, Target, fit, sigmoid};

/// Numbers of a blend in a model file.
pub const NUMBERS: usize = 7;
/// Log-odds beyond which no answer is taken at its word.
const SUREST: f32 = 9.0;

/// Weights of the mixtures: for coercion its own head, any category, and an offset; for enacted
/// conduct its own head, the blended coercion, the logarithm of the frames' share, and an offset.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend(pub [f32; NUMBERS]);

impl Default for Blend {
    /// Changes nothing.
    fn default() -> Self {
        Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    }
}

impl Blend {
    /// Puts the mixtures in the place of the two heads' log-odds.
    pub fn apply(&self, scores: &mut [f32]) {
        let Self([own, any, offset, enacted, coercion, frame, shift]) = self;
        scores[heads::COERCION] = own * scores[heads::COERCION] + any * of_any(scores) + offset;
        scores[heads::ENACTED] = enacted * scores[heads::ENACTED]
            + coercion * scores[heads::COERCION]
            + frame * enacting(scores)
            + shift;
    }

    /// Fits both mixtures on calibrated answers that were given without having seen the document.
    #[must_use]
    pub fn fit(judged: &[(&Label, Vec<f32>)]) -> Self {
        let mut blend = Self::default();
        let target = |head: usize| {
            let of = move |(label, _): &(&Label, Vec<f32>)| heads::target(label, head);
            judged.iter().map(of).collect::<Vec<Target>>()
        };
        let mut rows = Rows::new(2);
        for (_, scores) in judged {
            rows.push((0..).zip([scores[heads::COERCION], of_any(scores)]));
        }
        let line = fit(&rows, &target(heads::COERCION), PENALTY, ITERATIONS);
        let weight = |w: f32| w.max(0.0);
        blend.0[..3].copy_from_slice(&[
            weight(line.weights[0]),
            weight(line.weights[1]),
            line.bias,
        ]);
        let mut rows = Rows::new(3);
        for (_, scores) in judged {
            let mut blended = scores.clone();
            blend.apply(&mut blended);
            let inputs = [scores[heads::ENACTED], blended[heads::COERCION], enacting(scores)];
            rows.push((0..).zip(inputs));
        }
        let line = fit(&rows, &target(heads::ENACTED), PENALTY, ITERATIONS);
        let [own, coercion, frame] = [0, 1, 2].map(|nth| weight(line.weights[nth]));
        blend.0[3..].copy_from_slice(&[own, coercion, frame, line.bias]);
        blend
    }
}

const PENALTY: f32 = 0.01;
const ITERATIONS: usize = 60;

/// Log-odds that a document shows at least one kind of coercion.
fn of_any(scores: &[f32]) -> f32 {
    let kinds = Category::ALL.iter().filter(|category| category.is_coercion());
    let none: f32 = kinds.map(|c| 1.0 - sigmoid(scores[heads::CATEGORY + c.index()])).product();
    ((1.0 - none) / none.max(1e-9)).max(1e-9).ln().clamp(-SUREST, SUREST)
}

/// Logarithm of the share of the frames in which conduct is enacted.
fn enacting(scores: &[f32]) -> f32 {
    let of = |frame: &Frame| sigmoid(scores[heads::FRAME + frame.index()]).max(1e-4);
    let all: f32 = Frame::ALL.iter().map(of).sum();
    let enacted: f32 = Frame::ALL.iter().filter(|f| f.is_enacted()).map(of).sum();
    (enacted / all).max(1e-4).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_fit_nothing_changes_and_kinds_add_up() {
        let mut scores: Vec<f32> = (0..heads::COUNT).map(|n| n as f32 * 0.1 - 2.0).collect();
        let before = scores.clone();
        Blend::default().apply(&mut scores);
        assert_eq!(scores, before);
        let quiet = vec![-6.0; heads::COUNT];
        let mut one = quiet.clone();
        one[heads::CATEGORY + Category::Blackmail.index()] = 1.0;
        assert!(of_any(&quiet) < -3.0 && of_any(&one) > 0.9);
        assert!(enacting(&quiet) < 0.0);
    }
}
