//! `parable fit`: labelled files → model file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::aides;
use super::eval::{self, Row};
use crate::attribute;
use crate::audit::quality::{Counts, Quality};
use crate::composition::{THRESHOLD, Traits};
use crate::encoder::Encoder;
use crate::filter::FilterSet;
use crate::score::labels::{self, Label};
use crate::score::opinion::Band;
use crate::score::opinion::fit::OpinionOptions;
use crate::score::referee::Report;
use crate::score::train::{FitOptions, FittedOpinion, train};
use crate::taxonomy::Category;

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
    /// Records of ordinary text (JSON Lines with `text`), held to show no conduct: they teach the
    /// sieve what to clear.
    #[arg(long, value_name = "FILE")]
    pub ordinary: Vec<PathBuf>,
    /// Write what models that had not seen each judged document say of it, as attribute rows.
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// Write right and wrong answers of the held-out verdicts at the threshold 0.5: the file from
    /// which audits correct prevalences.
    #[arg(long, value_name = "FILE")]
    pub quality: Option<PathBuf>,
    /// Also fit the head of a sentence encoder in this folder, which is asked where the model is
    /// not sure; it is written beside --output, as FILE.encoder. Figures and --held-out are then
    /// those with the encoder, and standard error tells what it adds.
    #[arg(long, value_name = "DIR")]
    pub encoder: Option<PathBuf>,
    /// Probabilities of coercion or admirable conduct between which the encoder is asked.
    #[arg(long, value_name = "LOW-HIGH", default_value = "0.05-0.8", requires = "encoder")]
    pub encoder_band: Band,
    /// Windows of a few sentences that the encoder reads of one document at most.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "encoder",
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub encoder_windows: u16,
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
    let mut ordinary = Vec::new();
    for path in &args.ordinary {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        ordinary.extend(labels::ordinary(&path.display().to_string(), &text)?);
    }
    let encoder = encoder(&args)?;
    let asked = encoder.as_ref().map(|(encoder, chosen)| (encoder, *chosen));
    let say = |line: &str| eprintln!("{line}");
    let fitted = train(&all, &ordinary, &options, FilterSet::embedded(), asked, &say);
    if let Some(path) = &args.output {
        let bytes = fitted.model.to_bytes();
        std::fs::write(path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("{}: model {}, {} bytes", path.display(), fitted.model.version(), bytes.len());
    }
    let judged: Vec<bool> = all.iter().map(|label| label.judged).collect();
    let verdicts = match args.cv {
        Cv::Family => fitted.held_out,
        Cv::Document => fitted.held_out_same_kind,
    };
    let mut rows: Vec<Row> =
        all.into_iter().zip(verdicts).filter(|(label, _)| label.judged).collect();
    if let Some(path) = &args.quality {
        let text = toml::to_string(&quality(&rows, args.cv, args.folds))?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(opinion) = fitted.opinion {
        write_head(&args, &opinion)?;
        let with = opinion.held_out.into_iter().zip(judged).filter(|(_, judged)| *judged);
        let with: Vec<Row> = rows.iter().map(|r| r.0.clone()).zip(with.map(|w| w.0)).collect();
        compare(&rows, &with);
        rows = with;
    }
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

/// The encoder that was asked for, and how.
fn encoder(args: &Args) -> anyhow::Result<Option<(Encoder, OpinionOptions)>> {
    let Some(folder) = &args.encoder else { return Ok(None) };
    if args.cv == Cv::Document {
        anyhow::bail!(
            "--encoder: its head is judged on whole families held out, not with --cv document"
        );
    }
    let chosen = OpinionOptions {
        windows: usize::from(args.encoder_windows),
        band: args.encoder_band,
        ..OpinionOptions::default()
    };
    Ok(Some((aides::load_encoder(folder)?, chosen)))
}

fn write_head(args: &Args, opinion: &FittedOpinion) -> anyhow::Result<()> {
    eprintln!("{} documents lie in the band and were read by the encoder", opinion.read);
    if let Some(path) = &args.output {
        let (path, bytes) = (aides::head_file(path), opinion.head.to_bytes());
        std::fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        let version = opinion.head.version();
        eprintln!("{}: encoder head {version}, {} bytes", path.display(), bytes.len());
    }
    Ok(())
}

/// What the encoder adds, on held-out families.
fn compare(without: &[Row], with: &[Row]) {
    let [before, after] = [without, with].map(|rows| eval::judge(&rows.iter().collect::<Vec<_>>()));
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
    let figures = |report: &Report| {
        [
            ("coercion AP", report.coercion.ap),
            ("coercion recall at 1 % FPR", report.coercion.recall_at_1pct_fpr),
            ("coercion recall at 0.5", report.coercion.recall),
            ("coercion precision at 0.5", report.coercion.precision),
            ("enacted AP", report.enacted.ap),
            ("admirable AP", report.admirable.ap),
            ("agent accuracy", Some(report.agent.accuracy)),
            ("contrast pairs in order", report.contrast_right),
        ]
    };
    eprintln!("{:<28} {:>7} {:>7}", "held-out families", "without", "encoder");
    for ((name, old), (_, new)) in figures(&before).into_iter().zip(figures(&after)) {
        eprintln!("{name:<28} {:>7} {:>7}", number(old), number(new));
    }
}

/// Categories with fewer labelled documents than this are left out: their counts say little.
const FEWEST: u64 = 5;

/// Counts over the documents on which readers agreed.
fn quality(rows: &[Row], cv: Cv, folds: u16) -> Quality {
    let sure: Vec<&Row> = rows.iter().filter(|(label, _)| !label.unsure).collect();
    let mut questions = BTreeMap::new();
    for id in Traits::names() {
        let truth = |label: &Label| match id {
            "coercion" => label.severity >= 2,
            "enacted" => label.enacted(),
            "admirable" => label.admirable >= 2,
            category => Category::from_id(category).is_some_and(|c| label.has(c)),
        };
        let mut counts = Counts::default();
        for (label, verdict) in &sure {
            let slot = match (truth(label), verdict.get(id) >= THRESHOLD) {
                (true, true) => &mut counts.true_positives,
                (false, true) => &mut counts.false_positives,
                (true, false) => &mut counts.false_negatives,
                (false, false) => &mut counts.true_negatives,
            };
            *slot += 1;
        }
        if counts.positives() >= FEWEST {
            questions.insert(id.to_string(), counts);
        }
    }
    let held = match cv {
        Cv::Family => format!("{folds}-fold cross-validation with whole families held out"),
        Cv::Document => "cross-validation with only the document held out".into(),
    };
    let summary = format!(
        "{held}; {} documents on which readers agreed, partly chosen for hard words, so that ordinary text gives fewer false alarms",
        sure.len()
    );
    Quality { summary, threshold: f64::from(THRESHOLD), questions }
}
