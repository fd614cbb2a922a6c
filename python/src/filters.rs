//! Filters and model, loaded once: scores texts and tables, applies policies to tables.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_pyarrow::{PyArrowType, Table};
use parable::document::Document;
use parable::filter::FilterSet as Filters;
use parable::ledger::Counts;
use parable::pipeline::{Passed, RunConfig, TablePass};
use parable::policy::Policy as Rules;
use parable::scan::GateLevel;
use parable::score::Model;
use parable::shard::{FieldPaths, Limits, Record};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::errors::{self, DocumentError, ParableError, PolicyError, TableError};
use crate::policy::Policy;
use crate::verdict::Verdict;
use crate::{arrow, unlocked};

/// Most rows that one thread takes at a time.
const MOST_ROWS: usize = 1024;
/// Policies whose compiled pass is kept.
const PASSES: usize = 4;

/// How a filter set was loaded: what a copy in another process repeats.
#[derive(Clone)]
struct Options {
    path: Option<String>,
    model: Option<String>,
    gate: String,
    threads: usize,
    text_field: String,
    id_field: String,
    source_field: String,
}

/// The definitions and the fitted model, ready to score. Immutable; safe to share between threads.
#[pyclass(frozen, subclass, module = "parable._native")]
pub struct FilterSet {
    options: Options,
    filters: Arc<Filters>,
    model: Arc<Model>,
    gate: GateLevel,
    scan: TablePass,
    /// Compiled passes by policy hash and seed, the latest last.
    passes: Mutex<Vec<(String, u64, Arc<TablePass>)>>,
    /// The threads, and the process that they live in: a forked child has none of them.
    pool: Mutex<Option<(u32, Arc<rayon::ThreadPool>)>>,
}

