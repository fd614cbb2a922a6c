//! Evidence and text features → model → [`Verdict`].

mod blend;
pub mod calibration;
mod clusters;
mod evidence;
pub mod fasttext;
pub mod features;
mod flat;
pub mod heads;
pub mod judge;
pub mod labels;
pub mod lexicon;
pub mod logistic;
pub mod model;
pub mod names;
pub mod opinion;
mod packed;
mod prior;
pub mod referee;
pub mod rules;
pub mod scorer;
pub mod sieve;
mod slots;
pub mod train;
pub mod verdict;
pub mod words;

pub use judge::{Aides, Judge};
pub use model::Model;
pub use scorer::{Contribution, Scorer};
pub use verdict::{Evidence, Verdict};
