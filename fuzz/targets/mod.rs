//! What is fuzzed: each target takes any bytes and panics where a promise does not hold.
//!
//! The bodies stand apart from libFuzzer so that two things can run them: the fuzzers under
//! `fuzz/fuzz_targets`, which look for new inputs, and `tests/fuzz.rs`, which gives every target its
//! seeds and small changes of them in each run of the tests.

mod blocks;
mod definitions;
mod edits;
mod gates;
mod pages;
mod records;

pub use blocks::{blocks, damaged_blocks};
pub use definitions::{policies, rules};
pub use edits::edits;
pub use gates::gates;
pub use pages::pages;
pub use records::{attributes, chats, json_lines};

/// The name of a target and its body.
#[allow(dead_code, reason = "a fuzzer is made for one of them")]
pub type Target = (&'static str, fn(&[u8]));

/// Every target by name.
#[allow(dead_code, reason = "a fuzzer is made for one of them")]
pub const ALL: &[Target] = &[
    ("json_lines", json_lines),
    ("chats", chats),
    ("attributes", attributes),
    ("rules", rules),
    ("policies", policies),
    ("blocks", blocks),
    ("damaged_blocks", damaged_blocks),
    ("edits", edits),
    ("pages", pages),
    ("gates", gates),
];

/// The greatest character boundary that is not above `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
