//! `parable audit`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::audit::{self, Quality, Reading, examples};
use crate::shard::{FieldPaths, expand};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable audit out -o report.html --json audit.json\n  parable audit rank-0 rank-1 -o report.html\n  parable audit out/attributes/parable -o report.html --documents corpus/"
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
    /// Show figures only, no text of the corpus
    #[arg(long, conflicts_with = "documents")]
    no_examples: bool,
    /// Counts of right and wrong answers of the scorer, in place of those of the built-in model
    #[arg(long, value_name = "FILE")]
    quality: Option<PathBuf>,
    /// Decides which documents are shown
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Add up what different filter sets or models have found
    #[arg(long)]
    allow_mixed: bool,
    /// Bytes of text for each token, for the estimates in tokens
    #[arg(long, default_value_t = audit::BYTES_PER_TOKEN)]
    bytes_per_token: f64,
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

pub fn run(args: &Args, words: &[OsString]) -> Result<ExitCode> {
    anyhow::ensure!(
        args.bytes_per_token.is_finite() && args.bytes_per_token > 0.0,
        "--bytes-per-token {}: a number above 0 was expected",
        args.bytes_per_token
    );
    let quality = match &args.quality {
        None => Quality::embedded()?,
        Some(path) => {
            let name = path.display().to_string();
            Quality::parse(&name, &std::fs::read_to_string(path).context(name.clone())?)?
        }
    };
    let reading = Reading { seed: args.seed, review: 0, allow_mixed: args.allow_mixed };
    let gathered = audit::gather(&args.inputs, reading)?;
    let figures = audit::audit(&gathered, &quality, args.bytes_per_token);
    let shown = if args.no_examples {
        Vec::new()
    } else {
        let originals =
            if args.documents.is_empty() { Vec::new() } else { expand(&args.documents)? };
        let fields = FieldPaths {
            text: args.text_field.clone(),
            id: args.id_field.clone(),
            ..FieldPaths::default()
        };
        examples::find(&gathered, &originals, &fields)?
    };
    audit::write_report(&args.out, &figures, &shown, &command(words))?;
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

/// The command that made a report, for its reader to repeat.
pub fn command(words: &[OsString]) -> String {
    let plain = |word: &str| {
        word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c))
            && !word.is_empty()
    };
    words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
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
    anstream::println!(
        "{:<14}{:>12}{:>12}   {:<26}corrected for the scorer's errors",
        "",
        "documents",
        "share",
        "95 % interval"
    );
    for line in &figures.headline {
        let raw = line.raw.map_or("–".into(), |raw| percent(raw.value));
        let range = line.raw.map_or("–".into(), |raw| interval(raw.low, raw.high, raw.bound));
        let corrected =
            line.corrected.map_or("not measured".into(), |c| interval(c.low, c.high, c.bound));
        anstream::println!(
            "{:<14}{:>12}{raw:>12}   {range:<26}{corrected}",
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
