//! `parable plan`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::dry_run::{self, Effects};

use crate::composition::Composition;
use crate::plan::{self, Options, Plan, Target};
use crate::policy::{CopyMode, Policy};
use crate::shard::output;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable plan out/audit.json --target 'enacted <= 10% of itself' -o policy.toml\n  parable plan out/audit.json --target 'admirable = 1% of tokens' --target 'sources within 0.5 points' --target 'tokens same' --realise copies -o policy.toml\n\nTargets: TRAIT <= 10% of itself; TRAIT = 1% of tokens; source:NAME >= 5% of tokens (each with =, <= or >=); sources within 0.5 points; tokens within 1%; tokens same. A trait is coercion, enacted, admirable or a category, as scored at 0.5 and above. Shares are of tokens where the run had a --tokenizer; else of the text's bytes, which stand for its tokens."
)]
pub struct Args {
    /// An audit.json or ledger.json, or the output folder of a run or scan
    audit: PathBuf,
    /// What the composition should come to; may be given several times
    #[arg(short, long = "target", required = true, value_name = "EXPR")]
    targets: Vec<String>,
    /// The policy to write
    #[arg(short, long, default_value = "policy.toml")]
    out: PathBuf,
    /// Greatest weight of any document
    #[arg(long, default_value_t = 10.0)]
    max_weight: f64,
    /// Whether weights stand in the metadata, for a sampler, or become copies
    #[arg(long, value_enum, default_value_t = Realise::Metadata)]
    realise: Realise,
    /// The documents that were scanned: read once more to tell what the weights do to sources,
    /// lengths, languages, dates, domains, topics, tone, and to what goes together. They are scored
    /// by the built-in filters and model, at the gate's default, as `text`, `id` and `source`
    #[arg(long, value_name = "INPUT")]
    documents: Vec<String>,
    /// Print classes, weights and predicted shares as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Realise {
    Metadata,
    Copies,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if !(args.max_weight.is_finite() && (1.0..=1000.0).contains(&args.max_weight)) {
        bail!("--max-weight {}: not between 1 and 1000", args.max_weight);
    }
    let targets = args
        .targets
        .iter()
        .map(|text| Ok((text.clone(), Target::parse(text)?)))
        .collect::<Result<Vec<_>>>()?;
    let composition = read(&args.audit)?;
    let realise = match args.realise {
        Realise::Metadata => CopyMode::Metadata,
        Realise::Copies => CopyMode::Copies,
    };
    let options = Options { most: args.max_weight, realise };
    let plan = plan::plan(&composition.lines(), &targets, options)?;
    let mut text = String::from(
        "# Written by `parable plan`; weights and predictions hold for the corpus it was given.\n",
    );
    text.push_str(&toml::to_string(&plan.policy(&targets))?);
    output::write_whole(&args.out, text.as_bytes())
        .with_context(|| args.out.display().to_string())?;
    let policy = Policy::parse(&args.out.display().to_string(), &text)?;
    let effects = match args.documents.as_slice() {
        [] => None,
        documents => Some(dry_run::of_policy(documents, &policy)?),
    };
    if args.json {
        let report = Report { plan: &plan, effects: effects.as_ref() };
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else if !args.quiet {
        anstream::print!("{}", table(&plan));
        anstream::println!("policy: {}", args.out.display());
        if let Some(effects) = &effects {
            effects.print();
        }
    }
    Ok(effects.map_or(ExitCode::SUCCESS, |effects| effects.exit()))
}

/// A plan, and what it does to the documents it was shown.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    effects: Option<&'a Effects<'a>>,
}

/// What `audit.json` and `ledger.json` have in common.
#[derive(Deserialize)]
struct Composed {
    composition: Option<Composition>,
}

fn read(path: &Path) -> Result<Composition> {
    let path = if path.is_dir() { path.join("ledger.json") } else { path.to_path_buf() };
    let name = path.display().to_string();
    let bytes = std::fs::read(&path).with_context(|| name.clone())?;
    let composed: Composed = serde_json::from_slice(&bytes).with_context(|| name.clone())?;
    match composed.composition {
        Some(composition) => Ok(composition),
        None => bail!("{name}: no `composition` in it: it was written by an earlier version"),
    }
}

fn table(plan: &Plan) -> String {
    let mut out = String::new();
    let unit = if plan.in_tokens { "tokens" } else { "bytes" };
    let _ = writeln!(out, "{:>8}  {:>12}  {:>16}  class", "weight", "documents", unit);
    for class in &plan.classes {
        let ids = class.traits.ids();
        let traits = if ids.is_empty() { "none of these".into() } else { ids.join("+") };
        let source = match (&class.source, class.sourceless) {
            (Some(source), _) => format!(" in {}", super::harmless(source)),
            (None, true) => " without source".into(),
            (None, false) => String::new(),
        };
        let _ = writeln!(
            out,
            "{:>8.4}  {:>12}  {:>16}  {traits}{source}",
            class.weight, class.documents, class.bytes
        );
    }
    let _ = writeln!(
        out,
        "\n{:<28}  {:>9}  {:>9}  95 % interval",
        format!("share of {unit}"),
        "before",
        "predicted"
    );
    for share in &plan.predicted {
        let _ = writeln!(
            out,
            "{:<28}  {:>8.4}%  {:>8.4}%  {:.4}% to {:.4}%",
            super::harmless(&share.what),
            100.0 * share.before,
            100.0 * share.share,
            100.0 * share.low,
            100.0 * share.high
        );
    }
    out
}
