//! Python bindings: what is said in Python types here is decided in the crate `parable`.
//!
//! [`filters`] scores texts and tables, [`verdict`] shows the answer, [`policy`] decides, [`tokens`]
//! masks, [`command`] runs the verbs of the command line within the process, [`arrow`] takes tables
//! in and gives them back without copying. The interpreter lock is given up wherever texts are read.

mod arrow;
mod command;
mod errors;
mod filters;
mod policy;
mod tokens;
mod verdict;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::command::{call, command};
    #[pymodule_export]
    use crate::filters::FilterSet;
    #[pymodule_export]
    use crate::policy::{Decision, Policy};
    #[pymodule_export]
    use crate::tokens::{TokenMask, Tokenizer};
    #[pymodule_export]
    use crate::verdict::{Evidence, Verdict};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Runs `work` without the interpreter lock.
fn unlocked<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    py.detach(work)
}
