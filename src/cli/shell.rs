//! Completions, manual pages and the JSON Schema for editors.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

#[derive(clap::Args)]
pub struct SchemaArgs {}

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  parable completions bash > ~/.local/share/bash-completion/completions/parable"
)]
pub struct CompletionArgs {
    shell: clap_complete::Shell,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  parable man ~/.local/share/man/man1")]
pub struct ManArgs {
    folder: PathBuf,
}

pub fn schema(_: &SchemaArgs) -> Result<ExitCode> {
    let schema = schemars::schema_for!(crate::policy::PolicyFile);
    anstream::println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}

pub fn completions(args: &CompletionArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "parable", &mut script);
    anstream::print!("{}", String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

pub fn man(args: &ManArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    clap_mangen::generate_to(super::Cli::command(), &args.folder)
        .with_context(|| args.folder.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
