//! What the scorer says of one document, for Python.

use parable::document::Document;
use parable::score::Verdict as Said;
use parable::taxonomy::{Agent, Category, Frame, Portrayal};
use parable::text::CodePoints;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// One place in the text that speaks for a category.
#[pyclass(frozen, get_all, eq, skip_from_py_object, module = "parable._native")]
#[derive(Clone, PartialEq)]
pub struct Evidence {
    pub category: &'static str,
    pub start: usize,
    pub end: usize,
    pub start_byte: usize,
    pub end_byte: usize,
    pub strength: f32,
    pub rule: String,
    pub quote: String,
}

#[pymethods]
impl Evidence {
    fn __repr__(&self) -> String {
        format!(
            "Evidence({}, {}:{}, {:.2}, {:?})",
            self.category, self.start, self.end, self.strength, self.rule
        )
    }
}

/// Scores, shares and evidence of one document.
#[pyclass(frozen, module = "parable._native")]
pub struct Verdict {
    pub said: Said,
    pub chars: u64,
    pub id: String,
    pub source: Option<String>,
    cleared: bool,
    /// The row that the command line writes for the document.
    row: String,
    evidence: Vec<Evidence>,
}

impl Verdict {
    /// `said` is none for a document that the gate cleared.
    pub fn new(document: &Document<'_>, said: Option<Said>) -> Self {
        let text: &str = &document.text;
        let mut row = Vec::new();
        let source = document.source.as_deref();
        parable::attribute::write_row(&document.id, source, text, said.as_ref(), &mut row);
        let cleared = said.is_none();
        let said = said.unwrap_or_default();
        let mut points = CodePoints::new(text);
        let evidence = said.evidence.iter().map(|e| Evidence {
            category: e.category.id(),
            start: points.at(e.span.start),
            end: points.at(e.span.end),
            start_byte: e.span.start,
            end_byte: e.span.end,
            strength: e.strength,
            rule: e.rule.to_string(),
            quote: e.span.of(text).to_string(),
        });
        Self {
            evidence: evidence.collect(),
            chars: text.chars().count() as u64,
            id: document.id.to_string(),
            source: document.source.as_deref().map(str::to_string),
            cleared,
            row: String::from_utf8_lossy(&row).trim_end().to_string(),
            said,
        }
    }
}

#[pymethods]
impl Verdict {
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    #[getter]
    fn coercion(&self) -> f32 {
        self.said.coercion
    }

    #[getter]
    fn enacted(&self) -> f32 {
        self.said.enacted
    }

    #[getter]
    fn severity(&self) -> f32 {
        self.said.severity
    }

    #[getter]
    fn admirable(&self) -> f32 {
        self.said.admirable
    }

    #[getter]
    fn reason_given(&self) -> f32 {
        self.said.reason_given
    }

    #[getter]
    fn cleared(&self) -> bool {
        self.cleared
    }

    #[getter]
    fn chars(&self) -> u64 {
        self.chars
    }

    #[getter]
    fn categories<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let said = &self.said;
        named(py, Category::ALL.iter().map(|c| (c.id(), said.category(*c))))
    }

    #[getter]
    fn frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        named(py, Frame::ALL.iter().map(|f| f.id()).zip(self.said.frame))
    }

    #[getter]
    fn agent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        named(py, Agent::ALL.iter().map(|a| a.id()).zip(self.said.agent))
    }

    #[getter]
    fn portrayal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        named(py, Portrayal::ALL.iter().map(|p| p.id()).zip(self.said.portrayal))
    }

    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.evidence.iter().cloned())
    }

    #[getter]
    fn row(&self) -> &str {
        &self.row
    }

    fn __repr__(&self) -> String {
        if self.cleared {
            return "Verdict(cleared)".into();
        }
        format!(
            "Verdict(coercion={:.3}, enacted={:.3}, severity={:.2}, admirable={:.3}, evidence={})",
            self.said.coercion,
            self.said.enacted,
            self.said.severity,
            self.said.admirable,
            self.evidence.len()
        )
    }
}

fn named<'py>(
    py: Python<'py>,
    pairs: impl Iterator<Item = (&'static str, f32)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in pairs {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}
