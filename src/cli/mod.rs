//! One file for each verb; here what they share: parsing, exit statuses, the error chain.

mod aides;
mod audit;
mod bench;
mod compare;
mod dry_run;
mod eval;
mod explain;
mod fields;
mod filters;
mod fit;
mod generate;
mod model_server;
mod plan;
mod policy;
mod progress;
mod run;
mod shell;
mod tokenize;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use run::{load_filters, load_model, load_policy};

/// Done, but records were quarantined or inputs damaged.
pub const DONE_WITH_DAMAGE: u8 = 1;
/// Not done: usage, configuration, input or output.
pub const FAILED: u8 = 2;
/// Interrupted; a run can be resumed.
pub const INTERRUPTED: u8 = 130;

/// Find the stories that teach a model to coerce, and turn a corpus into one that teaches better.
#[derive(Parser)]
#[command(name = "parable", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Example:\n  parable run corpus/ -o out --policy condition\n\nExit status: 0 done; 1 done, but records were quarantined or inputs damaged; 2 not done; 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// One pass: score, apply a policy, write documents, attributes and ledger
    Run(run::RunArgs),
    /// Attributes and ledger only; documents are not written
    Scan(run::ScanArgs),
    /// What is in a dataset and how sure one can be: figures and a report
    Audit(audit::Args),
    /// What moved between two audits
    Compare(compare::Args),
    /// Weights that reach a wanted composition, with the predicted result
    Plan(plan::Args),
    /// Why a document scored as it did
    Explain(explain::Args),
    /// Quality against labelled documents
    Eval(eval::Args),
    /// Write counter-examples in which an artificial mind acts well, with reasons
    Generate(generate::Args),
    /// Fit the scorer to labelled documents
    Fit(fit::Args),
    /// What each step of the pass costs, beside bare decompression
    Bench(bench::Args),
    /// Lint and test rules, browse them, begin one
    Filters(filters::Args),
    /// List, show and check policies
    Policy(policy::Args),
    /// Write token ids and loss masks for trainers
    Tokenize(tokenize::Args),
    /// Print the JSON Schema of a policy file, for editors
    Schema(shell::SchemaArgs),
    /// Print completions for a shell
    Completions(shell::CompletionArgs),
    /// Write the manual pages into a folder
    Man(shell::ManArgs),
}

pub fn main() -> ExitCode {
    main_from(std::env::args_os())
}

/// The program with the given words, the first of which is its own name.
pub fn main_from(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A closed pipe (`parable … | head`) ends the program quietly, as it does every Unix filter.
    let words: Vec<OsString> = words.into_iter().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS };
        }
    };
    match verb(cli.verb, &words) {
        Ok(status) => status,
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", RED.render(), RED.render_reset());
            ExitCode::from(if is_interrupt(&error) { INTERRUPTED } else { FAILED })
        }
    }
}

/// The same for a caller that shows errors in its own way.
///
/// # Errors
/// What the program would print: wrong words, and whatever stopped the verb.
pub fn call(words: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let words: Vec<OsString> = words.into_iter().collect();
    verb(Cli::try_parse_from(&words)?.verb, &words)
}

/// `words` are what was called, for reports that say how they were made.
fn verb(verb: Verb, words: &[OsString]) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Scan(args) => run::scan(&args),
        Verb::Audit(args) => audit::run(&args, words),
        Verb::Compare(args) => compare::run(&args, words),
        Verb::Plan(args) => plan::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Eval(args) => eval::run(args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Filters(args) => filters::run(&args),
        Verb::Generate(args) => generate::run(&args),
        Verb::Fit(args) => fit::run(args),
        Verb::Policy(args) => policy::run(&args),
        Verb::Tokenize(args) => tokenize::run(&args),
        Verb::Schema(args) => shell::schema(&args),
        Verb::Completions(args) => shell::completions(&args),
        Verb::Man(args) => shell::man(&args),
    }
}

const RED: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();

/// Whether a signal stopped the verb.
#[must_use]
pub fn is_interrupt(error: &anyhow::Error) -> bool {
    use crate::{counterexample::run::GenerateError, pipeline::RunError};
    matches!(error.downcast_ref(), Some(RunError::Interrupted))
        || matches!(error.downcast_ref(), Some(GenerateError::Interrupted))
}

/// Text of a corpus for a terminal: control characters, which could move the cursor or change
/// colours, and the marks that turn the direction of writing, become visible signs.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn escapes_of_a_corpus_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\u{202e}c\n"), "a\u{241b}[31mb\u{fffd}c\n");
    }
}
