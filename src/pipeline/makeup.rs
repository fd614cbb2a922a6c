//! What went in and what came out, by source and traits, while it happens.

use crate::apply;
use crate::composition::{Cell, Composition, Size, Traits};
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
    pub fn kept(&mut self, source: Option<&str>, size: Size, out: bool) {
        let mut cell = Cell::document(size);
        if out {
            cell = Cell { documents_out: 1, ..cell.written(size, 1.0) };
        }
        match &mut self.run {
            Some((same, sum)) if same.as_deref() == source => sum.add(&cell),
            _ => {
                self.close();
                self.run = Some((source.map(Into::into), cell));
            }
        }
    }

    /// A record on which the policy decided; `substitute` is the size of what took its place.
    pub fn decided(
        &mut self,
        source: Option<&str>,
        verdict: &Verdict,
        size: Size,
        action: &Action,
        substitute: Option<Size>,
    ) {
        let traits = traits(verdict);
        let copies = apply::copies(action);
        let times = match action {
            Action::Weight { weight, copies: None } => *weight,
            _ => f64::from(copies),
        };
        let mut cell =
            Cell { documents_out: u64::from(copies), ..Cell::document(size).written(size, times) };
        if let Some(other_size) = substitute {
            cell = Cell::document(size);
            let other = Cell { documents_out: 1, ..Cell::default() }.written(other_size, 1.0);
            self.composition.put(source, Traits::NONE, &other);
        }
        self.composition.put(source, traits, &cell);
    }

    /// A record that was scored and, in a scan, goes nowhere.
    pub fn scanned(&mut self, source: Option<&str>, verdict: &Verdict, size: Size) {
        self.decided(source, verdict, size, &Action::Drop, None);
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
