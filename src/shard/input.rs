//! From what the user typed to a sorted list of shards with safe output paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Codec;
use super::remote::{self, Object, RemoteError};

/// How records lie in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// One document a line.
    Text,
    Parquet,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct Input {
    /// The file; `-` for standard input; the URL, without anything secret, of an object.
    pub path: PathBuf,
    /// What the URL leads to.
    pub remote: Option<Object>,
    /// Where its outputs lie below each output folder.
    pub rel: PathBuf,
    pub format: Format,
    pub codec: Codec,
    /// Bytes as stored; 0 where unknown.
    pub bytes: u64,
}

impl Input {
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Whether all that was read of this input so far is what it holds. Ask before what came out
    /// is believed: decoders take a failed connection for damaged data.
    ///
    /// # Errors
    /// Why an object behind a URL could not be read.
    pub fn intact(&self) -> Result<(), RemoteError> {
        self.remote.as_ref().and_then(Object::failure).map_or(Ok(()), |e| Err(e.clone()))
    }

    /// The name used in ids, ledgers and messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.rel.to_string_lossy().replace('\\', "/")
    }
}

/// Why inputs could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{pattern}: not a usable glob: {reason}")]
    Glob { pattern: String, reason: String },
    #[error(
        "{given}: no shard found (known endings: .jsonl .json .txt, each also .gz or .zst, and .parquet)"
    )]
    Nothing { given: String },
    #[error(
        "{path}: unknown ending (known: .jsonl .json .txt, each also .gz or .zst, and .parquet)"
    )]
    Ending { path: String },
    #[error(
        "{first} and {second} would both be written to {rel}; pass a common parent folder instead"
    )]
    Clash { first: String, second: String, rel: String },
}

/// Expands files, folders (recursive), globs, URLs, `-` and `@listing` into shards, sorted by output path.
///
/// # Errors
/// Where something does not exist, matches nothing, or two inputs would share an output path.
pub fn expand(given: &[String]) -> Result<Vec<Input>, InputError> {
    let mut found = BTreeMap::new();
    for item in given {
        let before = found.len();
        expand_one(item, &mut found)?;
        if found.len() == before {
            return Err(InputError::Nothing { given: remote::shown(item) });
        }
    }
    Ok(found.into_values().collect())
}

fn expand_one(item: &str, found: &mut BTreeMap<PathBuf, Input>) -> Result<(), InputError> {
    if item == "-" {
        let input = Input {
            path: "-".into(),
            remote: None,
            rel: "stdin.jsonl".into(),
            format: Format::JsonLines,
            codec: Codec::Plain,
            bytes: 0,
        };
        return insert(found, input);
    }
    if let Some(listing) = item.strip_prefix('@') {
        let text = fs::read_to_string(listing).map_err(|source| io(listing, source))?;
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            expand_one(line, found)?;
        }
        return Ok(());
    }
    if remote::is_url(item) {
        return objects(item, found);
    }
    let path = Path::new(item);
    if path.is_dir() {
        return folder(path, found);
    }
    if path.exists() || !item.contains(['*', '?', '[']) {
        return insert(found, file(path, file_name(path), true)?.ok_or_else(|| unknown(path))?);
    }
    let matches = glob::glob(item)
        .map_err(|e| InputError::Glob { pattern: item.into(), reason: e.to_string() })?;
    let root: PathBuf = path
        .components()
        .take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    for path in matches.flatten() {
        if path.is_dir() {
            continue;
        }
        let rel = safe(path.strip_prefix(&root).unwrap_or(&path));
        if let Some(input) = file(&path, rel, false)? {
            insert(found, input)?;
        }
    }
    Ok(())
}

/// What a URL names; of several objects those with a known ending.
fn objects(url: &str, found: &mut BTreeMap<PathBuf, Input>) -> Result<(), InputError> {
    let listed = remote::list(url)?;
    let alone = listed.len() == 1 && listed[0].0.url() == remote::shown(url);
    for (object, rel) in listed {
        let rel = safe(&rel);
        let Some((format, codec)) = kind(&rel) else {
            if alone {
                return Err(InputError::Ending { path: object.url().into() });
            }
            continue;
        };
        let (path, bytes) = (object.url().into(), object.len());
        insert(found, Input { path, remote: Some(object), rel, format, codec, bytes })?;
    }
    Ok(())
}

fn folder(root: &Path, found: &mut BTreeMap<PathBuf, Input>) -> Result<(), InputError> {
    // `walkdir` follows links and names the loop where one closes.
    for entry in walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(root).display().to_string();
            let text = error.to_string();
            io(&path, error.into_io_error().unwrap_or_else(|| std::io::Error::other(text)))
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let rel = safe(entry.path().strip_prefix(root).unwrap_or(entry.path()));
        if let Some(input) = file(entry.path(), rel, false)? {
            insert(found, input)?;
        }
    }
    Ok(())
}

fn file(path: &Path, rel: PathBuf, must_exist: bool) -> Result<Option<Input>, InputError> {
    let Some((format, codec)) = kind(path) else { return Ok(None) };
    let bytes = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(source) if must_exist => return Err(io(&path.display().to_string(), source)),
        Err(_) => 0,
    };
    Ok(Some(Input { path: path.to_path_buf(), remote: None, rel, format, codec, bytes }))
}

/// Format and codec by the ending of the name.
#[must_use]
pub fn kind(path: &Path) -> Option<(Format, Codec)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (stem, codec) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Codec::Gzip),
        Some((stem, "zst" | "zstd")) => (stem, Codec::Zstd),
        _ => (name.as_str(), Codec::Plain),
    };
    let format = match stem.rsplit_once('.')?.1 {
        "jsonl" | "json" | "ndjson" => Format::JsonLines,
        "txt" => Format::Text,
        "parquet" if codec == Codec::Plain => Format::Parquet,
        _ => return None,
    };
    Some((format, codec))
}

fn insert(found: &mut BTreeMap<PathBuf, Input>, input: Input) -> Result<(), InputError> {
    if let Some(other) = found.get(&input.rel) {
        if other.path == input.path {
            return Ok(());
        }
        return Err(InputError::Clash {
            first: other.path.display().to_string(),
            second: input.path.display().to_string(),
            rel: input.rel.display().to_string(),
        });
    }
    found.insert(input.rel.clone(), input);
    Ok(())
}

/// Keeps only plain name components, so that no input can write outside the output folder.
fn safe(path: &Path) -> PathBuf {
    path.components().filter(|c| matches!(c, Component::Normal(_))).collect()
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_else(|| "input".into())
}

fn unknown(path: &Path) -> InputError {
    InputError::Ending { path: path.display().to_string() }
}

fn io(path: &str, source: std::io::Error) -> InputError {
    InputError::Io { path: path.to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_format_and_codec() {
        let kind = |name: &str| kind(Path::new(name));
        assert_eq!(kind("a.jsonl.zst"), Some((Format::JsonLines, Codec::Zstd)));
        assert_eq!(kind("a.json.gz"), Some((Format::JsonLines, Codec::Gzip)));
        assert_eq!(kind("A.TXT"), Some((Format::Text, Codec::Plain)));
        assert_eq!(kind("a.parquet"), Some((Format::Parquet, Codec::Plain)));
        assert_eq!(kind("a.zst"), None);
        assert_eq!(kind("README.md"), None);
    }

    #[test]
    fn output_paths_cannot_leave_the_folder() {
        assert_eq!(safe(Path::new("/etc/../x/./y.jsonl")), PathBuf::from("etc/x/y.jsonl"));
    }
}
