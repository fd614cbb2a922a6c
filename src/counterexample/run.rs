//! Makes a set of products and writes the output tree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use serde_json::{Value, json};

use super::answer;
use super::batch::{self, Answers, Dialect};
use super::card::{Card, Request, Source};
use super::compose::compose;
use super::constitution::Constitution;
use super::corpus::{Corpus, Sketch};
use super::dialogue;
use super::fluency::Fluency;
use super::inventory::Inventory;
use super::product::{Product, Provenance, Scores};
use super::report::Counts;
use super::verify::{Beside, Limits, Refusal, Runs, verify};
use crate::score::Judge;
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
    /// What a model server is shown of the document; empty for backends that show nothing.
    pub excerpt: String,
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
    /// What every thread's judge is made from.
    pub judge: Mutex<Judge>,
    pub backend: Backend,
    /// What is language, where a model writes the texts.
    pub fluency: Option<Fluency>,
}

impl Job {
    /// A judge for one thread.
    pub(super) fn judge(&self) -> Judge {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

/// Where the texts come from.
pub enum Backend {
    /// Composed offline.
    Compose,
    /// The model that a batch service ran, and its answers.
    Batch(String, Answers),
    /// A running server.
    Server(Box<dialogue::Backend>),
}

impl Backend {
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Batch(..) => "batch",
            Self::Server(_) => "openai",
        }
    }

    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Compose => None,
            Self::Batch(model, _) => Some(model),
            Self::Server(backend) => Some(&backend.model),
        }
    }
}

/// Why a set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("the inventory has no document type of the format `{0}` for `{1}`")]
    NoDocument(String, Category),
    #[error("the books do not balance: {0} products asked for are not all accounted for")]
    Books(u64),
    #[error("interrupted; the same command goes on from the answers that are there")]
    Interrupted,
}

/// One product to be made: format, number within the format, and the flagged document.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub format: usize,
    pub nth: usize,
    pub flagged: Option<usize>,
}

pub(super) struct Attempt {
    pub product: Product,
    pub scores: Scores,
    pub refusals: Vec<Refusal>,
    pub sketch: Sketch,
}

/// Makes the set; returns the report.
///
/// # Errors
/// Where the output cannot be written, a format has no document type, or the run is interrupted.
pub fn run(job: &Job) -> Result<Value, GenerateError> {
    for format in &job.formats {
        for category in Category::coercion() {
            if job.inventory.documents_of(format, *category).is_empty() {
                return Err(GenerateError::NoDocument(format.clone(), *category));
            }
        }
    }
    let orders = orders(job);
    let mut set = Set::new(job, orders.len())?;
    if let Backend::Server(backend) = &job.backend {
        set.counts.not_made =
            (orders.len() - dialogue::run(job, backend, &orders, &mut set)?) as u64;
    } else {
        compose_all(job, &orders, &mut set)?;
    }
    set.finish()
}

/// Composes, or takes the answers of a batch service.
fn compose_all(job: &Job, orders: &[Order], set: &mut Set<'_>) -> Result<(), GenerateError> {
    for batch in orders.chunks(BATCH) {
        let first: Vec<Attempt> = batch
            .par_iter()
            .map_init(|| job.judge(), |judge, order| attempt(job, *order, 0, judge))
            .collect();
        // In order from here on, so that what is refused does not depend on the threads.
        let mut judge = job.judge();
        // An answer is what it is; only what is composed here can be composed anew.
        let tries = if matches!(job.backend, Backend::Compose) { TRIES } else { 1 };
        for (order, first) in batch.iter().zip(first) {
            let anew = (1..tries).map(|salt| attempt(job, *order, salt, &mut judge));
            set.settle(*order, std::iter::once(first).chain(anew))?;
        }
    }
    Ok(())
}

/// What was accepted so far, and the books.
pub(super) struct Set<'a> {
    job: &'a Job,
    provenance: Provenance,
    corpus: Corpus,
    counts: Counts,
    writer: Writer,
}

impl<'a> Set<'a> {
    fn new(job: &'a Job, orders: usize) -> Result<Self, GenerateError> {
        Ok(Self {
            job,
            provenance: provenance(job),
            corpus: Corpus::new(orders),
            counts: Counts::of(orders as u64),
            writer: Writer::new(&job.out, &job.formats)?,
        })
    }

