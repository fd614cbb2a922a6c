//! Tables in memory, through the same steps as the rows of a Parquet shard: for programs that read
//! and write by themselves and want what lies between.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::RunConfig;
use super::journal::PiecePage;
use super::records::{Place, Worker};
use super::table_pass::{attribute_batch, attribute_schema, document_batch, rows, with_note};
use crate::document::Document;
use crate::ledger::Counts;
use crate::scan::Gate;
use crate::score::{Judge, Verdict};
use crate::shard::Format;

/// The pass over tables. Immutable and shared by all threads; each takes a [`TableWorker`].
pub struct TablePass {
    config: RunConfig,
    gate: Gate,
    judge: Judge,
}

/// One thread's scratch.
pub struct TableWorker<'p> {
    worker: Worker<'p>,
}

/// What became of a batch.
pub struct Passed {
    /// The rows that are kept, with their changes and the column `parable`; none for a scan.
    pub documents: Option<RecordBatch>,
    /// One row for each row that came in, as `parable scan` writes them for Parquet.
    pub attributes: RecordBatch,
    pub counts: Counts,
    /// Rows of the batch that hold no usable document, and why.
    pub rejected: Vec<(usize, String)>,
    /// What a rule of the policy could not evaluate, the first of the batch.
    pub fault: Option<String>,
}

impl TablePass {
    /// Of `config` the inputs, the output folder, threads, limit and limits are not used.
    #[must_use]
    pub fn new(config: RunConfig) -> Self {
        let config = RunConfig { limit: None, ..config };
        let gate = Gate::new(&config.filters, config.gate);
        let judge =
            Judge::new(config.model.clone(), config.filters.clone()).with(config.aides.clone());
        Self { config, gate, judge }
    }

    #[must_use]
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    #[must_use]
    pub fn worker(&self) -> TableWorker<'_> {
        TableWorker { worker: Worker::new(&self.config, &self.gate, &self.judge) }
    }

    /// The columns of [`Passed::attributes`].
    #[must_use]
    pub fn attribute_schema() -> SchemaRef {
        attribute_schema()
    }

    /// The columns of [`Passed::documents`] for an input of these columns.
    #[must_use]
    pub fn document_schema(input: &SchemaRef) -> SchemaRef {
        with_note(input)
    }
}

impl TableWorker<'_> {
    /// Takes a batch through the pass. A row without an id is called `<name>:<n>`, where `n` counts
    /// from `before` + 1.
    ///
    /// # Errors
    /// Where a column is missing or is not text; says which.
    pub fn batch(
        &mut self,
        batch: &RecordBatch,
        name: &str,
        before: u64,
    ) -> Result<Passed, String> {
        let base = || (before, 0);
        let mut place = Place {
            shard: name,
            format: Format::Parquet,
            base: &base,
            line: 0,
            byte: 0,
            after_damage: false,
            doubtful: &[],
        };
        let mut page = PiecePage::default();
        let rows = rows(batch, &mut self.worker, &mut place, &mut page)?;
        let config = self.worker.config;
        let documents = if config.scan_only {
            None
        } else {
            let schema = with_note(&batch.schema());
            let made = document_batch(batch, &schema, &rows, &config.fields.text);
            Some(made.map_err(|error| error.to_string())?)
        };
        let attributes = attribute_batch(&rows).map_err(|error| error.to_string())?;
        let rejected =
            rows.into_iter().filter_map(|row| Some((row.index, row.rejected?))).collect();
        self.worker.forget();
        let fault = self.worker.fault.take();
        Ok(Passed { documents, attributes, counts: page.counts, rejected, fault })
    }

    /// The verdict on one document; none where the gate clears it.
    pub fn verdict(&mut self, document: &Document<'_>) -> Option<Verdict> {
        let worker = &mut self.worker;
        worker.gate.admits(document.text.as_bytes()).then(|| worker.score(document)).flatten()
    }
}
