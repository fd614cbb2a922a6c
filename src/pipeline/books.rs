//! The settings that decide what the outputs are, and their comparison with an earlier run's.

use std::collections::BTreeMap;

use super::RunConfig;
use crate::shard::Input;
use crate::shard::remote::Object;

/// Name of a setting → its value, as the journal's first line keeps it.
pub type Settings = BTreeMap<String, String>;

/// Everything that the outputs depend on. Threads and the place of `out` are not among it.
#[must_use]
pub fn fingerprint(config: &RunConfig, inputs: &[Input]) -> Settings {
    let mut settings = Settings::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_string(), value);
    set("parable version", env!("CARGO_PKG_VERSION").into());
    set("filters", config.filters.version().into());
    set("model", config.model.version().into());
    for (name, version) in config.aides.versions() {
        set(name, version);
    }
    let tokenizer = config.tokenizer.as_ref();
    set("tokenizer", tokenizer.map_or("none", |tokenizer| tokenizer.hash()).into());
    set("policy", config.policy.hash().into());
    set("refill pool", config.refill.as_ref().map_or("none", |pool| pool.hash()).into());
    set("seed", config.seed.to_string());
    set("gate", format!("{:?}", config.gate));
    set("verb", if config.scan_only { "scan" } else { "run" }.into());
    set("limit", format!("{:?}", config.limit));
    set("fields", format!("{:?}", config.fields));
    set("limits", format!("{:?}", config.limits));
    set("rank", format!("{} of {}", config.rank, config.world));
    if let Some(upload) = &config.upload {
        set("output", upload.url().into());
    }
    let mut hasher = blake3::Hasher::new();
    for input in inputs {
        let stamp = input.remote.as_ref().map_or_else(|| modified(&input.path), Object::stamp);
        hasher.update(format!("{}\0{}\0{stamp}\n", input.name(), input.bytes).as_bytes());
    }
    set("inputs", hasher.finalize().to_hex()[..16].to_string());
    settings
}

/// Nanoseconds at which a file was changed last.
fn modified(path: &std::path::Path) -> String {
    let changed = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let since = changed.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |d| d.as_nanos()).to_string()
}

/// Names of the settings that differ, in words.
#[must_use]
pub fn differences(before: &Settings, now: &Settings) -> String {
    let differing: Vec<&str> = now
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .map(|(name, _)| name.as_str())
        .chain(before.keys().filter(|name| !now.contains_key(*name)).map(String::as_str))
        .collect();
    differing.join(", ")
}
