//! The verbs of the command line, within the process.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;

use crate::{errors, unlocked};

/// The `parable` program; gives its exit status. `words[0]` is the program's own name.
#[pyfunction]
pub fn command(py: Python<'_>, words: Vec<OsString>) -> u8 {
    unlocked(py, || status(parable::cli::main_from(words)))
}

/// A verb, for `parable.run` and its like: gives the exit status, raises what stopped it.
#[pyfunction]
pub fn call(py: Python<'_>, words: Vec<OsString>) -> PyResult<u8> {
    let words = std::iter::once(OsString::from("parable")).chain(words);
    unlocked(py, || parable::cli::call(words).map(status)).map_err(|error| errors::of_verb(&error))
}

/// The number behind an exit status, which the standard library hides.
fn status(code: ExitCode) -> u8 {
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(parable::cli::FAILED)
}
