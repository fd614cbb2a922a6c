//! What a run may spend.

use std::sync::{Mutex, PoisonError};

/// Tokens of a request and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: u64,
    pub answer: u64,
}

/// The most that may be spent; nothing limits where nothing is given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ceiling {
    /// Tokens of prompts and answers together.
    pub tokens: Option<u64>,
    /// Cost in the currency of `price`.
    pub cost: Option<f64>,
    /// Price of a million tokens of prompts, and of answers.
    pub price: Option<(f64, f64)>,
}

/// Counts what was spent and what requests under way may come to.
#[derive(Debug)]
pub struct Budget {
    ceiling: Ceiling,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spent: Tokens,
    reserved: Tokens,
}

/// Whether a request may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Granted,
    /// Not while others are under way, which may need less than is set aside for them.
    Wait,
    /// Never: it could take the run over its ceiling.
    Exhausted,
}

impl Tokens {
    fn plus(self, other: Self) -> Self {
        Self { prompt: self.prompt + other.prompt, answer: self.answer + other.answer }
    }
}

impl Budget {
    #[must_use]
    pub fn new(ceiling: Ceiling) -> Self {
        Self { ceiling, state: Mutex::default() }
    }

    /// Sets aside what a request may need.
    pub fn reserve(&self, need: Tokens) -> Grant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.allows(state.spent.plus(need)) {
            return Grant::Exhausted;
        }
        if !self.allows(state.spent.plus(state.reserved).plus(need)) {
            return Grant::Wait;
        }
        state.reserved = state.reserved.plus(need);
        Grant::Granted
    }

    /// Gives back what was set aside and counts what was used.
    pub fn settle(&self, reserved: Tokens, used: Tokens) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserved.prompt = state.reserved.prompt.saturating_sub(reserved.prompt);
        state.reserved.answer = state.reserved.answer.saturating_sub(reserved.answer);
        state.spent = state.spent.plus(used);
    }

    #[must_use]
    pub fn spent(&self) -> Tokens {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).spent
    }

    /// What was spent, where there is a price.
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        self.ceiling.price.map(|price| cost(price, self.spent()))
    }

    fn allows(&self, tokens: Tokens) -> bool {
        let Ceiling { tokens: most, cost: dearest, price } = self.ceiling;
        most.is_none_or(|most| tokens.prompt + tokens.answer <= most)
            && dearest.is_none_or(|most| price.is_none_or(|price| cost(price, tokens) <= most))
    }
}

fn cost((prompt, answer): (f64, f64), tokens: Tokens) -> f64 {
    (prompt * tokens.prompt as f64 + answer * tokens.answer as f64) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: Tokens = Tokens { prompt: 40, answer: 20 };

    #[test]
    fn requests_wait_for_each_other_and_end_at_the_ceiling() {
        let budget = Budget::new(Ceiling { tokens: Some(100), ..Ceiling::default() });
        assert_eq!(budget.reserve(ASK), Grant::Granted);
        assert_eq!(budget.reserve(ASK), Grant::Wait);
        budget.settle(ASK, Tokens { prompt: 30, answer: 5 });
        assert_eq!(budget.reserve(ASK), Grant::Granted);
        budget.settle(ASK, ASK);
        assert_eq!(budget.reserve(ASK), Grant::Exhausted);
        assert_eq!(budget.spent(), Tokens { prompt: 70, answer: 25 });
    }

    #[test]
    fn a_price_makes_a_cost() {
        let price = Some((1.0, 10.0));
        let ceiling = Ceiling { cost: Some(0.000_3), price, ..Ceiling::default() };
        let budget = Budget::new(ceiling);
        assert_eq!(budget.reserve(ASK), Grant::Granted);
        budget.settle(ASK, ASK);
        assert!(budget.cost().is_some_and(|c| (c - 0.000_24).abs() < 1e-9));
        assert_eq!(budget.reserve(ASK), Grant::Exhausted);
    }
}
