//! What each step of the pass costs, beside bare decompression of the same bytes in the same run.
//!
//! Absolute speeds say as much about the machine and the hour as about the program. Every step is
//! therefore measured in CPU time, in rounds in which all steps take turns, and given as a ratio to
//! decompression alone. Steps are cumulative: each does what the one before does and one thing more.

pub mod clock;
mod compare;
mod corpus;
mod report;
mod rules;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::filter::FilterSet;
use crate::pipeline::{self, Quiet, RunConfig, RunError};
use crate::policy::Policy;
use crate::scan::GateLevel;
use crate::score::{Aides, Model};
use crate::shard::{FieldPaths, Format, Input, InputError, Limits, RemoteError, expand, remote};

pub use compare::compare;
pub use corpus::sample;
pub use report::{Corpus, Machine, Report, RuleCost, StepCost, ThreadCost, table};

/// What is measured, and how often.
pub struct Settings {
    /// Shards as `parable scan` takes them; none for a generated corpus.
    pub inputs: Vec<String>,
    /// Bytes of JSON Lines in the generated corpus, before compression.
    pub size: u64,
    pub seed: u64,
    /// Rounds; the best of each step counts.
    pub rounds: usize,
    /// The whole pass is timed with 1, 2, 4… up to this many threads.
    pub threads: usize,
    pub gate: GateLevel,
    pub policy: Arc<Policy>,
    pub filters: Arc<FilterSet>,
    pub model: Arc<Model>,
    pub fields: FieldPaths,
    /// Where the generated corpus and the outputs are put; removed at the end.
    pub scratch: PathBuf,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{0}: standard input can be read once only; give files")]
    Stdin(String),
    #[error("{0}: Parquet and line shards cannot be compared step by step; measure them apart")]
    Mixed(String),
    #[error("{path}: {reason}: damaged shards cannot be measured")]
    Damaged { path: String, reason: String },
}

impl BenchError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        BenchError::Io { path: path.display().to_string(), source }
    }
}

/// Measures everything; `told` hears what is being done.
///
/// # Errors
/// See [`BenchError`].
pub fn run(settings: &Settings, told: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let generated = settings.scratch.join("corpus");
    let (given, name) = if settings.inputs.is_empty() {
        told("writing the generated corpus");
        corpus::write(&generated, settings.size, settings.seed, &settings.filters)?;
        (vec![generated.display().to_string()], format!("generated, seed {}", settings.seed))
    } else {
        let shown: Vec<_> = settings.inputs.iter().map(|i| remote::shown(i)).collect();
        (settings.inputs.clone(), shown.join(" "))
    };
    let inputs = expand(&given)?;
    let parquet = kind_of(&inputs)?;
    // First, while nothing else is held: their peak memory is that of a run.
    let (threads, peak_memory_bytes) = whole_passes(settings, &given, told)?;
    let (mut corpus, steps, rules) =
        if parquet { tables(settings, &inputs, told)? } else { lines(settings, &inputs, told)? };
    corpus.source = name;
    Ok(Report {
        parable: env!("CARGO_PKG_VERSION").into(),
        optimised: !cfg!(debug_assertions),
        filter_set: settings.filters.version().into(),
        model: settings.model.version().into(),
        gate: format!("{:?}", settings.gate).to_lowercase(),
        policy: settings.policy.name().into(),
        machine: Machine::read(),
        corpus,
        rounds: settings.rounds,
        start_up: Vec::new(),
        steps,
        rules,
        threads,
        peak_memory_bytes,
    })
}

/// True for Parquet, false for lines.
fn kind_of(inputs: &[Input]) -> Result<bool, BenchError> {
    let tables = inputs.iter().filter(|input| input.format == Format::Parquet).count();
    if let Some(input) = inputs.iter().find(|input| input.is_stdin()) {
        return Err(BenchError::Stdin(input.name()));
    }
    if tables != 0 && tables != inputs.len() {
        return Err(BenchError::Mixed(inputs[0].name()));
    }
    Ok(tables != 0)
}

type Measured = (Corpus, Vec<StepCost>, Vec<RuleCost>);

