//! The gate over undecoded bytes, and the rules over documents that it lets through.

mod atoms;
pub mod gate;
mod mentions;
mod pairs;
mod rules;
pub mod windows;

pub use atoms::Wanted;
pub use gate::{Gate, GateLevel};
pub use mentions::{MentionFinder, Mentions};
pub use rules::{RuleHit, Scan, Scanner};
