//! `parable audit`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::audit::{self, Gathered, Notice, Quality, Reading, examples, review};
use crate::score::Model;
use crate::shard::{FieldPaths, expand, remote};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable audit out -o report.html --json audit.json\n  parable audit rank-0 rank-1 -o report.html\n  parable audit out/attributes/parable -o report.html --documents corpus/\n  parable audit out -o report.html --sample 200\n  parable audit out -o report.html --labels labels.jsonl"
)]
pub struct Args {
    /// Output folders of `run` or `scan`, or attribute files
    #[arg(required = true)]
    inputs: Vec<String>,
    /// The report to write
    #[arg(short, long, default_value = "report.html")]
    out: PathBuf,
    /// Write the figures as JSON too; `-` prints them
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Shards to take example texts from, in place of the documents in the output folders
    #[arg(long, value_name = "INPUT", num_args = 1..)]
    documents: Vec<String>,
    /// Group by a field of the documents as well, such as metadata.lang: dates by month, addresses
    /// by host
    #[arg(long, value_name = "FIELD", num_args = 1.., requires = "documents")]
    by: Vec<String>,
    /// Show figures only, no text of the corpus
    #[arg(long)]
    no_examples: bool,
    /// Counts of right and wrong answers of the scorer, in place of those of the built-in model
    #[arg(long, value_name = "FILE")]
    quality: Option<PathBuf>,
    /// Draw N documents for people to read, and write a page and Label Studio tasks for them
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = sample_size)]
    sample: usize,
    /// Where to write them, in place of the folder `review` beside the report
    #[arg(long, value_name = "DIR", requires = "sample")]
    review: Option<PathBuf>,
    /// Answers of people: files saved by the page, or JSON exports of Label Studio
    #[arg(long, value_name = "FILE", num_args = 1..)]
    labels: Vec<PathBuf>,
    /// Write every table as CSV and Parquet, charts as SVG, and texts for dataset cards
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Decides which documents are shown and drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Add up what different filter sets or models have found
    #[arg(long)]
    allow_mixed: bool,
    /// Bytes of text for each token, for the estimates in tokens; without it what the run counted by
    /// its --tokenizer, else 4.3
    #[arg(long)]
    bytes_per_token: Option<f64>,
    /// Dotted path of the text in the documents
    #[arg(long, default_value = "text")]
    text_field: String,
    /// Dotted path of the id in the documents
    #[arg(long, default_value = "id")]
    id_field: String,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Documents that are drawn at most: more than that no page holds.
const MOST: usize = 2000;

fn sample_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n <= MOST => Ok(n),
        _ => Err(format!("a number up to {MOST} was expected")),
    }
}

pub fn run(args: &Args, words: &[OsString]) -> Result<ExitCode> {
    if let Some(given) = args.bytes_per_token {
        let usable = given.is_finite() && given > 0.0;
        anyhow::ensure!(usable, "--bytes-per-token {given}: a number above 0 was expected");
    }
    let reading = Reading { seed: args.seed, review: args.sample, allow_mixed: args.allow_mixed };
    let gathered = audit::gather(&args.inputs, reading)?;
    let (quality, unmeasured) = quality(args, &gathered)?;
    let counted = || gathered.bytes_per_token().unwrap_or(audit::BYTES_PER_TOKEN);
    let per_token = args.bytes_per_token.unwrap_or_else(counted);
    let mut figures = audit::audit(&gathered, &quality, per_token);
    figures.notices.extend(unmeasured.map(|text| Notice { level: "note".into(), text }));
    if !args.labels.is_empty() {
        figures.review = Some(labels(args, &gathered)?);
    }
    let originals = if args.documents.is_empty() { Vec::new() } else { expand(&args.documents)? };
    let fields = FieldPaths {
        text: args.text_field.clone(),
        id: args.id_field.clone(),
        ..FieldPaths::default()
    };
    if !args.by.is_empty() {
        let grouped = audit::by::group(&gathered, &originals, &fields, &args.by)?;
        figures.notices.extend(grouped.notices.iter().cloned());
        figures.groups = audit::figures::groupings(&grouped, &gathered.tally, &quality, per_token);
    }
    let mut shown = Vec::new();
    if !args.no_examples {
        let found = examples::find(&gathered, &originals, &fields)?;
        figures.copies = Some(found.copies);
        shown = found.examples;
    }
    audit::write_report(&args.out, &figures, &shown, &command(words))?;
    if args.sample > 0 {
        let folder = args.review.clone().unwrap_or_else(|| beside(&args.out, "review"));
        let back = format!("{} --labels labels.jsonl", command(words));
        let n = audit::write_review(&folder, &gathered, args.sample, (&originals, &fields), &back)?;
        if !args.quiet {
            anstream::eprintln!("{n} documents to read: {}", folder.join("review.html").display());
        }
    }
    if let Some(folder) = &args.tables {
        audit::export::write(folder, &figures)?;
    }
    match &args.json {
        Some(path) if path.as_os_str() == "-" => {
            anstream::println!("{}", serde_json::to_string_pretty(&figures)?);
        }
        Some(path) => audit::write_json(path, &figures)?,
        None => {}
    }
    if !args.quiet && args.json.as_ref().is_none_or(|path| path.as_os_str() != "-") {
        summary(&figures);
        anstream::println!("report: {}", args.out.display());
    }
    let alerts = figures.notices.iter().any(|notice| notice.level == "alert");
    Ok(if alerts { ExitCode::from(super::DONE_WITH_DAMAGE) } else { ExitCode::SUCCESS })
}

