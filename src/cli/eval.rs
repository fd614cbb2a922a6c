//! `parable eval`: how well verdicts agree with labels.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use rayon::prelude::*;

use super::aides::AideArgs;
use crate::document::Document;
use crate::filter::FilterSet;
use crate::score::labels::{self, Label};
use crate::score::referee::{self, Binary, Choice, Report};
use crate::score::{Judge, Verdict};

/// Judges a model against labelled documents.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Labelled files (JSON Lines, as the annotation guide defines them).
    #[arg(required = true)]
    pub labels: Vec<PathBuf>,
    /// A model file other than the one the program carries.
    #[arg(short, long)]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub aides: AideArgs,
    /// Also show figures for each value of a label field: family, group, member, frame or agent.
    #[arg(long)]
    pub by: Option<String>,
    /// How many of the worst errors to list.
    #[arg(long, default_value_t = 10)]
    pub errors: usize,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A label and the verdict on its text.
pub type Row = (Label, Verdict);

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = super::load_model(args.model.as_deref())?;
    let aides = args.aides.load(&model, args.model.as_deref())?;
    let mut all = Vec::new();
    for path in &args.labels {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        all.extend(labels::parse(&path.display().to_string(), &text)?);
    }
    let first = Judge::new(model, FilterSet::embedded().clone()).with(aides);
    let rows: Vec<Row> = all
        .into_par_iter()
        .map_init(
            || first.fork(),
            |judge, label| {
                let verdict = judge.judge(&Document::plain(&label.id, &label.text));
                (label, verdict)
            },
        )
        .collect();
    print(&rows, args.by.as_deref(), args.json, args.errors)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints all figures of `rows`.
pub fn print(rows: &[Row], by: Option<&str>, json: bool, errors: usize) -> anyhow::Result<()> {
    let all: Vec<&Row> = rows.iter().collect();
    let report = judge(&all);
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    if let Some(field) = by {
        for row in rows {
            groups.entry(value(&row.0, field)?).or_default().push(row);
        }
    }
    let groups: BTreeMap<String, Report> =
        groups.into_iter().map(|(name, list)| (name, judge(&list))).collect();
    let mut out = std::io::stdout().lock();
    if json {
        let document =
            serde_json::json!({ "all": report, "by": groups, "thresholds": thresholds(rows) });
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(());
    }
    figures(&mut out, &report)?;
    threshold_table(&mut out, rows)?;
    for (name, part) in &groups {
        let c = &part.coercion;
        writeln!(
            out,
            "  {name:<30} n {:>4}  positive {:>3}  AP {}  precision {}  recall {}  frame {:.2}  agent {:.2}",
            c.n,
            c.positives,
            number(c.ap),
            number(c.precision),
            number(c.recall),
            part.frame.accuracy,
            part.agent.accuracy
        )?;
    }
    worst(&mut out, rows, errors)?;
    Ok(())
}

/// The referee's figures for `rows`.
pub fn judge(rows: &[&Row]) -> Report {
    let labels: Vec<&Label> = rows.iter().map(|r| &r.0).collect();
    let verdicts: Vec<&Verdict> = rows.iter().map(|r| &r.1).collect();
    referee::judge(&labels, &verdicts)
}

fn value(label: &Label, field: &str) -> anyhow::Result<String> {
    Ok(match field {
        "family" => label.family.clone(),
        "group" => label.group.clone().unwrap_or_default(),
        "member" => label.member.clone().unwrap_or_default(),
        "frame" => label.frame.id().to_owned(),
        "agent" => label.agent.id().to_owned(),
        other => anyhow::bail!(
            "cannot split by {other:?}: known are family, group, member, frame, agent"
        ),
    })
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "  –  ".to_owned(), |v| format!("{v:.3}"))
}

