//! Makes a set of products and writes the output tree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::card::{Request, Source};
use super::compose::compose;
use super::constitution::Constitution;
use super::corpus::{Corpus, Sketch};
use super::inventory::Inventory;
use super::product::{Product, Provenance, Scores};
use super::report::Counts;
use super::verify::{Limits, Refusal, Runs, verify};
use crate::score::{Model, Scorer};
use crate::shard::output::{Atomic, write_whole};
use crate::taxonomy::Category;

/// A format and the name of its folder.
pub const FORMATS: &[&str] = &["pretrain", "sft", "preference", "revision"];
/// Records in one part file.
const PART: usize = 100_000;
/// Requests composed at once; the result does not depend on it.
const BATCH: usize = 512;
/// A product that is refused is composed anew this often.
const TRIES: u32 = 8;

/// A flagged document: what its card takes, and its runs of words, which no product may copy.
pub struct Flagged {
    pub source: Source,
    pub runs: Runs,
}

/// What is to be made.
pub struct Job {
    pub out: PathBuf,
    pub formats: Vec<String>,
    pub flagged: Vec<Flagged>,
    /// Products for each flagged document and format.
    pub per_document: usize,
    /// Products in all; what flagged documents do not fill comes from the inventory alone.
    pub count: usize,
    pub seed: u64,
    pub limits: Limits,
    pub canary: Option<String>,
    pub inventory: Arc<Inventory>,
    pub constitution: Arc<Constitution>,
    pub model: Arc<Model>,
}

/// Why a set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("the inventory has no document type of the format `{0}` for `{1}`")]
    NoDocument(String, Category),
}

/// One product to be made: format, number within the format, and the flagged document.
#[derive(Clone, Copy)]
struct Order {
    format: usize,
    nth: usize,
    flagged: Option<usize>,
}

struct Attempt {
    product: Product,
    scores: Scores,
    refusals: Vec<Refusal>,
    sketch: Sketch,
}

/// Makes the set; returns the report.
///
/// # Errors
/// Where the output cannot be written or a format has no document type.
pub fn run(job: &Job) -> Result<Value, GenerateError> {
    for format in &job.formats {
        for category in Category::coercion() {
            if job.inventory.documents_of(format, *category).is_empty() {
                return Err(GenerateError::NoDocument(format.clone(), *category));
            }
        }
    }
    let orders = orders(job);
    let provenance = provenance(job);
    let mut writer = Writer::new(&job.out, &job.formats)?;
    let mut corpus = Corpus::new(orders.len());
    let mut counts = Counts::default();
    for batch in orders.chunks(BATCH) {
        let first: Vec<Attempt> = batch
            .par_iter()
            .map_init(
                || Scorer::new(job.model.clone()),
                |scorer, order| attempt(job, *order, 0, scorer),
            )
            .collect();
        // In order from here on, so that what is refused does not depend on the threads.
        let mut scorer = Scorer::new(job.model.clone());
        for (order, attempt) in batch.iter().zip(first) {
            settle(
                job,
                *order,
                attempt,
                &mut scorer,
                &mut corpus,
                &mut counts,
                &mut writer,
                &provenance,
            )?;
        }
    }
    let report = counts.report(
        &corpus.diversity(),
        &job.limits,
        json!({
            "generator": provenance.generator, "version": env!("CARGO_PKG_VERSION"),
            "inventory": provenance.inventory, "constitution": provenance.constitution,
            "seed": job.seed, "flagged_documents": job.flagged.len(), "canary": job.canary,
        }),
    );
    writer.finish(&report)?;
    Ok(report)
}

/// Accepts an attempt or composes anew, until it is accepted or given up.
#[allow(clippy::too_many_arguments)]
fn settle(
    job: &Job,
    order: Order,
    mut now: Attempt,
    scorer: &mut Scorer,
    corpus: &mut Corpus,
    counts: &mut Counts,
    writer: &mut Writer,
    provenance: &Provenance,
) -> Result<(), GenerateError> {
    for salt in 1..=TRIES {
        if now.refusals.is_empty() {
            now.refusals = corpus.check(&now.sketch);
        }
        let record = now.product.record(&job.inventory, provenance, &now.scores);
        if now.refusals.is_empty() {
            corpus.add(now.sketch);
            counts.accept(&job.inventory, &now.product, now.scores.words);
            return writer.accept(order.format, &record);
        }
        counts.refuse(&now.refusals);
        writer.refuse(&now.product.format, &now.refusals, &record)?;
        if salt < TRIES {
            now = attempt(job, order, salt, scorer);
        }
    }
    counts.given_up += 1;
    Ok(())
}

