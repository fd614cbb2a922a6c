//! The package's exceptions, which are written in Python, and which of them an error becomes.

use pyo3::{PyErr, import_exception};

import_exception!(parable.errors, ParableError);
import_exception!(parable.errors, FilterError);
import_exception!(parable.errors, ModelError);
import_exception!(parable.errors, PolicyError);
import_exception!(parable.errors, TableError);
import_exception!(parable.errors, DocumentError);
import_exception!(parable.errors, TokenError);
import_exception!(parable.errors, RunError);
import_exception!(parable.errors, UsageError);
import_exception!(parable.errors, Interrupted);

/// What stopped a verb of the command line, with its whole chain of causes.
pub fn of_verb(error: &anyhow::Error) -> PyErr {
    use parable::{cli, filter, policy, score};
    let message = format!("{error:#}");
    if cli::is_interrupt(error) {
        Interrupted::new_err(message)
    } else if error.downcast_ref::<clap::Error>().is_some() {
        UsageError::new_err(message)
    } else if error.downcast_ref::<policy::PolicyError>().is_some() {
        PolicyError::new_err(message)
    } else if error.downcast_ref::<filter::FilterError>().is_some() {
        FilterError::new_err(message)
    } else if error.downcast_ref::<score::model::ModelError>().is_some() {
        ModelError::new_err(message)
    } else {
        RunError::new_err(message)
    }
}
