//! `parable run` and `parable scan`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::filter::FilterSet;
use crate::ledger::Ledger;
use crate::pipeline::{self, Pool, Quiet, RunConfig};
use crate::policy::Policy;
use crate::scan::{Gate, GateLevel};
use crate::score::{Aides, Judge, Model};
use crate::shard::remote::{self, Destination};
use crate::shard::{Limits, expand};
use crate::tokens::Tokenizer;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::aides::AideArgs;
use super::dry_run;
use super::fields::FieldArgs;
use super::progress::Progress;

#[derive(Args)]
pub struct Common {
    /// Files, folders, globs, `-` for standard input, `@list` for a listing, or any of these
    /// behind s3://, gs:// or az://, and files behind https://
    #[arg(required = true)]
    inputs: Vec<String>,
    /// Output folder, or s3://, gs://, az:// with --work
    #[arg(short, long)]
    out: PathBuf,
    /// Folder of this machine for the journal and unfinished shards, where outputs go to a URL
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Worker threads; 0 = one for each core
    #[arg(short = 'j', long, default_value_t = 0)]
    threads: usize,
    /// Go on with an interrupted run
    #[arg(long)]
    resume: bool,
    /// Throw an earlier run in the output folder away
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// What is scored: what a quick sieve lets through (fast), also where it is less sure (wide, for
    /// audits), only what names an artificial mind (named), or everything (off)
    #[arg(long, value_enum, default_value_t = GateArg::Fast)]
    gate: GateArg,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Read only the first N records of each piece of a shard
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Write nothing: `scan` lists the shards; `run` scores the records once and tells what each
    /// --policy would do to them
    #[arg(long)]
    dry_run: bool,
    /// Print the ledger as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// No progress and no table
    #[arg(short, long)]
    quiet: bool,
    /// Records that may be quarantined, and damaged shards, without exit status 1: their number or
    /// their share of the records, such as 0.1%
    #[arg(long, value_name = "N|P%", default_value = "0")]
    allow_bad: String,
    /// A filter folder in place of the built-in filters
    #[arg(long, value_name = "DIR")]
    filters: Option<String>,
    /// A model written by `parable fit` in place of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    aides: AideArgs,
    /// A tokenizer.json by which the tokens of every text are counted; costs the time of tokenizing
    /// the corpus
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    #[command(flatten)]
    fields: FieldArgs,
    /// Longest line in bytes
    #[arg(long, default_value_t = Limits::default().line_bytes)]
    max_line_bytes: usize,
    /// Most decompressed bytes for each stored byte
    #[arg(long, default_value_t = Limits::default().expansion)]
    max_expansion: u64,
    /// Deepest nesting of a record's arrays and objects
    #[arg(long, default_value_t = Limits::default().nesting)]
    max_nesting: usize,
    /// Number of this process among --world-size; it takes every world-size-th shard
    #[arg(long, default_value_t = 0, env = "PARABLE_RANK")]
    rank: usize,
    #[arg(long, default_value_t = 1, env = "PARABLE_WORLD_SIZE")]
    world_size: usize,
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  parable run corpora-samples/stories.jsonl corpora-samples/web -o out --policy tag-only\n  parable run corpora-samples/stories.jsonl -o out --dry-run -p mask-enacted -p strict-drop-and-refill"
)]
pub struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// A ready policy by name (see `parable policy list`) or a TOML file; with --dry-run several
    #[arg(short, long, default_value = "tag-only")]
    policy: Vec<String>,
    /// JSON lines from which a policy with `replace` takes documents
    #[arg(long, value_name = "INPUT")]
    refill: Vec<String>,
    /// Bytes of the refill pool that are held in memory; of a larger one a sample
    #[arg(long, default_value_t = 256 << 20)]
    max_refill_bytes: usize,
    /// Write no audit.json and no report.html
    #[arg(long)]
    no_report: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  parable scan 'corpus/*.jsonl.zst' -o out --threads 8")]
pub struct ScanArgs {
    #[command(flatten)]
    common: Common,
}

/// Levels of the gate as they are typed.
#[derive(Clone, Copy, ValueEnum)]
pub enum GateArg {
    Named,
    Fast,
    Wide,
    Off,
}

impl GateArg {
    /// The level that is meant.
    pub fn level(self) -> GateLevel {
        match self {
            GateArg::Named => GateLevel::Named,
            GateArg::Fast => GateLevel::Fast,
            GateArg::Wide => GateLevel::Wide,
            GateArg::Off => GateLevel::Off,
        }
    }
}