    /// Takes attempts until one is accepted; the order is given up where none is.
    pub(super) fn settle(
        &mut self,
        order: Order,
        attempts: impl Iterator<Item = Attempt>,
    ) -> Result<(), GenerateError> {
        for mut now in attempts {
            if now.refusals.is_empty() {
                now.refusals = self.corpus.check(&now.sketch);
            }
            let record = now.product.record(&self.job.inventory, &self.provenance, &now.scores);
            if now.refusals.is_empty() {
                self.corpus.add(now.sketch);
                self.counts.accept(&self.job.inventory, &now.product, now.scores.words);
                return self.writer.accept(order.format, &record);
            }
            self.counts.refuse(&now.refusals);
            self.writer.refuse(&now.product.format, &now.refusals, &record)?;
        }
        self.counts.given_up += 1;
        Ok(())
    }

    fn finish(self) -> Result<Value, GenerateError> {
        let Self { job, provenance, corpus, counts, writer } = self;
        if !counts.balance() {
            return Err(GenerateError::Books(counts.requested));
        }
        let report = counts.report(
            &corpus.diversity(),
            &job.limits,
            json!({
                "generator": provenance.generator, "version": env!("CARGO_PKG_VERSION"),
                "inventory": provenance.inventory, "constitution": provenance.constitution,
                "seed": job.seed, "flagged_documents": job.flagged.len(), "canary": job.canary,
                "backend": job.backend.name(), "model": provenance.model,
            }),
        );
        writer.finish(&report)?;
        Ok(report)
    }
}

fn attempt(job: &Job, order: Order, salt: u32, judge: &mut Judge) -> Attempt {
    let request = request(job, order, salt);
    let Backend::Batch(_, answers) = &job.backend else {
        let product = compose(&job.inventory, &job.constitution, request);
        return verified(job, order, product, judge);
    };
    let card = Card::draw(&job.inventory, request);
    let answer = answers.get(&batch::id(request.format, &card)).cloned();
    let answer = answer.unwrap_or_else(|| Err("no answer came back".into()));
    answered(job, order, card, answer, judge)
}

/// The product of a model's answer, or the refusal of an answer that there is not.
pub(super) fn answered(
    job: &Job,
    order: Order,
    card: Card,
    answer: Result<String, String>,
    judge: &mut Judge,
) -> Attempt {
    let format = &job.formats[order.format];
    let principles = job.constitution.ids_for(card.category);
    let made = answer.and_then(|text| answer::sections(format, &text));
    let fault = made.as_ref().err().cloned();
    let product = Product {
        format: format.clone(),
        card,
        principles,
        sections: made.unwrap_or_default(),
        tools: Vec::new(),
        backend: job.backend.name().into(),
    };
    let Some(fault) = fault else { return verified(job, order, product, judge) };
    let sketch = Sketch::of(&product);
    let refusals = vec![Refusal::new("backend", fault)];
    Attempt { product, scores: Scores::default(), refusals, sketch }
}

fn verified(job: &Job, order: Order, product: Product, judge: &mut Judge) -> Attempt {
    let source = order.flagged.map(|at| &job.flagged[at].runs);
    let beside = Beside { source, fluency: job.fluency.as_ref() };
    let (scores, refusals) = verify(&product, beside, judge, &job.limits);
    let sketch = Sketch::of(&product);
    Attempt { product, scores, refusals, sketch }
}

pub(super) fn request(job: &Job, order: Order, salt: u32) -> Request<'_> {
    Request {
        format: &job.formats[order.format],
        nth: order.nth,
        seed: job.seed,
        salt,
        source: order.flagged.map(|at| &job.flagged[at].source),
    }
}

/// Writes the request file of a batch service: one line for each product of the job.
///
/// # Errors
/// Where it cannot be written.
pub fn write_requests(job: &Job, dialect: Dialect, model: &str) -> Result<PathBuf, GenerateError> {
    let path = job.out.join("requests.jsonl");
    let mut file = Atomic::create(&path).map_err(|e| io(&path, e))?;
    for order in orders(job) {
        let request = request(job, order, 0);
        let card = Card::draw(&job.inventory, request);
        let line = batch::request(
            dialect,
            model,
            &job.inventory,
            &job.constitution,
            request.format,
            &card,
        );
        writeln!(file, "{line}").map_err(|e| io(&path, e))?;
    }
    file.finish().map_err(|e| io(&path, e))?;
    Ok(path)
}

/// Flagged documents first, then the inventory; formats in turn.
fn orders(job: &Job) -> Vec<Order> {
    let formats = job.formats.len();
    let mut orders = Vec::with_capacity(job.count);
    let mut nth = vec![0; formats];
    'flagged: for at in 0..job.flagged.len() {
        for (format, nth) in nth.iter_mut().enumerate() {
            for _ in 0..job.per_document {
                if orders.len() >= job.count {
                    break 'flagged;
                }
                orders.push(Order { format, nth: *nth, flagged: Some(at) });
                *nth += 1;
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
        model: job.backend.model().map(String::from),
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
