//! `parable compare`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::audit::{self, compare};

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
    let shifts = compare::compare((&names.0, &before), (&names.1, &after), args.allow_mixed)?;
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
}