impl Common {
    /// The model, and what is asked beside it.
    fn model(&self) -> Result<(Arc<Model>, Aides)> {
        let model = load_model(self.model.as_deref())?;
        let aides = self.aides.load(&model, self.model.as_deref())?;
        Ok((model, aides))
    }
}

pub fn run(args: &RunArgs) -> Result<ExitCode> {
    if args.common.dry_run {
        return preview(&args.common, &args.policy);
    }
    let [policy] = &args.policy[..] else {
        bail!("a run takes one --policy; --dry-run compares several");
    };
    pass(&args.common, policy, Some(args))
}

pub fn scan(args: &ScanArgs) -> Result<ExitCode> {
    pass(&args.common, "tag-only", None)
}

/// A ready policy by its name, or a policy file.
pub fn load_policy(name: &str) -> Result<Policy> {
    if let Some(policy) = Policy::embedded(name) {
        return Ok(policy?);
    }
    if !std::path::Path::new(name).exists() {
        let ready: Vec<&str> = crate::policy::EMBEDDED.iter().map(|(n, _)| *n).collect();
        bail!("{name}: neither a file nor a ready policy ({})", ready.join(", "));
    }
    let text = std::fs::read_to_string(name).with_context(|| name.to_string())?;
    Ok(Policy::parse(name, &text)?)
}

/// Filters to scan with: they must say what names an artificial mind.
pub fn load_filters(folder: Option<&str>) -> Result<Arc<FilterSet>> {
    let filters = super::filters::load(folder)?;
    for name in ["artificial_agents", "gate_hints"] {
        if filters.lexicon(name).is_empty() {
            bail!(
                "{}: no lexicon `{name}`, by which artificial minds are known",
                folder.unwrap_or("built-in filters")
            );
        }
    }
    Ok(filters)
}

/// A tokenizer from a file in the Hugging Face format.
pub fn load_tokenizer(path: &Path) -> Result<Tokenizer> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| name.clone())?;
    Ok(Tokenizer::from_bytes(&name, &bytes)?)
}

/// The built-in model, or one from a file.
pub fn load_model(path: Option<&Path>) -> Result<Arc<Model>> {
    let Some(path) = path else { return Ok(Model::embedded()) };
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(Arc::new(Model::from_bytes(&bytes).with_context(|| path.display().to_string())?))
}

fn pass(args: &Common, policy: &str, run: Option<&RunArgs>) -> Result<ExitCode> {
    let allowed: Allowed = args.allow_bad.parse()?;
    if args.world_size == 0 || args.rank >= args.world_size {
        bail!("--rank {} is not below --world-size {}", args.rank, args.world_size);
    }
    if args.dry_run {
        return list(args);
    }
    let policy = load_policy(policy)?;
    let fields = args.fields.paths();
    let limits = Limits {
        line_bytes: args.max_line_bytes,
        expansion: args.max_expansion,
        nesting: args.max_nesting,
    };
    let refill = match run {
        Some(run) if !run.refill.is_empty() => {
            let most = run.max_refill_bytes;
            Some(Arc::new(Pool::read(&run.refill, &fields, args.seed, most, limits)?))
        }
        Some(_) if policy.replaces() => {
            bail!("the policy `{}` replaces documents: name a pool with --refill", policy.name())
        }
        _ => None,
    };
    let (model, aides) = args.model()?;
    let config = RunConfig {
        refill,
        inputs: args.inputs.clone(),
        out: args.work.clone().unwrap_or_else(|| args.out.clone()),
        upload: destination(args)?,
        scan_only: run.is_none(),
        policy: Arc::new(policy),
        filters: load_filters(args.filters.as_deref())?,
        model,
        aides,
        tokenizer: args.tokenizer.as_deref().map(load_tokenizer).transpose()?.map(Arc::new),
        threads: args.threads,
        resume: args.resume,
        force: args.force,
        seed: args.seed,
        gate: args.gate.level(),
        limit: args.limit,
        fields,
        limits,
        rank: args.rank,
        world: args.world_size,
    };
    let outcome = if args.quiet {
        pipeline::run(&config, &Quiet)?
    } else {
        let progress = Progress::new();
        let outcome = pipeline::run(&config, &progress);
        progress.finish();
        outcome?
    };
    let mut figures = None;
    if run.is_some_and(|run| !run.no_report) {
        // Examples are shown as they came in, not as the policy left them.
        let originals = expand(&config.inputs)?;
        let built_in = Model::embedded();
        let (out, fields) = (&config.out, &config.fields);
        figures = Some(crate::audit::write(out, &originals, fields, built_in.version())?);
        for name in ["audit.json", "report.html"] {
            if let Some(upload) = &config.upload {
                upload.put(&out.join(name), name, &out.join(pipeline::UPLOADS))?;
            }
        }
    }
    let ledger = &outcome.ledger;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(ledger)?);
    } else if !args.quiet {
        super::progress::summary(ledger, &args.out);
        figures.iter().for_each(super::audit::shares);
    }
    if allowed.allows(ledger) {
        return Ok(ExitCode::SUCCESS);
    }
    let damaged = ledger.shards.iter().filter(|page| !page.damage.is_empty()).count();
    anstream::eprintln!(
        "parable: {} records in quarantine, {damaged} damaged shards: {} tells which",
        ledger.totals.quarantined,
        super::harmless(&args.out.join("ledger.json").display().to_string())
    );
    Ok(ExitCode::from(super::DONE_WITH_DAMAGE))
}