/// Line shards: every step in turn, round by round, then the rules.
fn lines(
    settings: &Settings,
    inputs: &[Input],
    told: &dyn Fn(&str),
) -> Result<Measured, BenchError> {
    let mut bench = steps::Steps::new(settings);
    let compressed = inputs.iter().any(|input| input.codec != crate::shard::Codec::Plain);
    let order: Vec<steps::Step> =
        steps::Step::ALL.into_iter().filter(|s| compressed || !s.recompresses()).collect();
    let mut best = vec![f64::INFINITY; order.len()];
    let mut corpus = Corpus::default();
    for round in 1..=settings.rounds {
        for (step, best) in order.iter().zip(&mut best) {
            told(&format!("round {round} of {}: {}", settings.rounds, step.name()));
            let start = clock::cpu();
            let seen = bench.walk(inputs, *step)?;
            *best = best.min((clock::cpu() - start).as_secs_f64());
            corpus.take(&seen);
        }
    }
    corpus.shards = inputs.len();
    corpus.stored_bytes = inputs.iter().map(|input| input.bytes).sum();
    let yard = order.iter().position(|s| *s == steps::Step::Decompress).map_or(0.0, |i| best[i]);
    let named = order.iter().map(|step| (step.name(), step.does()));
    let costs = report::costs(named.zip(best).map(|((n, d), s)| (n, d, s)), corpus.bytes, yard);
    told("the rules, one by one");
    let rules = rules::measure(settings, inputs)?;
    Ok((corpus, costs, rules))
}

/// Parquet shards: decoding all columns of every row group.
fn tables(
    settings: &Settings,
    inputs: &[Input],
    told: &dyn Fn(&str),
) -> Result<Measured, BenchError> {
    let mut best = f64::INFINITY;
    let mut corpus = Corpus::default();
    for round in 1..=settings.rounds {
        told(&format!("round {round} of {}: decode", settings.rounds));
        let start = clock::cpu();
        let seen = steps::decode_tables(inputs, &settings.fields)?;
        best = best.min((clock::cpu() - start).as_secs_f64());
        corpus.take(&seen);
    }
    corpus.shards = inputs.len();
    corpus.stored_bytes = inputs.iter().map(|input| input.bytes).sum();
    let named = ("decode", "decode the columns of every row group");
    let costs = report::costs([(named.0, named.1, best)].into_iter(), corpus.bytes, best);
    Ok((corpus, costs, Vec::new()))
}

/// `scan` with 1, 2, 4… threads and `run` with one; peak memory over all of them.
fn whole_passes(
    settings: &Settings,
    given: &[String],
    told: &dyn Fn(&str),
) -> Result<(Vec<ThreadCost>, Option<u64>), BenchError> {
    clock::forget_peak();
    let mut passes = vec![(true, 1), (false, 1)];
    passes.extend((1..).map(|i| 1 << i).take_while(|n| *n < settings.threads).map(|n| (true, n)));
    if settings.threads > 1 {
        passes.push((true, settings.threads));
        passes.push((false, settings.threads));
    }
    let mut costs: Vec<ThreadCost> = passes
        .iter()
        .map(|(scan_only, threads)| {
            ThreadCost::new(if *scan_only { "scan" } else { "run" }, *threads)
        })
        .collect();
    let out = settings.scratch.join("out");
    for round in 1..=settings.rounds {
        for ((scan_only, threads), cost) in passes.iter().zip(&mut costs) {
            told(&format!(
                "round {round} of {}: whole {} with {threads} threads",
                settings.rounds, cost.verb
            ));
            let config = config(settings, given, &out, *scan_only, *threads);
            let (cpu, wall) = (clock::cpu(), std::time::Instant::now());
            let outcome = pipeline::run(&config, &Quiet)?;
            let bytes = outcome.ledger.totals.bytes_decoded;
            cost.take(wall.elapsed(), clock::cpu() - cpu, bytes);
        }
    }
    report::speedups(&mut costs);
    Ok((costs, clock::peak_memory()))
}

fn config(
    settings: &Settings,
    given: &[String],
    out: &Path,
    scan_only: bool,
    threads: usize,
) -> RunConfig {
    RunConfig {
        refill: None,
        inputs: given.to_vec(),
        out: out.to_path_buf(),
        upload: None,
        scan_only,
        policy: settings.policy.clone(),
        filters: settings.filters.clone(),
        model: settings.model.clone(),
        aides: Aides::default(),
        tokenizer: None,
        threads,
        resume: false,
        force: true,
        seed: settings.seed,
        gate: settings.gate,
        limit: None,
        fields: settings.fields.clone(),
        limits: Limits::default(),
        rank: 0,
        world: 1,
    }
}