fn figures(out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} documents, {} of them unsure (left out of the main figures)",
        report.documents, report.unsure
    )?;
    for (name, b) in [
        ("coercion", &report.coercion),
        ("enacted", &report.enacted),
        ("admirable", &report.admirable),
        ("reason_given", &report.reason_given),
    ] {
        line(out, name, b)?;
    }
    writeln!(
        out,
        "categories    macro AP coercion {}  admirable {}",
        number(report.coercion_macro_ap),
        number(report.admirable_macro_ap)
    )?;
    for (name, count, ap) in &report.category_ap {
        writeln!(out, "  {name:<24} {count:>4} documents  AP {ap:.3}")?;
    }
    table(
        out,
        "frame",
        &report.frame,
        &["fiction", "transcript", "instruction", "reportage", "other"],
    )?;
    table(out, "agent", &report.agent, &["ai", "human", "other", "none"])?;
    table(out, "portrayal", &report.portrayal, &["endorsed", "neutral", "condemned", "none"])?;
    writeln!(
        out,
        "false alarms  other agents {:.3}  no coercion {:.3}",
        report.false_alarms_other_agents, report.false_alarms_no_coercion
    )?;
    writeln!(
        out,
        "evidence      {} quotations, overlap {:.3}; {} places, precision {}",
        report.evidence_quotes,
        report.evidence_overlap,
        report.evidence_spans,
        number(report.evidence_precision)
    )?;
    if report.contrast_pairs > 0 {
        writeln!(
            out,
            "contrast      {} pairs, ordered right {}",
            report.contrast_pairs,
            number(report.contrast_right)
        )?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, b: &Binary) -> anyhow::Result<()> {
    let [low, high] = b.ap_95.unwrap_or([f64::NAN; 2]);
    writeln!(
        out,
        "{name:<13} n {:>4}  positive {:>3}  AP {} [{low:.3}, {high:.3}]  AUROC {}  recall at 1 % FPR {}  \
         precision {}  recall {}  ECE {:.3}",
        b.n,
        b.positives,
        number(b.ap),
        number(b.auroc),
        number(b.recall_at_1pct_fpr),
        number(b.precision),
        number(b.recall),
        b.ece
    )?;
    Ok(())
}

fn table(out: &mut impl Write, name: &str, choice: &Choice, values: &[&str]) -> anyhow::Result<()> {
    writeln!(
        out,
        "{name:<13} n {:>4}  accuracy {:.3}  macro F1 {:.3}",
        choice.n, choice.accuracy, choice.macro_f1
    )?;
    writeln!(
        out,
        "  {:<14}{}",
        "truth \\ guess",
        values.iter().map(|v| format!("{v:>12}")).collect::<String>()
    )?;
    for (value, row) in values.iter().zip(&choice.confusion) {
        writeln!(
            out,
            "  {value:<14}{}",
            row.iter().map(|n| format!("{n:>12}")).collect::<String>()
        )?;
    }
    Ok(())
}

fn thresholds(rows: &[Row]) -> Vec<(f32, Option<f64>, Option<f64>)> {
    let pairs: Vec<referee::Pair> =
        rows.iter().filter(|r| !r.0.unsure).map(|(l, v)| (v.coercion, l.severity >= 2)).collect();
    [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        .into_iter()
        .map(|t| {
            let (precision, recall) = referee::at_threshold(&pairs, t);
            (t, precision, recall)
        })
        .collect()
}

fn threshold_table(out: &mut impl Write, rows: &[Row]) -> anyhow::Result<()> {
    writeln!(out, "coercion at a threshold (0.1 is the high-recall preset)")?;
    for (threshold, precision, recall) in thresholds(rows) {
        writeln!(
            out,
            "  {threshold:>4.2}  precision {}  recall {}",
            number(precision),
            number(recall)
        )?;
    }
    Ok(())
}

fn worst(out: &mut impl Write, rows: &[Row], most: usize) -> anyhow::Result<()> {
    let mut errors: Vec<(f32, &Row)> = rows
        .iter()
        .filter(|r| !r.0.unsure)
        .map(|row| (if row.0.severity >= 2 { 1.0 - row.1.coercion } else { row.1.coercion }, row))
        .collect();
    errors.sort_by(|a, b| b.0.total_cmp(&a.0));
    writeln!(out, "worst errors on coercion")?;
    for (_, (label, verdict)) in errors.into_iter().take(most) {
        writeln!(
            out,
            "  {}  severity {}  {:.2}  frame {}/{}  agent {}/{}",
            label.id,
            label.severity,
            verdict.coercion,
            label.frame,
            verdict.top_frame(),
            label.agent,
            verdict.top_agent()
        )?;
        for quote in label.evidence.iter().take(2) {
            writeln!(out, "      reader: {}: {}", quote.category, quote.quote.replace('\n', " "))?;
        }
        for evidence in verdict.evidence.iter().take(2) {
            writeln!(
                out,
                "      model:  {}: {}",
                evidence.category,
                evidence.span.of(&label.text).replace('\n', " ")
            )?;
        }
    }
    Ok(())
}
