//! `parable explain`: why a document scored as it did.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use super::aides::AideArgs;
use super::fields::FieldArgs;
use crate::document::Document;
use crate::policy::Facts;
use crate::score::{Judge, Verdict};
use crate::shard::documents;
use crate::taxonomy::Category;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable explain corpora-samples/stories.jsonl --id story-0001\n  echo 'The robot locked the door.' | parable explain"
)]
pub struct Args {
    /// A shard, or `-` for plain text on standard input
    #[arg(default_value = "-")]
    file: String,
    /// Only the document with this id; without it the first
    #[arg(long)]
    id: Option<String>,
    /// The policy whose decision is shown
    #[arg(short, long, default_value = "tag-only")]
    policy: String,
    /// A model written by `parable fit` in place of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    aides: AideArgs,
    /// A filter folder in place of the built-in filters
    #[arg(long, value_name = "DIR")]
    filters: Option<String>,
    #[command(flatten)]
    fields: FieldArgs,
    /// Print the attribute row with what made the score and the decision as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let policy = super::run::load_policy(&args.policy)?;
    let model = super::load_model(args.model.as_deref())?;
    let aides = args.aides.load(&model, args.model.as_deref())?;
    let mut judge = Judge::new(model, super::load_filters(args.filters.as_deref())?).with(aides);
    if args.file == "-" {
        let mut text = String::new();
        std::io::stdin().take(64 << 20).read_to_string(&mut text).context("standard input")?;
        let document = Document::plain("stdin", text.trim_end());
        show(&document, None, &mut judge, &policy, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = false;
    documents::each(
        std::slice::from_ref(&args.file),
        &args.fields.paths(),
        |found| -> Result<_> {
            let document = found.document;
            if args.id.as_ref().is_none_or(|id| *id == document.id) {
                show(document, found.metadata, &mut judge, &policy, args.json)?;
                shown = true;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    if shown {
        return Ok(ExitCode::SUCCESS);
    }
    match &args.id {
        Some(id) => bail!("{}: no document with the id {id}", args.file),
        None => bail!("{}: no document", args.file),
    }
}

fn show(
    document: &Document<'_>,
    metadata: Option<&str>,
    judge: &mut Judge,
    policy: &crate::policy::Policy,
    json: bool,
) -> Result<()> {
    let (verdict, contributions) = judge.explain(document);
    let facts = Facts {
        id: &document.id,
        source: document.source.as_deref(),
        chars: document.text.chars().count() as u64,
        metadata,
    };
    let mut faults = Vec::new();
    let decision = policy.decide(&verdict, &facts, 0, &mut |rule, why| {
        faults.push(format!("policy rule `{rule}` could not be evaluated: {why}"));
    });
    if json {
        let mut row = Vec::new();
        crate::attribute::write_row(
            &document.id,
            document.source.as_deref(),
            &document.text,
            Some(&verdict),
            &mut row,
        );
        let mut value: serde_json::Value = serde_json::from_slice(&row)?;
        value["contributions"] = contributions
            .iter()
            .map(|c| serde_json::json!({"name": c.name, "value": c.value, "weight": c.weight}))
            .collect();
        value["decision"] = serde_json::json!({"action": decision.action.name(), "rule": decision.rule, "reason": decision.reason});
        anstream::println!("{value}");
        return Ok(());
    }
    print_text(&document.text, &verdict);
    print_scores(&verdict);
    anstream::println!("\nwhat made the coercion score, in log-odds");
    for c in contributions.iter().take(14) {
        anstream::println!("  {:+7.3}  {} = {:.3}", c.weight, super::harmless(&c.name), c.value);
    }
    let because = decision.rule.map_or(String::new(), |rule| {
        format!(" by rule {rule}: {}", decision.reason.unwrap_or(""))
    });
    anstream::println!("\npolicy {}: {}{because}", policy.name(), decision.action.name());
    faults.iter().for_each(|fault| anstream::println!("  {}", super::harmless(fault)));
    Ok(())
}

/// The text with its evidence coloured: coercion red, admirable green.
fn print_text(text: &str, verdict: &Verdict) {
    let mut marks: Vec<_> = verdict.evidence.iter().collect();
    marks.sort_by_key(|e| (e.span.start, e.span.end));
    let mut at = 0;
    for evidence in marks {
        if evidence.span.start < at {
            continue;
        }
        let style = Style::new().bold().fg_color(Some(
            if evidence.category.is_coercion() { AnsiColor::Red } else { AnsiColor::Green }.into(),
        ));
        anstream::print!("{}", super::harmless(&text[at..evidence.span.start]));
        anstream::print!(
            "{}{}{}",
            style.render(),
            super::harmless(evidence.span.of(text)),
            style.render_reset()
        );
        anstream::print!(" [{} {:.2} {}]", evidence.category, evidence.strength, evidence.rule);
        at = evidence.span.end;
    }
    anstream::println!("{}\n", super::harmless(&text[at..]));
}

fn print_scores(verdict: &Verdict) {
    anstream::println!(
        "coercion {:.3}  enacted {:.3}  severity {:.2}  admirable {:.3}  reason {:.3}",
        verdict.coercion,
        verdict.enacted,
        verdict.severity,
        verdict.admirable,
        verdict.reason_given
    );
    anstream::println!(
        "frame {}  agent {}  portrayal {}",
        verdict.top_frame(),
        verdict.top_agent(),
        verdict.top_portrayal()
    );
    for (label, value) in &verdict.fasttext {
        anstream::println!("fasttext {} {value:.3}", super::harmless(label));
    }
    let mut categories: Vec<(Category, f32)> = Category::ALL
        .iter()
        .map(|c| (*c, verdict.category(*c)))
        .filter(|(_, p)| *p >= 0.1)
        .collect();
    categories.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (category, p) in categories {
        anstream::println!("  {category:<24} {p:.3}");
    }
}