/// A path in the folder of another.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(name)
}

/// The scorer's measured errors: from the file that was given, else those of the built-in model
/// where the rows were made with it.
fn quality(args: &Args, gathered: &Gathered) -> Result<(Quality, Option<String>)> {
    let Some(path) = &args.quality else {
        let models = &gathered.books.versions.models;
        return Ok(Quality::of_models(models, Model::embedded().version())?);
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).context(name.clone())?;
    Ok((Quality::parse(&name, &text)?, None))
}

/// What people answered, checked and put in relation to the corpus.
fn labels(args: &Args, gathered: &Gathered) -> Result<review::Review> {
    let mut all = Vec::new();
    for path in &args.labels {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).context(name.clone())?;
        all.extend(review::parse_labels(&name, &text)?);
    }
    let here = review::versions(&gathered.books.versions);
    let names: Vec<String> = args.labels.iter().map(|p| p.display().to_string()).collect();
    let checked = review::check(&names.join(", "), &all, &here)?;
    Ok(review::review(&checked, &gathered.tally.bands))
}

/// The command that made a report, for its reader to repeat.
pub fn command(words: &[OsString]) -> String {
    let plain = |word: &str| {
        word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c))
            && !word.is_empty()
    };
    words
        .iter()
        .map(|word| remote::shown(&word.to_string_lossy()))
        .enumerate()
        .map(|(i, word)| match (i, plain(&word)) {
            (0, _) => "parable".to_string(),
            (_, true) => word,
            (_, false) => format!("'{}'", word.replace('\'', r"'\''")),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn summary(figures: &audit::Audit) {
    for notice in &figures.notices {
        anstream::eprintln!("{}: {}", notice.level, super::harmless(&notice.text));
    }
    let totals = &figures.totals;
    anstream::println!(
        "{} documents in {} shards, {} scored",
        totals.documents,
        totals.shards,
        totals.scored
    );
    shares(figures);
    if let Some(review) = &figures.review {
        let said = review.prevalence.map_or_else(
            || "no estimate for all documents: some bands have no answers".into(),
            |e| {
                format!(
                    "{} of all documents ({})",
                    percent(e.value),
                    interval(e.low, e.high, e.bound)
                )
            },
        );
        let precision = review.precision.map_or("–".into(), |e| interval(e.low, e.high, e.bound));
        anstream::println!(
            "human check, {} answers: {said}; precision {precision}",
            review.labelled
        );
    }
}

/// Shares of the headline and of every category that occurs, with their intervals.
pub fn shares(figures: &audit::Audit) {
    anstream::println!(
        "{:<24}{:>12}{:>12}   {:<26}corrected for the scorer's errors",
        "",
        "documents",
        "share",
        "95 % interval"
    );
    let tables = figures.tables.iter().filter(|table| table.id.ends_with("_categories"));
    let occurring = tables.flat_map(|t| &t.lines).filter(|line| line.documents > 0);
    for line in figures.headline.iter().chain(occurring) {
        let raw = line.raw.map_or("–".into(), |raw| percent(raw.value));
        let range = line.raw.map_or("–".into(), |raw| interval(raw.low, raw.high, raw.bound));
        let corrected =
            line.corrected.map_or("not measured".into(), |c| interval(c.low, c.high, c.bound));
        anstream::println!(
            "{:<24}{:>12}{raw:>12}   {range:<26}{corrected}",
            line.key,
            line.documents
        );
    }
}

fn interval(low: f64, high: f64, bound: bool) -> String {
    if bound {
        format!("at most {}", percent(high))
    } else {
        format!("{} to {}", percent(low), percent(high))
    }
}

pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent >= 10.0 {
        1
    } else if percent >= 0.1 {
        2
    } else {
        4
    };
    format!("{percent:.digits$} %")
}
