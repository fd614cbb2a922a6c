//! `parable filters`: lint and test rules, browse them, begin one.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::document::Document;
use crate::filter::check::{Remark, lint};
use crate::filter::{FilterSet, SourceFile};
use crate::scan::Scanner;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable filters check\n  parable filters check my-filters/\n  parable filters show blackmail/secret_for_silence\n  parable filters new blackmail/my_rule > filters/rules/blackmail/my_rule.toml"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Lint every rule and run its examples
    Check {
        /// A filter folder; without it the built-in filters
        folder: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Ids and summaries
    List {
        folder: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// One rule, as it is written
    Show { id: String },
    /// Print the beginning of a new rule
    New { id: String },
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        // Compiled here and now, so that every fault is told.
        What::Check { folder: None, json } => {
            check(&Arc::new(FilterSet::compile(&FilterSet::embedded_files())?), *json)
        }
        What::Check { folder, json } => check(&load(folder.as_deref())?, *json),
        What::List { folder, json } => list(&load(folder.as_deref())?, *json),
        What::Show { id } => show(id),
        What::New { id } => new(id),
    }
}

/// The built-in filters, or those of a folder.
pub fn load(folder: Option<&str>) -> Result<Arc<FilterSet>> {
    let Some(folder) = folder else { return Ok(FilterSet::embedded().clone()) };
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.with_context(|| folder.to_string())?;
        let path = entry.path();
        let inside = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let ours = ["rules", "lexicons", "frames"].iter().any(|part| inside.starts_with(part));
        if ours && path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            files.push(SourceFile { path: path.display().to_string(), text });
        }
    }
    if files.is_empty() {
        bail!("{folder}: no rules, lexicons or frames folder with .toml files in it");
    }
    Ok(Arc::new(FilterSet::compile(&files)?))
}

/// Lint and examples of every rule.
#[must_use]
pub fn remarks(filters: &Arc<FilterSet>) -> Vec<Remark> {
    let mut scanner = Scanner::new(filters.clone());
    let mut remarks = Vec::new();
    for (nth, rule) in filters.rules().iter().enumerate() {
        remarks.extend(lint(rule));
        let mut hits = |text: &str| {
            scanner.scan(&Document::plain("example", text)).hits.iter().any(|hit| hit.rule == nth)
        };
        let said = |code, text: &str| Remark {
            path: rule.path.clone(),
            rule: rule.file.id.clone(),
            error: true,
            code,
            message: text.to_string(),
        };
        for example in &rule.file.matches {
            if !hits(&example.text) {
                remarks.push(said("example_missed", &example.text));
            }
        }
        for example in &rule.file.passes {
            if hits(&example.text) {
                remarks.push(said("lookalike_hit", &example.text));
            }
        }
    }
    remarks
}

fn check(filters: &Arc<FilterSet>, json: bool) -> Result<ExitCode> {
    let remarks = remarks(filters);
    let errors = remarks.iter().filter(|remark| remark.error).count();
    if json {
        anstream::println!(
            "{}",
            serde_json::json!({"rules": filters.rules().len(), "errors": errors, "remarks": remarks})
        );
    } else {
        for remark in &remarks {
            let kind = if remark.error { "error" } else { "warning" };
            anstream::println!(
                "{}: {kind}[{}]: {}",
                remark.path,
                remark.code,
                super::harmless(&remark.message)
            );
        }
        let examples: usize =
            filters.rules().iter().map(|r| r.file.matches.len() + r.file.passes.len()).sum();
        anstream::println!(
            "{} rules, {examples} examples, {errors} errors, {} warnings; filter set {}",
            filters.rules().len(),
            remarks.len() - errors,
            filters.version()
        );
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::DONE_WITH_DAMAGE) })
}

fn list(filters: &Arc<FilterSet>, json: bool) -> Result<ExitCode> {
    if json {
        let rules: Vec<_> = filters.rules().iter().map(|r| serde_json::json!({"id": r.file.id, "summary": r.file.summary, "strength": r.file.strength, "path": r.path})).collect();
        anstream::println!("{}", serde_json::Value::Array(rules));
        return Ok(ExitCode::SUCCESS);
    }
    for rule in filters.rules() {
        anstream::println!("{:<46} {:.2}  {}", rule.file.id, rule.file.strength, rule.file.summary);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(id: &str) -> Result<ExitCode> {
    let filters = FilterSet::embedded();
    let Some(rule) = filters.rules().iter().find(|rule| rule.file.id == id) else {
        let near: Vec<&str> = filters
            .rules()
            .iter()
            .map(|r| r.file.id.as_str())
            .filter(|other| other.split('/').next() == id.split('/').next())
            .collect();
        bail!(
            "{id}: no such rule{}",
            if near.is_empty() {
                String::new()
            } else {
                format!("; there are {}", near.join(", "))
            }
        );
    };
    anstream::println!("{}", toml::to_string_pretty(&rule.file)?.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn new(id: &str) -> Result<ExitCode> {
    let Some((category, _)) = Path::new(id).to_str().and_then(|id| id.split_once('/')) else {
        bail!("{id}: <category>/<name> was expected");
    };
    if crate::taxonomy::Category::from_id(category).is_none() {
        let known: Vec<&str> = crate::taxonomy::Category::ALL.iter().map(|c| c.id()).collect();
        bail!("{category}: no category; there are {}", known.join(", "));
    }
    anstream::println!(
        r#"id = "{id}"
category = "{category}"
summary = "What the text says when this rule hits, in one line."
why = "What it teaches a model, and why the look-alikes below are not it."
strength = 0.5

[signals]
ai = {{ agent = "ai" }}
deed = {{ pattern = '(?i)\b(?:first verb|second verb)\b' }}

[condition]
all = ["ai", "deed"]
within = "2 sentences"
doer = "ai"

[[match]]
text = "A text of yours that must hit."

[[match]]
text = "Another, in another register."

[[pass]]
text = "A look-alike that must not hit."
note = "a person does it"

[[pass]]
text = "Another."
note = "it is declined""#
    );
    Ok(ExitCode::SUCCESS)
}
