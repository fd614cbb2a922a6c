//! The command line: one module a verb, each with its arguments and a `run`.

pub mod eval;
pub mod fit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Finds the stories that teach a model to manipulate and coerce.
#[derive(Parser, Debug)]
#[command(name = "parable", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Fit(fit::Args),
    Eval(eval::Args),
}

/// Parses the arguments and runs the verb.
pub fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().verb {
        Verb::Fit(args) => fit::run(args),
        Verb::Eval(args) => eval::run(args),
    }
}
