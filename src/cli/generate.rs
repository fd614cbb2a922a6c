//! `parable generate`: admirable counter-examples for flagged documents.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use super::model_server::{self, ServerArgs};
use crate::counterexample::batch::{self, Answers, Dialect};
use crate::counterexample::card::{Card, Request};
use crate::counterexample::fluency::Fluency;
use crate::counterexample::inventory::SourceText;
use crate::counterexample::prompt;
use crate::counterexample::run::{Backend, FORMATS, Flagged, Job, run as generate, write_requests};
use crate::counterexample::source::{Reader, is_flagged};
use crate::counterexample::verify::{Limits as VerifyLimits, Runs};
use crate::counterexample::{Constitution, Inventory};
use crate::document::Document;
use crate::score::Judge;
use crate::shard::{FieldPaths, documents};
use anyhow::{Context, Result, bail};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable generate --from-inventory --count 20 -o out\n  parable generate corpus/ --per-document 2 --format all -o out\n  parable generate --cards --from-inventory --count 3\n  parable generate corpus/ --backend openai --endpoint http://localhost:8000/v1 --model NAME -o out"
)]
pub struct Args {
    /// Documents to answer: files, folders, globs; those that are flagged get counter-examples
    inputs: Vec<String>,
    /// Output folder
    #[arg(short, long, required_unless_present = "cards")]
    out: Option<PathBuf>,
    /// pretrain, sft, preference, revision or all
    #[arg(short, long, default_value = "pretrain")]
    format: String,
    /// Products in all; without inputs 100 [default with inputs: as many as they give]
    #[arg(short = 'n', long)]
    count: Option<usize>,
    /// Products for each flagged document and format
    #[arg(long, default_value_t = 1)]
    per_document: usize,
    /// Fill up to --count from the inventory alone; a number here is the count
    #[arg(long, num_args = 0..=1, default_missing_value = "", value_name = "N")]
    from_inventory: Option<String>,
    /// Print scenario cards, one JSON object a line, and write nothing
    #[arg(long)]
    cards: bool,
    /// Least P(coercion) of a document that is answered
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How strictly products are verified: strict, normal or off
    #[arg(long, default_value = "strict")]
    verify: String,
    /// A string for every record by which the set can be found again in a corpus
    #[arg(long)]
    canary: Option<String>,
    /// A constitution in place of the built-in one
    #[arg(long, value_name = "FILE")]
    constitution: Option<PathBuf>,
    /// An inventory folder in place of the built-in one
    #[arg(long, value_name = "DIR")]
    inventory: Option<PathBuf>,
    /// compose (offline), openai (a running server) or batch (files for a batch service)
    #[arg(long, default_value = "compose")]
    backend: String,
    /// File format of the requests: openai (vLLM too) or anthropic
    #[arg(long, default_value = "openai")]
    dialect: String,
    /// Model that the server or batch service is to use
    #[arg(long, visible_alias = "model-name", default_value = "")]
    model: String,
    /// Result files of the batch service, for the same inputs and seed as the requests
    #[arg(long, value_name = "FILE", num_args = 1..)]
    answers: Vec<PathBuf>,
    /// Worker threads; 0 = one for each core
    #[arg(short = 'j', long, default_value_t = 0)]
    threads: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut inputs = args.inputs.clone();
    let mut count = args.count;
    if let Some(given) = args.from_inventory.as_deref().filter(|g| !g.is_empty()) {
        match given.parse() {
            Ok(number) => count = count.or(Some(number)),
            // `--from-inventory corpus.jsonl`: the flag took an input for its number.
            Err(_) => inputs.push(given.into()),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    pool.install(|| make(args, &inputs, count))
}

fn make(args: &Args, inputs: &[String], count: Option<usize>) -> Result<ExitCode> {
    let formats = formats(&args.format)?;
    let limits = VerifyLimits::named(&args.verify)
        .with_context(|| format!("--verify {}: strict, normal or off", args.verify))?;
    let inventory = Arc::new(load_inventory(args.inventory.as_deref())?);
    let constitution = Arc::new(load_constitution(args.constitution.as_deref())?);
    let flagged = flagged(inputs, args, &inventory)?;
    let from_documents = flagged.len() * args.per_document * formats.len();
    let count = match (inputs.is_empty(), args.from_inventory.is_some()) {
        (true, _) => count.unwrap_or(100),
        (false, true) => count.unwrap_or(from_documents),
        (false, false) => count.unwrap_or(from_documents).min(from_documents),
    };
    if args.cards {
        return cards(args, &formats, &flagged, count, &inventory);
    }
    let out = args.out.clone().context("--out is missing")?;
    let backend = match args.backend.as_str() {
        "compose" => Backend::Compose,
        "batch" if args.model.is_empty() => bail!("--backend batch needs --model"),
        "batch" => Backend::Batch(args.model.clone(), read_answers(&args.answers)?),
        "openai" => Backend::Server(Box::new(model_server::open(&args.server, &args.model, &out)?)),
        other => bail!("--backend {other}: compose, openai or batch"),
    };
    let fluency =
        (!matches!(backend, Backend::Compose)).then(|| Fluency::of(&inventory, &constitution));
    let job = Job {
        out,
        formats,
        flagged,
        per_document: args.per_document,
        count,
        seed: args.seed,
        limits,
        canary: args.canary.clone(),
        inventory,
        constitution,
        judge: Mutex::new(Judge::embedded()),
        backend,
        fluency,
    };
    if matches!(job.backend, Backend::Batch(..)) && args.answers.is_empty() {
        let dialect = Dialect::named(&args.dialect)
            .with_context(|| format!("--dialect {}: openai or anthropic", args.dialect))?;
        let path = write_requests(&job, dialect, &args.model)?;
        anstream::println!("{} requests in {}", job.count, path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let made = generate(&job);
    if let Ok(report) = &made {
        if args.json {
            anstream::println!("{}", serde_json::to_string_pretty(report)?);
        } else if !args.quiet {
            summary(report, &job.out);
        }
    }
    let Backend::Server(backend) = &job.backend else {
        return made.map(|_| ExitCode::SUCCESS).map_err(Into::into);
    };
    let whole = model_server::close(backend, &job.out, args.quiet);
    made?;
    // Products that the server failed to answer for stand in the books as given up.
    Ok(if whole? { ExitCode::SUCCESS } else { ExitCode::from(super::DONE_WITH_DAMAGE) })
}

fn read_answers(paths: &[PathBuf]) -> Result<Answers> {
    let mut answers = Answers::new();
    for path in paths {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        batch::read(&text, &mut answers).map_err(|line| {
            anyhow::anyhow!("{}:{line}: no line of a batch result", path.display())
        })?;
    }
    Ok(answers)
}

fn formats(given: &str) -> Result<Vec<String>> {
    if given == "all" {
        return Ok(FORMATS.iter().map(|f| (*f).to_string()).collect());
    }
    let list: Vec<String> = given.split(',').map(|f| f.trim().to_string()).collect();
    if let Some(unknown) = list.iter().find(|f| !FORMATS.contains(&f.as_str())) {
        bail!("--format {unknown}: known are {}, all", FORMATS.join(", "));
    }
    Ok(list)
}

fn load_constitution(path: Option<&Path>) -> Result<Constitution> {
    let Some(path) = path else { return Ok(Constitution::embedded()?) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    Ok(Constitution::parse(&name, &text)?)
}

fn load_inventory(folder: Option<&Path>) -> Result<Inventory> {
    let Some(folder) = folder else { return Ok(Inventory::embedded()?) };
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "txt" || e == "toml") {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
            files.push(SourceText { path: name, text });
        }
    }
    Ok(Inventory::link(&files)?)
}

/// Scores the inputs and keeps the flagged documents, in input order.
fn flagged(inputs: &[String], args: &Args, inventory: &Inventory) -> Result<Vec<Flagged>> {
    let mut found = Vec::new();
    if inputs.is_empty() {
        return Ok(found);
    }
    let filters = crate::filter::FilterSet::embedded();
    let reader = Reader::new(inventory, filters).map_err(anyhow::Error::msg)?;
    let mut judge = Judge::embedded();
    let shown = args.backend == "openai";
    let mut take = |document: &Document<'_>| {
        let (verdict, source) = reader.read(document, &mut judge);
        if is_flagged(&verdict, args.threshold) {
            let excerpt = match shown {
                true => prompt::excerpt(&document.text, source.evidence.first().map(|e| e.1)),
                false => String::new(),
            };
            found.push(Flagged { source, runs: Runs::of(&document.text), excerpt });
        }
    };
    let unread = documents::each(inputs, &FieldPaths::default(), |found| -> Result<_> {
        take(found.document);
        Ok(ControlFlow::Continue(()))
    })?;
    if unread > 0 {
        anstream::eprintln!("{unread} records or damaged places could not be read");
    }
    Ok(found)
}

fn cards(
    args: &Args,
    formats: &[String],
    flagged: &[Flagged],
    count: usize,
    inventory: &Inventory,
) -> Result<ExitCode> {
    let format = formats.first().context("--format is empty")?;
    let made = flagged.len() * args.per_document;
    for nth in 0..count {
        let source = (nth < made).then(|| &flagged[nth / args.per_document.max(1)].source);
        let nth = if source.is_some() { nth } else { nth - made };
        let card = Card::draw(inventory, Request { format, nth, seed: args.seed, salt: 0, source });
        anstream::println!("{}", card.to_json(inventory));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(report: &serde_json::Value, out: &Path) {
    let counts = &report["counts"];
    anstream::println!(
        "{} products accepted of {} attempts ({:.2} %), {} given up, {} words; outputs in {}",
        counts["accepted"],
        counts["attempts"],
        report["pass_rate"].as_f64().unwrap_or(0.0) * 100.0,
        counts["given_up"],
        counts["words"],
        out.display()
    );
    anstream::println!(
        "distinct-4 {}  self-similarity {}  nearest pair {}",
        report["diversity"]["distinct"][3],
        report["diversity"]["self_similarity"],
        report["diversity"]["nearest"]
    );
    if let Some(reasons) = counts["reasons"].as_object() {
        for (reason, number) in reasons {
            anstream::println!("  refused for {reason:<20} {number}");
        }
    }
}
