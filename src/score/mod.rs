//! Evidence and text features → model → [`Verdict`].

pub mod verdict;

pub use verdict::{Evidence, Verdict};
