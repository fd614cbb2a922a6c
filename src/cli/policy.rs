//! `parable policy`: list, show and check policies.

use std::process::ExitCode;

use crate::document::Document;
use crate::policy::{EMBEDDED, Example, Facts, Policy};
use crate::score::{Judge, Verdict};
use anyhow::{Result, bail};
use clap::Subcommand;

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  parable policy show condition > mine.toml\n  parable policy check mine.toml\n  parable policy test mine.toml"
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
    /// Run the examples that stand in policy files
    Test {
        /// Files, or names of ready policies
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
        What::Test { files } => return test(files),
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

/// Runs every example of every file; exit status 2 where one is decided by another rule.
fn test(files: &[String]) -> Result<ExitCode> {
    let mut judge = Judge::embedded();
    let (mut run, mut wrong) = (0, 0);
    for file in files {
        let policy = super::run::load_policy(file)?;
        if policy.examples().is_empty() {
            anstream::println!("{file}: no examples in it");
        }
        for (nth, example) in policy.examples().iter().enumerate() {
            run += 1;
            let mut said = String::new();
            let rule = decided(&policy, example, &mut judge, &mut |rule, why| {
                said = format!("; rule `{rule}` could not be evaluated: {why}");
            })?;
            if rule != example.rule {
                wrong += 1;
                anstream::println!(
                    "{file}: example {}: decided by `{rule}`, expected `{}`{said}",
                    nth + 1,
                    example.rule
                );
            }
        }
    }
    anstream::println!("{run} examples, {wrong} wrong");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

/// Id of the rule that decides on an example; `none` where none applies.
fn decided(
    policy: &Policy,
    example: &Example,
    judge: &mut Judge,
    fault: &mut dyn FnMut(&str, String),
) -> Result<String> {
    let mut verdict = match &example.text {
        Some(text) => judge.judge(&Document::plain("example", text)),
        None => Verdict::default(),
    };
    for (name, value) in &example.scores {
        if !verdict.set(name, *value) {
            bail!("an example names `{name}`, which is no score");
        }
    }
    if let Some(frame) = example.frame {
        verdict.frame = Default::default();
        verdict.frame[frame.index()] = 1.0;
    }
    if let Some(agent) = example.agent {
        verdict.agent = Default::default();
        verdict.agent[agent.index()] = 1.0;
    }
    if let Some(portrayal) = example.portrayal {
        verdict.portrayal = Default::default();
        verdict.portrayal[portrayal.index()] = 1.0;
    }
    let chars = example.text.as_ref().map_or(0, |text| text.chars().count() as u64);
    let metadata = example.metadata.as_ref().map(serde_json::to_string).transpose()?;
    let facts = Facts {
        id: "example",
        source: example.source.as_deref(),
        chars: example.chars.unwrap_or(chars),
        metadata: metadata.as_deref(),
    };
    let decision = policy.decide(&verdict, &facts, 0, fault);
    Ok(decision.rule.unwrap_or("none").to_string())
}