type Rejected = Vec<(u64, String)>;
type Reduced<'py> =
    (Bound<'py, PyAny>, (Option<String>, Option<String>, String, usize, String, String, String));

#[pymethods]
impl FilterSet {
    #[new]
    #[pyo3(signature = (path, model, gate, threads, text_field, id_field, source_field))]
    #[expect(clippy::too_many_arguments, reason = "the Python side names them")]
    fn new(
        py: Python<'_>,
        path: Option<String>,
        model: Option<String>,
        gate: String,
        threads: usize,
        text_field: String,
        id_field: String,
        source_field: String,
    ) -> PyResult<Self> {
        let options = Options { path, model, gate, threads, text_field, id_field, source_field };
        unlocked(py, || Self::load(options))
    }

    #[getter]
    fn version(&self) -> &str {
        self.filters.version()
    }

    #[getter]
    fn model_version(&self) -> &str {
        self.model.version()
    }

    #[getter]
    fn gate(&self) -> &str {
        &self.options.gate
    }

    #[getter]
    fn text_field(&self) -> &str {
        &self.options.text_field
    }

    #[getter]
    fn rule_ids(&self) -> Vec<&str> {
        self.filters.rules().iter().map(|rule| &*rule.file.id).collect()
    }

    fn score_text(&self, py: Python<'_>, text: &str, id: &str, source: Option<&str>) -> Verdict {
        let document = Document { source: source.map(Into::into), ..Document::plain(id, text) };
        unlocked(py, || {
            let said = self.scan.worker().verdict(&document);
            Verdict::new(&document, said)
        })
    }

    /// One record as JSON, with the text or the messages in it.
    fn score_record(&self, py: Python<'_>, json: &str, id: &str) -> PyResult<Verdict> {
        unlocked(py, || {
            let fields = &self.scan.config().fields;
            let wrong = |error: parable::shard::RecordError| {
                DocumentError::new_err((error.to_string(), None::<u64>, fields.text.clone()))
            };
            let record = Record::parse_str(json).map_err(wrong)?;
            let document = record.document(fields, || id.to_string()).map_err(wrong)?;
            let said = self.scan.worker().verdict(&document);
            Ok(Verdict::new(&document, said))
        })
    }

    /// Attribute rows of a table, and the rows that hold no usable document.
    fn score_table(
        &self,
        py: Python<'_>,
        table: PyArrowType<Table>,
        name: &str,
    ) -> PyResult<(PyArrowType<Table>, Rejected)> {
        let (batches, _) = table.0.into_inner();
        let passed = unlocked(py, || self.pass(&self.scan, &batches, name))?;
        let rejected = passed.rejected;
        Ok((arrow::table(passed.attributes, TablePass::attribute_schema())?, rejected))
    }

    /// Documents and attribute rows of a table after a policy, the counts as JSON, and the rows
    /// that hold no usable document.
    fn apply_table(
        &self,
        py: Python<'_>,
        table: PyArrowType<Table>,
        policy: &Policy,
        seed: u64,
        name: &str,
    ) -> PyResult<(PyArrowType<Table>, PyArrowType<Table>, String, Rejected)> {
        if policy.rules.replaces() {
            let message = format!(
                "the policy `{}` replaces documents, which takes a refill pool: use parable.run",
                policy.rules.name()
            );
            return Err(PolicyError::new_err(message));
        }
        let (batches, schema) = table.0.into_inner();
        let pass = self.pass_of(policy, seed);
        let passed = unlocked(py, || self.pass(&pass, &batches, name))?;
        if let Some(fault) = passed.fault {
            return Err(PolicyError::new_err(fault));
        }
        let counts = serde_json::to_string(&passed.counts)
            .map_err(|error| ParableError::new_err(error.to_string()))?;
        Ok((
            arrow::table(passed.documents, TablePass::document_schema(&schema))?,
            arrow::table(passed.attributes, TablePass::attribute_schema())?,
            counts,
            passed.rejected,
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> Reduced<'py> {
        let o = slf.get().options.clone();
        let words = (o.path, o.model, o.gate, o.threads, o.text_field, o.id_field, o.source_field);
        (slf.get_type().into_any(), words)
    }

    fn __repr__(&self) -> String {
        format!(
            "FilterSet(version={}, model={}, gate={:?}, rules={})",
            self.filters.version(),
            self.model.version(),
            self.options.gate,
            self.filters.rules().len()
        )
    }
}

/// What became of a table, batch by batch.
#[derive(Default)]
struct All {
    documents: Vec<RecordBatch>,
    attributes: Vec<RecordBatch>,
    counts: Counts,
    rejected: Rejected,
    fault: Option<String>,
}

impl FilterSet {
    fn load(options: Options) -> PyResult<Self> {
        let gate = match &*options.gate {
            "fast" => GateLevel::Fast,
            "named" => GateLevel::Named,
            "wide" => GateLevel::Wide,
            "off" => GateLevel::Off,
            other => {
                let message = format!("gate {other:?}: \"named\", \"fast\", \"wide\" or \"off\"");
                return Err(PyValueError::new_err(message));
            }
        };
        let filters = parable::cli::load_filters(options.path.as_deref())
            .map_err(|error| errors::FilterError::new_err(format!("{error:#}")))?;
        let model = parable::cli::load_model(options.model.as_deref().map(std::path::Path::new))
            .map_err(|error| errors::ModelError::new_err(format!("{error:#}")))?;
        let none = parable::cli::load_policy("tag-only").map_err(|e| errors::of_verb(&e))?;
        let config = config(&options, &filters, &model, gate, Arc::new(none), 0, true);
        Ok(Self {
            scan: TablePass::new(config),
            options,
            filters,
            model,
            gate,
            passes: Mutex::default(),
            pool: Mutex::default(),
        })
    }

    /// The pass with a policy, compiled once.
    fn pass_of(&self, policy: &Policy, seed: u64) -> Arc<TablePass> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = policy.rules.hash();
        if let Some((_, _, pass)) = passes.iter().find(|(h, s, _)| h == hash && *s == seed) {
            return pass.clone();
        }
        let rules = policy.rules.clone();
        let config =
            config(&self.options, &self.filters, &self.model, self.gate, rules, seed, false);
        let pass = Arc::new(TablePass::new(config));
        if passes.len() == PASSES {
            passes.remove(0);
        }
        passes.push((hash.to_string(), seed, pass.clone()));
        pass
    }

    /// This process's threads; none where one is enough.
    fn pool(&self) -> PyResult<Option<Arc<rayon::ThreadPool>>> {
        let threads = match self.options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        if threads == 1 {
            return Ok(None);
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let here = std::process::id();
        if let Some((process, threads)) = &*pool
            && *process == here
        {
            return Ok(Some(threads.clone()));
        }
        let made = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|nth| format!("parable-{nth}"))
            .build()
            .map_err(|error| ParableError::new_err(error.to_string()))?;
        let made = Arc::new(made);
        // Threads that a fork left behind are not there to be joined.
        std::mem::forget(pool.replace((here, made.clone())));
        Ok(Some(made))
    }

    fn pass(&self, pass: &TablePass, batches: &[RecordBatch], name: &str) -> PyResult<All> {
        let pool = self.pool()?;
        let threads = pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let step = rows.div_ceil(threads * 4).clamp(1, MOST_ROWS);
        let mut pieces: Vec<(RecordBatch, u64)> = Vec::new();
        let mut before = 0;
        for batch in batches {
            arrow::check(batch, before)?;
            for start in (0..batch.num_rows()).step_by(step) {
                let length = step.min(batch.num_rows() - start);
                pieces.push((batch.slice(start, length), before + start as u64));
            }
            before += batch.num_rows() as u64;
        }
        let done: Vec<Result<Passed, String>> = match pool {
            None => {
                let mut worker = pass.worker();
                pieces.iter().map(|(piece, before)| worker.batch(piece, name, *before)).collect()
            }
            Some(pool) => pool.install(|| {
                pieces
                    .par_iter()
                    .with_max_len(1)
                    .map_init(
                        || pass.worker(),
                        |worker, (piece, before)| worker.batch(piece, name, *before),
                    )
                    .collect()
            }),
        };
        let mut all = All::default();
        for (passed, (_, before)) in done.into_iter().zip(&pieces) {
            let passed = passed.map_err(TableError::new_err)?;
            all.documents.extend(passed.documents);
            all.attributes.push(passed.attributes);
            all.counts.add(&passed.counts);
            let rejected = passed.rejected.into_iter();
            all.rejected.extend(rejected.map(|(row, why)| (before + row as u64, why)));
            all.fault = all.fault.or(passed.fault);
        }
        Ok(all)
    }
}

fn config(
    options: &Options,
    filters: &Arc<Filters>,
    model: &Arc<Model>,
    gate: GateLevel,
    policy: Arc<Rules>,
    seed: u64,
    scan_only: bool,
) -> RunConfig {
    RunConfig {
        inputs: Vec::new(),
        out: std::path::PathBuf::new(),
        upload: None,
        scan_only,
        policy,
        refill: None,
        filters: filters.clone(),
        model: model.clone(),
        aides: parable::score::Aides::default(),
        tokenizer: None,
        threads: 1,
        resume: false,
        force: false,
        seed,
        gate,
        limit: None,
        fields: FieldPaths {
            text: options.text_field.clone(),
            id: options.id_field.clone(),
            source: options.source_field.clone(),
        },
        limits: Limits::default(),
        rank: 0,
        world: 1,
    }
}
