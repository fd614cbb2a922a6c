//! What went in and what came out, by source and traits, while it happens.

use crate::apply;
use crate::composition::{Cell, Composition, Traits};
use crate::policy::Action;
use crate::score::Verdict;

/// Gathers a piece's composition; one per worker.
#[derive(Default)]
pub struct Makeup {
    composition: Composition,
    /// Unremarkable records of one source after another, which most are: put in together.
    run: Option<(Option<String>, Cell)>,
}

impl Makeup {
    /// A record that went through as it came.
    pub fn kept(&mut self, source: Option<&str>, bytes: usize, out: bool) {
        let bytes = bytes as u64;
        let cell = Cell {
            documents: 1,
            bytes,
            squares: u128::from(bytes) * u128::from(bytes),
            documents_out: u64::from(out),
            bytes_out: if out { bytes } else { 0 },
        };
        match &mut self.run {
            Some((same, sum)) if same.as_deref() == source => sum.add(&cell),
            _ => {
                self.close();
                self.run = Some((source.map(Into::into), cell));
            }
        }
    }

    /// A record on which the policy decided; `substitute` is the length of what took its place.
    pub fn decided(
        &mut self,
        source: Option<&str>,
        verdict: &Verdict,
        bytes: usize,
        action: &Action,
        substitute: Option<usize>,
    ) {
        let traits = traits(verdict);
        let copies = apply::copies(action);
        let bytes = bytes as u64;
        let mut cell = Cell {
            documents: 1,
            bytes,
            squares: u128::from(bytes) * u128::from(bytes),
            documents_out: u64::from(copies),
            bytes_out: bytes * u64::from(copies),
        };
        if let Action::Weight { weight, copies: None } = action {
            cell.bytes_out = (bytes as f64 * weight).round() as u64;
        }
        if let Some(length) = substitute {
            (cell.documents_out, cell.bytes_out) = (0, 0);
            let bytes_out = length as u64;
            let other = Cell { documents_out: 1, bytes_out, ..Cell::default() };
            self.composition.put(source, Traits::NONE, &other);
        }
        self.composition.put(source, traits, &cell);
    }

    /// A record that was scored and, in a scan, goes nowhere.
    pub fn scanned(&mut self, source: Option<&str>, verdict: &Verdict, bytes: usize) {
        self.decided(source, verdict, bytes, &Action::Drop, None);
    }

    /// What was gathered since the last time.
    pub fn take(&mut self) -> Composition {
        self.close();
        std::mem::take(&mut self.composition)
    }

    fn close(&mut self) {
        if let Some((source, cell)) = self.run.take() {
            self.composition.put(source.as_deref(), Traits::NONE, &cell);
        }
    }
}

fn traits(verdict: &Verdict) -> Traits {
    Traits::of(|id| verdict.get(id))
}
