//! Token counts and loss masks, for Python.

use parable::text::Span;
use parable::tokens::{self, TokenMask as Masked};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::TokenError;
use crate::unlocked;

/// A Hugging Face tokenizer.
#[pyclass(frozen, module = "parable._native")]
pub struct Tokenizer {
    inner: tokens::Tokenizer,
}

/// The tokens of a text and whether each is learned from.
#[pyclass(frozen, module = "parable._native")]
pub struct TokenMask {
    masked: Masked,
    offsets: Vec<(usize, usize)>,
}

#[pymethods]
impl Tokenizer {
    /// From the bytes of a `tokenizer.json`; `name` stands in errors.
    #[staticmethod]
    #[pyo3(signature = (data, name = "tokenizer.json"))]
    fn from_bytes(py: Python<'_>, data: &[u8], name: &str) -> PyResult<Self> {
        unlocked(py, || tokens::Tokenizer::from_bytes(name, data))
            .map(|inner| Self { inner })
            .map_err(|error| TokenError::new_err(error.to_string()))
    }

    fn count(&self, py: Python<'_>, text: &str) -> PyResult<usize> {
        unlocked(py, || self.inner.count(text))
            .map_err(|error| TokenError::new_err(error.to_string()))
    }

    /// Masks the tokens that share a character with one of `spans`, in code points.
    fn mask(&self, py: Python<'_>, text: &str, spans: Vec<(usize, usize)>) -> PyResult<TokenMask> {
        let starts: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let spans: Vec<Span> = spans
            .into_iter()
            .map(|(start, end)| match (starts.get(start), starts.get(end)) {
                (Some(from), Some(to)) if from <= to => Ok(Span::new(*from, *to)),
                _ => Err(PyValueError::new_err(format!(
                    "the span {start}..{end} does not lie in a text of {} characters",
                    starts.len() - 1
                ))),
            })
            .collect::<PyResult<_>>()?;
        unlocked(py, || {
            let found = self.inner.encode(text)?;
            let point = |byte: usize| starts.partition_point(|start| *start < byte);
            let offsets = found
                .iter()
                .map(|token| (point(token.span.start), point(token.span.end)))
                .collect();
            Ok(TokenMask { masked: tokens::mask(found, &spans), offsets })
        })
        .map_err(|error: tokens::TokenError| TokenError::new_err(error.to_string()))
    }
}

#[pymethods]
impl TokenMask {
    #[getter]
    fn ids(&self) -> Vec<u32> {
        self.masked.tokens.iter().map(|token| token.id).collect()
    }

    #[getter]
    fn learn(&self) -> Vec<bool> {
        self.masked.learn.clone()
    }

    #[getter]
    fn offsets(&self) -> Vec<(usize, usize)> {
        self.offsets.clone()
    }

    #[getter]
    fn labels(&self) -> Vec<i64> {
        tokens::export::labels(&self.masked)
    }

    fn __len__(&self) -> usize {
        self.masked.tokens.len()
    }

    fn __repr__(&self) -> String {
        format!("TokenMask({} tokens, {} learned)", self.masked.tokens.len(), self.masked.learned())
    }
}
