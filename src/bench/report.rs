//! The figures of one measurement: as data for later comparison, and as a table for a person.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::steps::Seen;

/// Everything that one `parable bench` has measured. GB are 10^9 bytes of decompressed records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub parable: String,
    /// False for a debug build, whose figures mean nothing.
    pub optimised: bool,
    pub filter_set: String,
    pub model: String,
    pub gate: String,
    pub policy: String,
    pub machine: Machine,
    pub corpus: Corpus,
    pub rounds: usize,
    /// What has to be loaded and compiled before the first record, in milliseconds of CPU time.
    pub start_up: Vec<(String, f64)>,
    pub steps: Vec<StepCost>,
    /// Slowest first.
    pub rules: Vec<RuleCost>,
    pub threads: Vec<ThreadCost>,
    /// Over all whole passes.
    pub peak_memory_bytes: Option<u64>,
}

/// Facts of the machine that decide speed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub system: String,
}

impl Machine {
    pub(super) fn read() -> Self {
        let field = |path: &str, name: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name))?.to_string();
            Some(line.split_once(':')?.1.trim().to_string())
        };
        let memory = field("/proc/meminfo", "MemTotal").and_then(|value| {
            value.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        });
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.unwrap_or(0),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Corpus {
    pub source: String,
    pub shards: usize,
    pub pieces: usize,
    pub stored_bytes: u64,
    pub bytes: u64,
    pub records: u64,
    pub admitted: u64,
    pub admitted_bytes: u64,
    #[serde(default)]
    pub scored: u64,
    pub flagged: u64,
    pub changed: u64,
}

impl Corpus {
    /// Early steps see less than later ones: the most that any step has seen counts.
    pub(super) fn take(&mut self, seen: &Seen) {
        self.pieces = self.pieces.max(seen.pieces);
        self.bytes = self.bytes.max(seen.bytes);
        self.records = self.records.max(seen.records);
        self.admitted = self.admitted.max(seen.admitted);
        self.admitted_bytes = self.admitted_bytes.max(seen.admitted_bytes);
        self.scored = self.scored.max(seen.scored);
        self.flagged = self.flagged.max(seen.flagged);
        self.changed = self.changed.max(seen.changed);
    }
}

/// A step and what it costs, what stands before it included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepCost {
    pub name: String,
    pub does: String,
    pub cpu_s_per_gb: f64,
    /// To bare decompression.
    pub ratio: f64,
}

/// The cost of a rule on an admitted document, wall time on one thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleCost {
    pub id: String,
    pub microseconds_per_document: f64,
    /// Of the time of all rules.
    pub share: f64,
    pub hits: u64,
}

/// A whole pass with so many threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThreadCost {
    pub verb: String,
    pub threads: usize,
    pub wall_s: f64,
    pub cpu_s: f64,
    pub cpu_s_per_gb: f64,
    pub mb_per_s: f64,
    /// Wall time of one thread by that of these.
    pub speedup: f64,
}

impl ThreadCost {
    pub(super) fn new(verb: &str, threads: usize) -> Self {
        let verb = verb.to_string();
        let (wall_s, cpu_s) = (f64::INFINITY, f64::INFINITY);
        Self { verb, threads, wall_s, cpu_s, cpu_s_per_gb: 0.0, mb_per_s: 0.0, speedup: 0.0 }
    }

    pub(super) fn take(&mut self, wall: Duration, cpu: Duration, bytes: u64) {
        self.wall_s = self.wall_s.min(wall.as_secs_f64());
        self.cpu_s = self.cpu_s.min(cpu.as_secs_f64());
        let gigabytes = (bytes as f64 / 1e9).max(f64::MIN_POSITIVE);
        self.cpu_s_per_gb = self.cpu_s / gigabytes;
        self.mb_per_s = gigabytes * 1e3 / self.wall_s;
    }
}

/// Fills in how much faster than one thread each pass is.
pub(super) fn speedups(costs: &mut [ThreadCost]) {
    let alone: Vec<(String, f64)> =
        costs.iter().filter(|c| c.threads == 1).map(|c| (c.verb.clone(), c.wall_s)).collect();
    for cost in costs {
        let one = alone.iter().find(|(verb, _)| *verb == cost.verb);
        cost.speedup = one.map_or(0.0, |(_, wall)| wall / cost.wall_s);
    }
}

