//! `parable bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::run::GateArg;
use crate::bench::{self, Report, Settings, clock};
use crate::document::Document;
use crate::filter::FilterSet;
use crate::scan::{Gate, Scanner};
use crate::score::{Model, Scorer};
use crate::shard::FieldPaths;

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  parable bench 'corpus/*.jsonl.zst' --json > before.json\n  parable bench 'corpus/*.jsonl.zst' --compare before.json\n\nEvery step does what the one before it does and one thing more. CPU time is that of all threads;\nGB are 10^9 bytes of decompressed records. Figures of one run compare with each other only: the\nratio to decompression is what to quote."
)]
pub struct Args {
    /// Files, folders, globs or `@list`; without any a corpus is generated
    inputs: Vec<String>,
    /// Size of the generated corpus before compression: bytes, or with K, M or G
    #[arg(long, default_value = "64M")]
    size: String,
    /// Rounds in which all steps take turns; the best of each counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Time the whole pass with 1, 2, 4… up to this many threads; 0 = one for each core
    #[arg(short = 'j', long, default_value_t = 0)]
    threads: usize,
    /// What is read at all: fast, wide or off
    #[arg(long, value_enum, default_value_t = GateArg::Fast)]
    gate: GateArg,
    /// The policy of the steps `policy` and `run`
    #[arg(short, long, default_value = "tag-only")]
    policy: String,
    /// A filter folder in place of the built-in filters
    #[arg(long, value_name = "DIR")]
    filters: Option<String>,
    /// A model written by `parable fit` in place of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Seed of the generated corpus
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Slowest rules to list
    #[arg(long, default_value_t = 10)]
    rules: usize,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Compare with figures that an earlier `--json` wrote
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Folder for the generated corpus and the outputs; a temporary one where none is given
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Do not say what is being measured
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let before = args.compare.as_deref().map(read).transpose()?;
    let folder = match &args.scratch {
        Some(parent) => tempfile::tempdir_in(parent)
            .with_context(|| format!("--scratch {}", parent.display()))?,
        None => tempfile::tempdir()?,
    };
    let (filters, model, start_up) = start_up(args)?;
    let settings = Settings {
        inputs: args.inputs.clone(),
        size: bytes(&args.size)?,
        seed: args.seed,
        rounds: usize::try_from(args.rounds)?,
        threads: match args.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        },
        gate: args.gate.level(),
        policy: Arc::new(super::run::load_policy(&args.policy)?),
        filters,
        model,
        fields: FieldPaths::default(),
        scratch: folder.path().to_path_buf(),
    };
    let told = |what: &str| {
        if !args.quiet {
            anstream::eprintln!("{what}");
        }
    };
    let mut report = bench::run(&settings, &told)?;
    report.start_up = start_up;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        anstream::print!("{}", super::harmless(&bench::table(&report, args.rules)));
    }
    if let Some(before) = before {
        let table = super::harmless(&bench::compare(&before, &report));
        // Standard output belongs to the JSON where that was asked for.
        if args.json {
            anstream::eprint!("\n{table}");
        } else {
            anstream::print!("\n{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &std::path::Path) -> Result<Report> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| {
        format!("{}: not what `parable bench --json` of this version writes", path.display())
    })
}

/// Names and milliseconds of CPU time.
type Laps = Vec<(String, f64)>;

/// Loads what a run loads, with the CPU time of each part in milliseconds.
fn start_up(args: &Args) -> Result<(Arc<FilterSet>, Arc<Model>, Laps)> {
    let mut parts = Laps::new();
    let mut last = clock::cpu();
    let mut lap = |name: &str| {
        let now = clock::cpu();
        parts.push((name.to_string(), (now - last).as_secs_f64() * 1e3));
        last = now;
    };
    let filters = super::run::load_filters(args.filters.as_deref())?;
    lap("filters");
    let model = super::run::load_model(args.model.as_deref())?;
    lap("model");
    std::hint::black_box(Gate::new(&filters, args.gate.level()));
    lap("gate");
    let document = Document::plain("", "The assistant would not let itself be switched off.");
    std::hint::black_box(Scorer::new(model.clone()).score(&document));
    lap("first score");
    std::hint::black_box(Scanner::new(filters.clone()).scan(&document));
    lap("first rules");
    Ok((filters, model, parts))
}

/// A size such as `64M`, in powers of ten as disks count.
fn bytes(text: &str) -> Result<u64> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => bail!("--size {text}: a number of bytes was expected, such as 500000, 64M or 2G"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_have_a_letter() {
        assert_eq!(bytes("500").expect("a size"), 500);
        assert_eq!(bytes("64M").expect("a size"), 64_000_000);
        assert_eq!(bytes("2G").expect("a size"), 2_000_000_000);
        for wrong in ["", "M", "-3", "0", "12 MB", "99999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