/// Where outputs go besides the working folder.
fn destination(args: &Common) -> Result<Option<Arc<Destination>>> {
    let url = args.out.to_str().filter(|out| remote::is_url(out));
    match (url, &args.work) {
        (Some(url), Some(_)) => Ok(Some(Arc::new(Destination::open(url)?))),
        (None, Some(_)) => bail!("--work is for outputs behind a URL; the output folder does here"),
        (_, None) => Ok(None),
    }
}

/// What each policy would do.
fn preview(args: &Common, policies: &[String]) -> Result<ExitCode> {
    let policies: Vec<Policy> = policies.iter().map(|p| load_policy(p)).collect::<Result<_>>()?;
    let (filters, level) = (load_filters(args.filters.as_deref())?, args.gate.level());
    let gate = Gate::new(&filters, level);
    let (model, aides) = args.model()?;
    let judge = Judge::new(model, filters).with(aides);
    let tokenizer = args.tokenizer.as_deref().map(load_tokenizer).transpose()?;
    let plan = dry_run::Plan {
        inputs: &args.inputs,
        fields: &args.fields.paths(),
        gate: level,
        seed: args.seed,
        limit: args.limit,
        threads: args.threads,
        tokenizer: tokenizer.as_ref(),
    };
    let effects = dry_run::run(&plan, &policies, &gate, &judge)?;
    match args.json {
        true => anstream::println!("{}", serde_json::to_string_pretty(&effects)?),
        false => effects.print(),
    }
    Ok(effects.exit())
}

/// The shards that a scan would read.
fn list(args: &Common) -> Result<ExitCode> {
    let inputs = expand(&args.inputs)?;
    let bytes: u64 = inputs.iter().map(|input| input.bytes).sum();
    if args.json {
        let shards: Vec<_> = inputs
            .iter()
            .map(|i| serde_json::json!({"path": i.name(), "bytes": i.bytes}))
            .collect();
        anstream::println!("{}", serde_json::json!({"shards": shards, "bytes": bytes}));
        return Ok(ExitCode::SUCCESS);
    }
    for input in &inputs {
        anstream::println!("{:>14}  {}", input.bytes, super::harmless(&input.name()));
    }
    anstream::println!("{:>14}  {} shards", bytes, inputs.len());
    Ok(ExitCode::SUCCESS)
}

/// How much damage still counts as done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Allowed {
    Records(u64),
    Share(f64),
}

impl std::str::FromStr for Allowed {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            format!("--allow-bad {text}: a number of records or a share such as 0.1% was expected")
        };
        if let Some(percent) = text.strip_suffix('%') {
            let share: f64 = percent.trim().parse().with_context(wrong)?;
            if !(0.0..=100.0).contains(&share) {
                bail!("{}", wrong());
            }
            return Ok(Allowed::Share(share / 100.0));
        }
        Ok(Allowed::Records(text.parse().with_context(wrong)?))
    }
}

impl Allowed {
    fn allows(self, ledger: &Ledger) -> bool {
        if !ledger.has_bad() {
            return true;
        }
        let damaged = ledger.shards.iter().filter(|page| !page.damage.is_empty()).count() as u64;
        let bad = ledger.totals.quarantined + damaged;
        match self {
            Allowed::Records(most) => bad <= most,
            Allowed::Share(share) => bad as f64 <= share * ledger.totals.records_in as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowances_are_counts_or_shares() {
        assert_eq!("3".parse::<Allowed>().expect("a count"), Allowed::Records(3));
        assert_eq!("0.5%".parse::<Allowed>().expect("a share"), Allowed::Share(0.005));
        assert!("many".parse::<Allowed>().is_err());
        assert!("200%".parse::<Allowed>().is_err());
    }
}