/// Name, meaning and CPU seconds of each step as costs per GB and as ratios to the yard.
pub(super) fn costs(
    steps: impl Iterator<Item = (&'static str, &'static str, f64)>,
    bytes: u64,
    yard: f64,
) -> Vec<StepCost> {
    let gigabytes = (bytes as f64 / 1e9).max(f64::MIN_POSITIVE);
    steps
        .map(|(name, does, seconds)| StepCost {
            name: name.into(),
            does: does.into(),
            cpu_s_per_gb: seconds / gigabytes,
            ratio: seconds / yard.max(f64::MIN_POSITIVE),
        })
        .collect()
}

/// The report for a person; of the rules the slowest `rules`.
#[must_use]
pub fn table(report: &Report, rules: usize) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = head(report, &mut out);
    let _ = steps(report, &mut out);
    let _ = slowest(report, rules, &mut out);
    out
}

fn head(report: &Report, out: &mut String) -> std::fmt::Result {
    let (machine, corpus) = (&report.machine, &report.corpus);
    if !report.optimised {
        writeln!(out, "a debug build: these figures say nothing about a release build\n")?;
    }
    writeln!(
        out,
        "parable {}, model {}, filters {}, gate {}, policy {}",
        report.parable, report.model, report.filter_set, report.gate, report.policy
    )?;
    writeln!(
        out,
        "{}, {} cores, {:.0} GB, {}",
        machine.processor,
        machine.cores,
        machine.memory_bytes as f64 / 1e9,
        machine.system
    )?;
    writeln!(
        out,
        "{}: {} shards, {} pieces, {:.1} MB stored, {:.1} MB, {} records",
        corpus.source,
        corpus.shards,
        corpus.pieces,
        corpus.stored_bytes as f64 / 1e6,
        corpus.bytes as f64 / 1e6,
        corpus.records
    )?;
    if corpus.admitted > 0 {
        writeln!(
            out,
            "admitted {:.1} % of the records, {:.1} % of the bytes; {} scored, {} flagged, {} changed by the policy",
            100.0 * corpus.admitted as f64 / corpus.records.max(1) as f64,
            100.0 * corpus.admitted_bytes as f64 / corpus.bytes.max(1) as f64,
            corpus.scored,
            corpus.flagged,
            corpus.changed
        )?;
    }
    if !report.start_up.is_empty() {
        let parts: Vec<String> =
            report.start_up.iter().map(|(name, ms)| format!("{name} {ms:.0} ms")).collect();
        writeln!(out, "start-up: {}", parts.join(", "))?;
    }
    Ok(())
}

fn steps(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n{:<12} {:>10} {:>9}", "step", "CPU s/GB", "x decode")?;
    for step in &report.steps {
        writeln!(
            out,
            "{:<12} {:>10.2} {:>9.2}  {}",
            step.name, step.cpu_s_per_gb, step.ratio, step.does
        )?;
    }
    let yard = report.steps.first().map_or(0.0, |step| step.cpu_s_per_gb);
    writeln!(
        out,
        "\n{:<5} {:>7} {:>9} {:>10} {:>9} {:>9} {:>8}",
        "whole", "threads", "MB/s", "CPU s/GB", "x decode", "wall s", "speed-up"
    )?;
    for pass in &report.threads {
        writeln!(
            out,
            "{:<5} {:>7} {:>9.1} {:>10.2} {:>9.2} {:>9.2} {:>8.2}",
            pass.verb,
            pass.threads,
            pass.mb_per_s,
            pass.cpu_s_per_gb,
            pass.cpu_s_per_gb / yard.max(f64::MIN_POSITIVE),
            pass.wall_s,
            pass.speedup
        )?;
    }
    if let Some(bytes) = report.peak_memory_bytes {
        writeln!(
            out,
            "peak memory {:.0} MB; best of {} rounds",
            bytes as f64 / 1e6,
            report.rounds
        )?;
    }
    Ok(())
}

fn slowest(report: &Report, rules: usize, out: &mut String) -> std::fmt::Result {
    if report.rules.is_empty() || rules == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "\nslowest of {} rules, if each ran on every admitted document",
        report.rules.len()
    )?;
    writeln!(out, "{:>8} {:>7} {:>7}  rule", "µs/doc", "share", "hits")?;
    for rule in report.rules.iter().take(rules) {
        writeln!(
            out,
            "{:>8.1} {:>6.1}% {:>7}  {}",
            rule.microseconds_per_document,
            rule.share * 100.0,
            rule.hits,
            rule.id
        )?;
    }
    Ok(())
}