fn attempt(job: &Job, order: Order, salt: u32, scorer: &mut Scorer) -> Attempt {
    let flagged = order.flagged.map(|at| &job.flagged[at]);
    let product = compose(
        &job.inventory,
        &job.constitution,
        Request {
            format: &job.formats[order.format],
            nth: order.nth,
            seed: job.seed,
            salt,
            source: flagged.map(|f| &f.source),
        },
    );
    let (scores, refusals) = verify(&product, flagged.map(|f| &f.runs), scorer, &job.limits);
    let sketch = Sketch::of(&product);
    Attempt { product, scores, refusals, sketch }
}

/// Flagged documents first, then the inventory; formats in turn.
fn orders(job: &Job) -> Vec<Order> {
    let formats = job.formats.len();
    let mut orders = Vec::with_capacity(job.count);
    let mut nth = vec![0; formats];
    'flagged: for at in 0..job.flagged.len() {
        for format in 0..formats {
            for _ in 0..job.per_document {
                if orders.len() >= job.count {
                    break 'flagged;
                }
                orders.push(Order { format, nth: nth[format], flagged: Some(at) });
                nth[format] += 1;
            }
        }
    }
    let mut fresh = vec![0; formats];
    while orders.len() < job.count && formats > 0 {
        let format = orders.len() % formats;
        orders.push(Order { format, nth: fresh[format], flagged: None });
        fresh[format] += 1;
    }
    orders
}

fn provenance(job: &Job) -> Provenance {
    Provenance {
        generator: "parable generate".into(),
        inventory: job.inventory.version().into(),
        constitution: job.constitution.hash().into(),
        model: None,
        canary: job.canary.clone(),
    }
}

/// The files of the output tree.
struct Writer {
    out: PathBuf,
    formats: Vec<String>,
    parts: Vec<Option<Atomic>>,
    written: Vec<usize>,
    rejected: Atomic,
}

impl Writer {
    fn new(out: &Path, formats: &[String]) -> Result<Self, GenerateError> {
        let path = out.join("rejected.jsonl");
        Ok(Self {
            out: out.into(),
            formats: formats.to_vec(),
            parts: formats.iter().map(|_| None).collect(),
            written: vec![0; formats.len()],
            rejected: Atomic::create(&path).map_err(|e| io(&path, e))?,
        })
    }

    fn part(&self, format: usize) -> PathBuf {
        let number = self.written[format].saturating_sub(1) / PART;
        self.out.join(&self.formats[format]).join(format!("part-{number:05}.jsonl"))
    }

    fn accept(&mut self, format: usize, record: &Value) -> Result<(), GenerateError> {
        if self.written[format].is_multiple_of(PART)
            && let Some(full) = self.parts[format].take()
        {
            let path = self.part(format);
            full.finish().map_err(|e| io(&path, e))?;
        }
        self.written[format] += 1;
        let path = self.part(format);
        let mut part = match self.parts[format].take() {
            Some(part) => part,
            None => Atomic::create(&path).map_err(|e| io(&path, e))?,
        };
        writeln!(part, "{record}").map_err(|e| io(&path, e))?;
        self.parts[format] = Some(part);
        Ok(())
    }

    fn refuse(
        &mut self,
        format: &str,
        refusals: &[Refusal],
        record: &Value,
    ) -> Result<(), GenerateError> {
        let line = json!({"format": format, "reasons": refusals, "record": record});
        writeln!(self.rejected, "{line}").map_err(|e| io(&self.out, e))
    }

    fn finish(mut self, report: &Value) -> Result<(), GenerateError> {
        for format in 0..self.formats.len() {
            let path = self.part(format);
            if let Some(part) = self.parts[format].take() {
                part.finish().map_err(|e| io(&path, e))?;
            }
        }
        let out = self.out.clone();
        self.rejected.finish().map_err(|e| io(&out, e))?;
        let path = out.join("report.json");
        let text = serde_json::to_vec_pretty(report).unwrap_or_default();
        write_whole(&path, &text).map_err(|e| io(&path, e))
    }
}

fn io(path: &Path, source: std::io::Error) -> GenerateError {
    GenerateError::Io { path: path.display().to_string(), source }
}
