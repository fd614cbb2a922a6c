//! What a person sees while a run goes on, and at its end.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::ledger::{Counts, Ledger};
use crate::pipeline::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; a line every ten seconds elsewhere.
pub struct Progress {
    bar: OnceLock<ProgressBar>,
    shards: AtomicU64,
    done: AtomicU64,
    sum: Mutex<Counts>,
    started: Instant,
    said: Mutex<Instant>,
}

const EVERY: Duration = Duration::from_secs(10);

impl Progress {
    pub fn new() -> Self {
        Self {
            bar: OnceLock::new(),
            shards: AtomicU64::new(0),
            done: AtomicU64::new(0),
            sum: Mutex::default(),
            started: Instant::now(),
            said: Mutex::new(Instant::now()),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, sum: &Counts) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        format!(
            "{}/{} shards  {} documents  {:.0}/s  {:.0} MB/s  {} flagged  {} quarantined",
            self.done.load(Ordering::Relaxed),
            self.shards.load(Ordering::Relaxed),
            sum.records_in,
            sum.records_in as f64 / seconds,
            sum.bytes_decoded as f64 / 1e6 / seconds,
            sum.flagged,
            sum.quarantined
        )
    }
}

impl Observer for Progress {
    fn begin(&self, shards: usize, bytes: u64) {
        self.shards.store(shards as u64, Ordering::Relaxed);
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(bytes);
            if let Ok(style) = ProgressStyle::with_template("{bar:20} {msg}  eta {eta}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            let _ = self.bar.set(bar);
        }
    }

    fn progress(&self, added: &Counts) {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(added);
        if let Some(bar) = self.bar.get() {
            bar.set_message(self.line(&sum));
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            anstream::eprintln!("{}", self.line(&sum));
        }
    }

    fn shard_done(&self, _name: &str) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self, stored: u64) {
        if let Some(bar) = self.bar.get() {
            bar.inc(stored);
        }
    }

    fn note(&self, message: &str) {
        let message = format!("warning: {}", super::harmless(message));
        match self.bar.get() {
            Some(bar) => bar.println(message),
            None => anstream::eprintln!("{message}"),
        }
    }
}

/// Predicted and realised shares, where the policy came from a plan.
fn planned(ledger: &Ledger) {
    if ledger.planned.is_empty() {
        return;
    }
    anstream::println!("{:<28}{:>10}{:>10}   realised", "share of tokens", "before", "planned");
    for share in &ledger.planned {
        let realised = share.realised.map_or("–".into(), |r| format!("{:.4}%", 100.0 * r));
        let outside = if share.within { "" } else { " (outside the predicted interval)" };
        anstream::println!(
            "{:<28}{:>9.4}%{:>9.4}%   {realised}{outside}",
            super::harmless(&share.what),
            100.0 * share.before,
            100.0 * share.predicted
        );
    }
}

/// The table at the end of a run.
pub fn summary(ledger: &Ledger, out: &Path) {
    let totals = &ledger.totals;
    let share = |n: u64| {
        if totals.records_in == 0 { 0.0 } else { 100.0 * n as f64 / totals.records_in as f64 }
    };
    anstream::println!("{:<22}{:>12}{:>10}", "", "records", "share");
    let rows = [
        ("read", totals.records_in),
        ("cleared by the gate", totals.cleared),
        ("flagged", totals.flagged),
        ("kept as they were", totals.kept),
        ("tagged", totals.tagged),
        ("weighted", totals.weighted),
        ("masked", totals.masked),
        ("conditioned", totals.conditioned),
        ("replaced", totals.replaced),
        ("dropped", totals.dropped),
        ("quarantined", totals.quarantined),
    ];
    for (name, n) in rows {
        if n > 0 || matches!(name, "read" | "flagged" | "quarantined") {
            anstream::println!("{name:<22}{n:>12}{:>9.3}%", share(n));
        }
    }
    let idle: Vec<&str> =
        ledger.policy_rules.iter().filter(|(_, n)| **n == 0).map(|(id, _)| id.as_str()).collect();
    if !idle.is_empty() {
        anstream::println!("policy rules that decided on nothing: {}", idle.join(", "));
    }
    if totals.policy_faults > 0 {
        anstream::println!(
            "{} evaluations of policy rules failed; such a rule did not apply",
            totals.policy_faults
        );
    }
    planned(ledger);
    let damaged: Vec<_> = ledger.shards.iter().filter(|page| !page.damage.is_empty()).collect();
    if !damaged.is_empty() {
        anstream::println!("{} damaged shards, named in the ledger:", damaged.len());
        for page in damaged.iter().take(10) {
            anstream::println!(
                "  {}: {}",
                super::harmless(&page.path),
                super::harmless(&page.damage[0].message)
            );
        }
    }
    let seconds = ledger.run["seconds"].as_f64().unwrap_or(0.0).max(1e-3);
    anstream::println!(
        "{} shards, {:.1} MB decoded in {seconds:.2} s ({:.0} MB/s); outputs in {}",
        ledger.shards.len(),
        totals.bytes_decoded as f64 / 1e6,
        totals.bytes_decoded as f64 / 1e6 / seconds,
        out.display()
    );
}
