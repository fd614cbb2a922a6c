//! `parable compare`.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::audit::{self, compare};
use crate::portrait::{Features, Portrait};
use crate::shard::{FieldPaths, documents};

/// Moves that are told of each facet.
const MOVES: usize = 12;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable compare before.json after.json -o shift.html\n  parable compare web/audit.json books/audit.json -o shift.html --json shift.json"
)]
pub struct Args {
    /// The first audit.json
    before: PathBuf,
    /// The second audit.json
    after: PathBuf,
    /// The report to write
    #[arg(short, long, default_value = "compare.html")]
    out: PathBuf,
    /// Write the shifts as JSON too; `-` prints them
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Documents that the first audit speaks of; with --after-documents, topics, tone, languages,
    /// dates and domains are compared too
    #[arg(long, value_name = "INPUT", requires = "after_documents")]
    before_documents: Vec<String>,
    /// Documents that the second audit speaks of; weights that a run left in their metadata count
    #[arg(long, value_name = "INPUT", requires = "before_documents")]
    after_documents: Vec<String>,
    /// Compare what different filter sets or models have found
    #[arg(long)]
    allow_mixed: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args, words: &[OsString]) -> Result<ExitCode> {
    let (before, after) = (audit::read_json(&args.before)?, audit::read_json(&args.after)?);
    let names = (args.before.display().to_string(), args.after.display().to_string());
    let mut shifts = compare::compare((&names.0, &before), (&names.1, &after), args.allow_mixed)?;
    if !args.before_documents.is_empty() {
        let before = portrait(&args.before_documents)?;
        shifts.moves = Some(before.moves(&portrait(&args.after_documents)?, MOVES));
    }
    audit::write_comparison(&args.out, &shifts, &super::audit::command(words))?;
    let printed = args.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
    match &args.json {
        Some(_) if printed => anstream::println!("{}", serde_json::to_string_pretty(&shifts)?),
        Some(path) => audit::write_json(path, &shifts)?,
        None => {}
    }
    if !args.quiet && !printed {
        summary(&shifts);
        anstream::println!("report: {}", args.out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What documents look like, each with the weight that a run has given it.
fn portrait(inputs: &[String]) -> Result<Portrait> {
    #[derive(Default, serde::Deserialize)]
    struct Note {
        weight: Option<f64>,
    }
    let mut portrait = Portrait::default();
    let unread = documents::each(inputs, &FieldPaths::default(), |found| -> Result<_> {
        let note: Note = found.note.and_then(|n| serde_json::from_str(n).ok()).unwrap_or_default();
        let source = found.document.source.as_deref();
        let features =
            Features::of(&found.document.text, source, Vec::new(), |key| found.value(key));
        portrait.add(&features, note.weight.unwrap_or(1.0));
        Ok(ControlFlow::Continue(()))
    })?;
    if unread > 0 {
        anstream::eprintln!("{unread} records or damaged places could not be read");
    }
    Ok(portrait)
}

fn summary(shifts: &compare::Comparison) {
    for notice in &shifts.notices {
        anstream::eprintln!("{}: {}", notice.level, super::harmless(&notice.text));
    }
    anstream::println!(
        "{:<14}{:>12}{:>12}   difference with its 95 % interval",
        "",
        "before",
        "after"
    );
    for shift in &shifts.headline {
        let share = |part: &compare::Part| {
            part.raw.map_or("–".into(), |raw| super::audit::percent(raw.value))
        };
        let difference = shift.difference.map_or("–".into(), |d| {
            let unclear = if shift.clear { "" } else { " (no clear shift)" };
            format!(
                "{:+.4} ({:+.4} to {:+.4}) percentage points{unclear}",
                100.0 * d.value,
                100.0 * d.low,
                100.0 * d.high
            )
        });
        anstream::println!(
            "{:<14}{:>12}{:>12}   {difference}",
            shift.key,
            share(&shift.before),
            share(&shift.after)
        );
    }
    for effect in shifts.largest.iter().take(5) {
        let d = effect.shift.difference.map_or(0.0, |d| d.value);
        anstream::println!(
            "moved along: {} {} by {:+.2} percentage points",
            effect.of,
            super::harmless(&effect.shift.key),
            100.0 * d
        );
    }
    shifts.moves.iter().for_each(super::dry_run::moves);
}
