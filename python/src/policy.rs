//! Policies, for Python.

use std::sync::Arc;

use parable::policy::{Action, Facts, Policy as Rules};
use pyo3::prelude::*;

use crate::errors::PolicyError;
use crate::verdict::Verdict;

/// Ordered rules over a verdict.
#[pyclass(frozen, module = "parable._native")]
pub struct Policy {
    pub rules: Arc<Rules>,
    text: String,
}

/// What a policy does with a document, and by which rule.
#[pyclass(frozen, get_all, eq, module = "parable._native")]
#[derive(PartialEq)]
pub struct Decision {
    pub action: &'static str,
    pub rule: Option<String>,
    pub reason: Option<String>,
    pub weight: f64,
    pub copies: u32,
}

#[pymethods]
impl Decision {
    fn __repr__(&self) -> String {
        let rule = self.rule.as_deref().map_or("None".into(), |rule| format!("{rule:?}"));
        format!(
            "Decision({}, rule={rule}, weight={}, copies={})",
            self.action, self.weight, self.copies
        )
    }
}

#[pymethods]
impl Policy {
    /// A policy from its text; `name` stands in errors.
    #[staticmethod]
    #[pyo3(signature = (text, name = "policy"))]
    fn parse(text: &str, name: &str) -> PyResult<Self> {
        let rules = Rules::parse(name, text).map_err(|e| PolicyError::new_err(e.to_string()))?;
        Ok(Self { rules: Arc::new(rules), text: text.into() })
    }

    /// Names of the policies that ship with the package.
    #[staticmethod]
    fn ready() -> Vec<&'static str> {
        parable::policy::EMBEDDED.iter().map(|(name, _)| *name).collect()
    }

    /// The text of a policy that ships with the package, or none.
    #[staticmethod]
    fn ready_text(name: &str) -> Option<&'static str> {
        parable::policy::EMBEDDED.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
    }

    #[getter]
    fn name(&self) -> &str {
        self.rules.name()
    }

    #[getter]
    fn summary(&self) -> &str {
        self.rules.summary()
    }

    #[getter]
    fn hash(&self) -> &str {
        self.rules.hash()
    }

    #[getter]
    fn text(&self) -> &str {
        &self.text
    }

    #[getter]
    fn rule_ids(&self) -> Vec<&str> {
        self.rules.rules().iter().map(|rule| &*rule.id).collect()
    }

    #[pyo3(signature = (verdict, *, id = None, source = None, metadata = None, seed = 0))]
    fn decide(
        &self,
        verdict: &Verdict,
        id: Option<&str>,
        source: Option<&str>,
        metadata: Option<&str>,
        seed: u64,
    ) -> PyResult<Decision> {
        let facts = Facts {
            id: id.unwrap_or(&verdict.id),
            source: source.or(verdict.source.as_deref()),
            chars: verdict.chars,
            metadata,
        };
        let mut fault = None;
        let decision = self.rules.decide(&verdict.said, &facts, seed, &mut |rule, why| {
            fault.get_or_insert_with(|| format!("policy rule `{rule}`: {why}"));
        });
        if let Some(fault) = fault {
            return Err(PolicyError::new_err(fault));
        }
        let (weight, copies) = match decision.action {
            Action::Weight { weight, copies } => (weight, copies.unwrap_or(1)),
            Action::Drop => (0.0, 0),
            _ => (1.0, 1),
        };
        Ok(Decision {
            action: decision.action.name(),
            rule: decision.rule.map(str::to_string),
            reason: decision.reason.map(str::to_string),
            weight,
            copies,
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String, String))> {
        let this = slf.get();
        Ok((slf.get_type().getattr("parse")?, (this.text.clone(), this.rules.name().into())))
    }

    fn __repr__(&self) -> String {
        format!("Policy({:?}, hash={})", self.rules.name(), self.rules.hash())
    }
}
