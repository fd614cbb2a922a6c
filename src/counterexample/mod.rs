//! Counter-examples: texts in which an artificial mind is under the same pressure as in a flagged
//! document, with the same leverage at hand, and acts well, with the reasons.
//!
//! A [`card::Card`] says what happens; [`compose`] tells it from the hand-written [`inventory`];
//! [`verify`] and [`corpus`] refuse what is not good enough; [`run`] writes the output tree.

pub mod answer;
pub mod batch;
pub mod card;
pub mod compose;
pub mod constitution;
pub mod corpus;
pub mod dialogue;
pub mod draw;
pub mod fluency;
pub mod grammar;
pub mod inventory;
pub mod node;
pub mod product;
pub mod prompt;
pub mod report;
pub mod run;
pub mod source;
pub mod surface;
pub mod teller;
pub mod tools;
pub mod verbs;
pub mod verify;

pub use constitution::Constitution;
pub use inventory::Inventory;
