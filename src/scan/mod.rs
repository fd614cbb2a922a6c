//! The gate over undecoded bytes.

pub mod gate;

pub use gate::{Gate, GateLevel};
