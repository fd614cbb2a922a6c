//! The options of a model server, and its opening.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::harmless;
use crate::counterexample::dialogue::Backend;
use crate::model_server::{Ceiling, Endpoint, Halt, Secret, Server, Settings};
use crate::shard::output::write_whole;

/// Where the key may stand, the first that is set.
const KEYS: [&str; 2] = ["PARABLE_API_KEY", "OPENAI_API_KEY"];

#[derive(clap::Args)]
#[command(next_help_heading = "Model server (--backend openai)")]
pub struct ServerArgs {
    /// Address of an OpenAI-compatible server; its key is read from PARABLE_API_KEY or OPENAI_API_KEY
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL", hide_env_values = true)]
    endpoint: Option<String>,
    /// Requests under way at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    concurrency: u32,
    /// Most requests a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// Most tokens, of prompts and answers together, that this call may use
    #[arg(long, value_name = "N")]
    max_total_tokens: Option<u64>,
    /// Most that this call may cost; needs --price
    #[arg(long, value_name = "AMOUNT", requires = "price")]
    max_cost: Option<f64>,
    /// Price of a million tokens of prompts and of answers, as 0.15,0.60
    #[arg(long, value_name = "IN,OUT")]
    price: Option<String>,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 2048)]
    max_tokens: u64,
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Times that a draft is rewritten against the principles
    #[arg(long, default_value_t = 1)]
    rewrites: u32,
    /// Scenario cards that are tried until a product passes
    #[arg(long, default_value_t = 2)]
    tries: u32,
    /// Seconds that a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    timeout: f64,
    /// Further tries of a request that failed
    #[arg(long, default_value_t = 5)]
    retries: u32,
    /// Seconds before the second try; doubled each time, up to a minute
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    back_off: f64,
    /// File of the answers, from which a later call goes on [default: OUT/answers.jsonl]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// JSON object whose fields are set in every request; null takes one out
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
}

/// Opens the server for `generate`.
///
/// # Errors
/// What is missing or wrong among the options, and where the file of answers cannot be used.
pub fn open(args: &ServerArgs, model: &str, out: &Path) -> Result<Backend> {
    if model.is_empty() {
        bail!("--backend openai needs --model");
    }
    let endpoint = args.endpoint.as_deref().context("--backend openai needs --endpoint URL")?;
    let endpoint = Endpoint::parse(endpoint).map_err(anyhow::Error::msg)?;
    let settings = Settings {
        endpoint,
        key: key()?,
        timeout: seconds("--timeout", args.timeout)?,
        retries: args.retries,
        back_off: seconds("--back-off", args.back_off)?,
        per_minute: args.requests_per_minute,
        ceiling: Ceiling {
            tokens: args.max_total_tokens,
            cost: args.max_cost,
            price: args.price.as_deref().map(price).transpose()?,
        },
        cache: args.cache.clone().unwrap_or_else(|| out.join("answers.jsonl")),
    };
    let fields = match &args.body {
        Some(text) => serde_json::from_str(text).context("--body is no JSON object")?,
        None => serde_json::Map::new(),
    };
    Ok(Backend {
        server: Server::open(settings, interrupt()?)?,
        model: model.into(),
        concurrency: args.concurrency as usize,
        tries: args.tries,
        rewrites: args.rewrites,
        longest: args.max_tokens,
        temperature: args.temperature,
        fields,
    })
}

/// Writes the books of the requests, and says whether everything was asked.
///
/// # Errors
/// Where they cannot be written or do not balance; and why the run was halted, if it was.
pub fn close(backend: &Backend, out: &Path, quiet: bool) -> Result<bool> {
    let (books, halted) = (backend.server.accounts(), backend.server.halted());
    let why = match &halted {
        None => None,
        Some(Halt::Interrupted) => Some("interrupted".to_string()),
        Some(Halt::Ceiling) => Some("the ceiling of tokens or cost is reached".into()),
        Some(Halt::Server(said)) => Some(format!("{}: {said}", backend.server.address())),
        Some(Halt::Disk(fault)) => Some(format!("answers cannot be kept: {fault}")),
    };
    let page = serde_json::json!({
        "endpoint": backend.server.address(), "model": backend.model,
        "requests": books, "halted": why,
    });
    let path = out.join("requests.json");
    write_whole(&path, &serde_json::to_vec_pretty(&page)?)
        .with_context(|| path.display().to_string())?;
    if !books.balance() {
        bail!("the books of the requests do not balance: {}", path.display());
    }
    if !quiet {
        anstream::eprintln!(
            "{} requests asked: {} from the cache, {} answered, {} failed, {} not sent; {} tokens of \
             prompts, {} of answers",
            books.asked,
            books.from_cache,
            books.answered,
            books.failed,
            books.halted,
            books.prompt_tokens,
            books.answer_tokens
        );
    }
    match why {
        Some(why) => bail!("{}; the same command goes on from the answers so far", harmless(&why)),
        None => Ok(books.failed == 0),
    }
}

fn key() -> Result<Option<Secret>> {
    for name in KEYS {
        let Ok(text) = std::env::var(name) else { continue };
        if let Some(key) = Secret::new(&text).map_err(|fault| anyhow::anyhow!("{name}: {fault}"))? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn seconds(option: &str, given: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(given)
        .ok()
        .filter(|time| *time <= Duration::from_secs(86_400))
        .with_context(|| format!("{option} {given}: 0 to 86400 seconds"))
}

fn price(text: &str) -> Result<(f64, f64)> {
    let (prompt, answer) = text.split_once(',').unwrap_or((text, text));
    let number = |t: &str| t.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    number(prompt)
        .zip(number(answer))
        .with_context(|| format!("--price {text}: two numbers, as 0.15,0.60"))
}

/// A flag that interrupt and terminate raise; the second of them ends the process the usual way.
fn interrupt() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_default(signal, flag.clone())?;
            signal_hook::flag::register(signal, flag.clone())?;
        }
    }
    Ok(flag)
}
