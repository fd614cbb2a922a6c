//! `parable fit`: labelled files → model file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::eval::{self, Row};
use crate::attribute;
use crate::filter::FilterSet;
use crate::score::labels;
use crate::score::train::{FitOptions, train};

/// Fits the scoring model on labelled documents. The same labels give the same bytes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Labelled files (JSON Lines, as the annotation guide defines them).
    #[arg(required = true)]
    pub labels: Vec<PathBuf>,
    /// Where the model file goes; without it only the cross-validation is shown.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Which held-out figures to print: whole families unseen, or only the documents.
    #[arg(long, value_enum, default_value_t = Cv::Family)]
    pub cv: Cv,
    /// Folds into which whole families are put; families are never split.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(2..=200))]
    pub folds: u16,
    /// Documents whose family begins with one of these teach, but are neither judged nor
    /// calibrated on: texts written to show a distinction are no sample of any corpus.
    #[arg(long = "train-only", value_name = "PREFIX")]
    pub train_only: Vec<String>,
    /// How much a `--train-only` document counts beside one that is judged.
    #[arg(long, default_value_t = 0.3, value_name = "WEIGHT")]
    pub train_only_weight: f32,
    /// Write what models that had not seen each judged document say of it, as attribute rows.
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a held-out document's model had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Cv {
    /// Its whole family or contrast group.
    Family,
    /// Only the document itself.
    Document,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for path in &args.labels {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        all.extend(labels::parse(&path.display().to_string(), &text)?);
    }
    for label in &mut all {
        if args.train_only.iter().any(|prefix| label.family.starts_with(prefix.as_str())) {
            (label.judged, label.weight) = (false, args.train_only_weight);
        }
    }
    let options = FitOptions { folds: usize::from(args.folds), ..FitOptions::default() };
    let fitted = train(&all, &options, FilterSet::embedded(), &|line| eprintln!("{line}"));
    if let Some(path) = &args.output {
        let bytes = fitted.model.to_bytes();
        std::fs::write(path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("{}: model {}, {} bytes", path.display(), fitted.model.version(), bytes.len());
    }
    let verdicts = match args.cv {
        Cv::Family => fitted.held_out,
        Cv::Document => fitted.held_out_same_kind,
    };
    let rows: Vec<Row> = all.into_iter().zip(verdicts).filter(|(label, _)| label.judged).collect();
    if let Some(path) = &args.held_out {
        let mut bytes = Vec::new();
        for (label, verdict) in &rows {
            attribute::write_row(&label.id, None, &label.text, Some(verdict), &mut bytes);
        }
        std::fs::write(path, &bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    eval::print(&rows, Some("family"), args.json, 10)?;
    Ok(ExitCode::SUCCESS)
}
