//! `run --dry-run`: what policies would do, from one reading and without writing anything.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Result;

use crate::policy::preview::{Part, Preview};
use crate::policy::{Facts, Policy};
use crate::scan::{Gate, GateLevel};
use crate::score::{Judge, Verdict};
use crate::shard::FieldPaths;
use crate::text::span::count_chars;

/// What a dry run is told.
pub struct Plan<'a> {
    pub inputs: &'a [String],
    pub fields: &'a FieldPaths,
    pub policies: &'a [Policy],
    pub gate: GateLevel,
    pub seed: u64,
    pub limit: Option<u64>,
    pub json: bool,
}

/// Reads every record once, lets each policy decide on it, and prints what came of it.
///
/// # Errors
/// Where an input cannot be read.
pub fn run(plan: &Plan<'_>, gate: &Gate, judge: &mut Judge) -> Result<ExitCode> {
    let mut previews: Vec<Preview> = plan.policies.iter().map(Preview::new).collect();
    let mut left = plan.limit.unwrap_or(u64::MAX);
    let unread =
        super::documents::each("run --dry-run", plan.inputs, plan.fields, |document, metadata| {
            if left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            let text: &str = &document.text;
            let admitted = gate.admits(text.as_bytes());
            let verdict = admitted.then(|| judge.sift(document, plan.gate)).flatten();
            let verdict = verdict.unwrap_or_else(Verdict::default);
            let facts = Facts {
                id: &document.id,
                source: document.source.as_deref(),
                chars: count_chars(text.as_bytes()) as u64,
                metadata,
            };
            previews.iter_mut().for_each(|p| p.add(text, &verdict, &facts, plan.seed));
            Ok(ControlFlow::Continue(()))
        })?;
    if plan.json {
        let report = serde_json::json!({ "policies": previews, "unread": unread });
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        table(&previews);
        previews.iter().for_each(detail);
        if unread > 0 {
            anstream::println!("\n{unread} records or damaged places could not be read");
        }
    }
    Ok(if unread > 0 { ExitCode::from(super::DONE_WITH_DAMAGE) } else { ExitCode::SUCCESS })
}

fn table(previews: &[Preview<'_>]) {
    anstream::println!(
        "{:24} {:>11} {:>11} {:>9} {:>9}  does",
        "policy",
        "read",
        "touched",
        "share",
        "bytes"
    );
    for preview in previews {
        let does: Vec<String> = preview
            .actions
            .iter()
            .filter(|(name, _)| **name != "keep")
            .map(|(name, amount)| format!("{name} {}", amount.documents))
            .collect();
        let Part { touched, all } = preview.total;
        anstream::println!(
            "{:24} {:>11} {:>11} {:>9} {:>9}  {}",
            super::harmless(&preview.policy),
            all.documents,
            touched.documents,
            percent(touched.documents, all.documents),
            percent(touched.bytes, all.bytes),
            if does.is_empty() { "nothing".into() } else { does.join(", ") }
        );
    }
}

/// Where the touched documents lie, and the first that each rule decided on.
fn detail(preview: &Preview<'_>) {
    if preview.total.touched.documents == 0 {
        return;
    }
    anstream::println!("\n{}", super::harmless(&preview.policy));
    let mut sources: Vec<(&String, &Part)> =
        preview.sources.iter().filter(|(_, part)| part.touched.documents > 0).collect();
    sources.sort_by_key(|(name, part)| (std::cmp::Reverse(part.touched.documents), *name));
    for (name, part) in sources.iter().take(5) {
        line(&format!("source {}", super::harmless(name)), part);
    }
    let names = ["up to 500", "up to 2,000", "up to 8,000", "up to 32,000", "longer"];
    for (name, part) in names.iter().zip(&preview.lengths) {
        if part.touched.documents > 0 {
            line(&format!("{name} characters"), part);
        }
    }
    for example in &preview.examples {
        anstream::println!(
            "  {} by {}: {} ({:.2}) {}…",
            example.action,
            example.rule,
            super::harmless(&example.id),
            example.coercion,
            super::harmless(&example.text.replace('\n', " "))
        );
    }
    if preview.faults > 0 {
        anstream::println!("  {} times a rule could not be evaluated", preview.faults);
    }
}

fn line(name: &str, part: &Part) {
    anstream::println!(
        "  {name:32} {:>9} of {:>9} documents, {} of their bytes",
        part.touched.documents,
        part.all.documents,
        percent(part.touched.bytes, part.all.bytes)
    );
}

fn percent(part: u64, all: u64) -> String {
    format!("{:.2} %", 100.0 * part as f64 / all.max(1) as f64)
}
