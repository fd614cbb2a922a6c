//! `parable policy`: list, show and check policies.

use std::process::ExitCode;

use crate::policy::{EMBEDDED, Policy};
use anyhow::Result;
use clap::Subcommand;

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  parable policy show condition > mine.toml\n  parable policy check mine.toml"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Names and summaries of the ready policies
    List,
    /// The text of a ready policy
    Show { name: String },
    /// Check policy files
    Check {
        #[arg(required = true)]
        files: Vec<String>,
    },
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List => {
            for (name, text) in EMBEDDED {
                anstream::println!("{name:<18} {}", Policy::parse(name, text)?.summary());
            }
        }
        What::Show { name } => {
            let Some((_, text)) = EMBEDDED.iter().find(|(n, _)| n == name) else {
                anyhow::bail!(
                    "{name}: no ready policy of this name; `parable policy list` names them"
                );
            };
            anstream::print!("{text}");
        }
        What::Check { files } => {
            for file in files {
                let policy = super::run::load_policy(file)?;
                anstream::println!(
                    "{file}: {} rules, hash {}",
                    policy.rules().len(),
                    policy.hash()
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
