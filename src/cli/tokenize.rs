//! `parable tokenize`: token ids and loss masks for trainers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::shard::{FieldPaths, output};
use crate::token_files::{self, Layout, Settings, Written};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  parable run corpus/ -o out --policy mask-enacted\n  parable tokenize out/documents -o tokens --tokenizer tokenizer.json --layout hf\n  parable tokenize out/documents -o tokens --tokenizer tokenizer.json --layout olmo --eos '<|endoftext|>'"
)]
pub struct Args {
    /// Documents that `parable run` wrote; files, folders, globs, `@list`
    #[arg(required = true)]
    inputs: Vec<String>,
    /// Output folder
    #[arg(short, long)]
    out: PathBuf,
    /// A tokenizer.json in the Hugging Face format
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// Who reads the files
    #[arg(long, value_enum, default_value_t = LayoutArg::Hf)]
    layout: LayoutArg,
    /// The token that ends each document, as it is written in the vocabulary
    #[arg(long, value_name = "TOKEN")]
    eos: Option<String>,
    /// Write into a folder that holds token files already
    #[arg(long)]
    force: bool,
    /// Worker threads; 0 = one for each core
    #[arg(short = 'j', long, default_value_t = 0)]
    threads: usize,
    /// Dotted path of the text
    #[arg(long, default_value = "text")]
    text_field: String,
    /// Dotted path of the id
    #[arg(long, default_value = "id")]
    id_field: String,
    /// Print the books as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LayoutArg {
    /// Parquet with `input_ids` and `labels`, -100 where no loss is taken
    Hf,
    /// Bare arrays of ids and of booleans, for OLMo-core's `paths` and `label_mask_paths`
    Olmo,
    /// Megatron's .bin and .idx of ids and of labels, for GPT-NeoX
    Neox,
    /// JSON lines with the masked places, widened to whole tokens
    Spans,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let tokenizer = super::run::load_tokenizer(&args.tokenizer)?;
    let end = match &args.eos {
        Some(token) => Some(tokenizer.id(token).with_context(|| {
            format!("--eos {token}: no such token in {}", args.tokenizer.display())
        })?),
        None if args.layout == LayoutArg::Olmo => {
            bail!("--layout olmo needs --eos TOKEN: OLMo finds the ends of documents by it")
        }
        None => None,
    };
    let books_path = args.out.join("tokens.json");
    if books_path.exists() && !args.force {
        bail!("{} holds token files already: --force writes over them", args.out.display());
    }
    let fields = FieldPaths {
        text: args.text_field.clone(),
        id: args.id_field.clone(),
        ..FieldPaths::default()
    };
    let layout = match args.layout {
        LayoutArg::Hf => Layout::HuggingFace,
        LayoutArg::Olmo => Layout::OlmoCore,
        LayoutArg::Neox => Layout::NeoX,
        LayoutArg::Spans => Layout::Spans,
    };
    let settings = Settings { tokenizer: &tokenizer, layout, end, fields: &fields };
    let say = |written: &Written| {
        if !(args.quiet || args.json) {
            anstream::println!(
                "{:>12} tokens, {:>9} masked, {:>9} documents  {}",
                written.tokens,
                written.masked,
                written.documents,
                super::harmless(&written.shard)
            );
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let written = pool.install(|| token_files::write(&args.inputs, &args.out, &settings, say))?;
    let sum = |of: fn(&Written) -> u64| written.iter().map(of).sum::<u64>();
    let (left_out, unread) = (sum(|w| w.chats_left_out), sum(|w| w.unread));
    let books = serde_json::json!({
        "tokenizer": tokenizer.hash(),
        "vocabulary": tokenizer.size(),
        "bytes_per_id": if tokenizer.size() > usize::from(u16::MAX) { 4 } else { 2 },
        "eos": end,
        "documents": sum(|w| w.documents),
        "tokens": sum(|w| w.tokens),
        "masked": sum(|w| w.masked),
        "chats_left_out": left_out,
        "unread": unread,
        "shards": written,
    });
    let text = serde_json::to_string_pretty(&books)?;
    output::write_whole(&books_path, format!("{text}\n").as_bytes())
        .with_context(|| books_path.display().to_string())?;
    if args.json {
        anstream::println!("{text}");
    }
    if left_out > 0 {
        anstream::eprintln!(
            "{left_out} chats left out: what a model reads of them is made by its own template"
        );
    }
    if unread > 0 {
        anstream::eprintln!("{unread} records or damaged places could not be read");
    }
    let whole = left_out + unread == 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(super::DONE_WITH_DAMAGE) })
}
