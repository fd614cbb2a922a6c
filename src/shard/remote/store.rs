//! Clients of the stores, the runtime that drives them, and listing.

use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientConfigKey, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::runtime::Runtime;

use super::again::{Breaks, again, broke_off};
use super::fetch::{Object, Version};
use super::place::{is_web, shown};
use super::{RemoteError, is_url};

/// Without a byte for so long, a connection counts as cut.
const SILENCE: Duration = Duration::from_secs(30);
/// The same for the stores, and the longest that one request may take.
const PATIENCE: [(ClientConfigKey, &str); 2] =
    [(ClientConfigKey::ReadTimeout, "30 seconds"), (ClientConfigKey::Timeout, "5 minutes")];
/// Threads that move bytes; scanning has its own.
const IO_THREADS: usize = 2;

/// The one runtime of the process, made at the first URL. It moves bytes and decides nothing.
///
/// # Errors
/// Where its threads cannot be started.
pub(super) fn runtime() -> Result<&'static Runtime, RemoteError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        // Fails only where the embedding program has installed its own, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("parable-net")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    made.as_ref()
        .map_err(|detail| RemoteError::Failed { url: "network".into(), detail: detail.clone() })
}

/// A client for one bucket, container or web address.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// None where the store cannot be written.
    pub(super) uploads: Option<Arc<dyn MultipartStore>>,
    /// What stands before the key in URLs: `s3://bucket/`.
    pub(super) root: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)
    }
}

impl Store {
    /// The client for a URL, and the key that the URL names.
    ///
    /// # Errors
    /// Where the scheme is unknown or the settings in the environment do not do.
    pub(super) fn open(url: &str) -> Result<(Self, String), RemoteError> {
        runtime()?;
        let wrong = |reason: &str| RemoteError::Url { url: shown(url), reason: reason.into() };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        if is_web(url) {
            return Ok((Self::web(url)?, String::new()));
        }
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("no bucket"));
        }
        let root = format!("{scheme}://{bucket}/");
        let failed = |error: object_store::Error| error_of(&shown(url), &error);
        let (objects, uploads): (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) = match scheme {
            "s3" | "s3a" => {
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                for (key, value) in PATIENCE {
                    builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
                }
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
            "gs" => {
                let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                for (key, value) in PATIENCE {
                    builder = builder.with_config(GoogleConfigKey::Client(key), value);
                }
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
            "az" | "azure" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
                for (key, value) in PATIENCE {
                    builder = builder.with_config(AzureConfigKey::Client(key), value);
                }
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
            _ => return Err(wrong("known are s3://, gs://, az://, https:// and http://")),
        };
        Ok((Self { objects, uploads: Some(uploads), root }, key.to_string()))
    }

    /// All objects below a folder. A listing that breaks off is gone on with behind the last key
    /// that came.
    pub(super) async fn listed(&self, folder: &Path) -> Result<Vec<ObjectMeta>, RemoteError> {
        let below = (!folder.as_ref().is_empty()).then_some(folder);
        let mut found: Vec<ObjectMeta> = Vec::new();
        let mut breaks = Breaks::new();
        loop {
            let before = found.len();
            let mut pages = match found.last() {
                None => self.objects.list(below),
                Some(last) => self.objects.list_with_offset(below, &last.location),
            };
            let broken = loop {
                match pages.try_next().await {
                    Ok(Some(meta)) => found.push(meta),
                    Ok(None) => return Ok(found),
                    Err(error) => break error,
                }
            };
            let goes_on = broke_off(&broken) && breaks.pause(found.len() > before).await;
            if !goes_on {
                return Err(error_of(&format!("{}{folder}", self.root), &broken));
            }
        }
    }

    /// What there is to say of an object without its bytes; none where it is not there.
    pub(super) async fn head(&self, key: &Path) -> Result<Option<ObjectMeta>, RemoteError> {
        let options = || GetOptions { head: true, ..GetOptions::default() };
        match again(|| self.objects.get_opts(key, options())).await {
            Ok(found) => Ok(Some(found.meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error_of(&format!("{}{key}", self.root), &error)),
        }
    }

    /// The whole address is the store and its only object has no name, so that a signature in the
    /// query stays where it is.
    fn web(url: &str) -> Result<Self, RemoteError> {
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_read_timeout(SILENCE)
            .with_allow_http(true);
        let store = HttpBuilder::new().with_url(url).with_client_options(client).build();
        let store = store.map_err(|error| error_of(&shown(url), &error))?;
        Ok(Self { objects: Arc::new(store), uploads: None, root: shown(url) })
    }
}

/// The objects that a URL names, each with its path below what was asked for: one object, all
/// below a folder, or those that a glob matches. Not sorted, all endings.
///
/// # Errors
/// Where nothing is there, or the store does not let itself be asked.
pub fn list(url: &str) -> Result<Vec<(Object, PathBuf)>, RemoteError> {
    debug_assert!(is_url(url));
    let (store, key) = Store::open(url)?;
    let runtime = runtime()?;
    if is_web(url) {
        let name = FilePath::new(&store.root).file_name().map(PathBuf::from).unwrap_or_default();
        return Ok(vec![(runtime.block_on(Object::of_web(store))?, name)]);
    }
    if let Some(first) = key.find(['*', '?', '[']) {
        return runtime.block_on(glob(&store, &key, first));
    }
    if !key.is_empty() && !key.ends_with('/') {
        let path = path(&store, &key)?;
        if let Some(meta) = runtime.block_on(store.head(&path))? {
            let name = path.filename().map(PathBuf::from).unwrap_or_default();
            return Ok(vec![(Object::new(&store, &meta), name)]);
        }
    }
    let found = runtime.block_on(below(&store, key.trim_end_matches('/')))?;
    if found.is_empty() {
        return Err(RemoteError::NotFound { url: shown(url).trim_end_matches('/').into() });
    }
    Ok(found)
}

fn path(store: &Store, key: &str) -> Result<Path, RemoteError> {
    Path::parse(key).map_err(|error| RemoteError::Url {
        url: format!("{}{key}", store.root),
        reason: error.to_string(),
    })
}

async fn below(store: &Store, folder: &str) -> Result<Vec<(Object, PathBuf)>, RemoteError> {
    let prefix = path(store, folder)?;
    let mut found = Vec::new();
    for meta in store.listed(&prefix).await? {
        let Some(steps) = meta.location.prefix_match(&prefix) else { continue };
        let rel = steps.map(|step| step.as_ref().to_string()).collect();
        found.push((Object::new(store, &meta), rel));
    }
    Ok(found)
}

/// `first` is where the first wildcard stands; everything before the `/` before it is the folder.
async fn glob(
    store: &Store,
    key: &str,
    first: usize,
) -> Result<Vec<(Object, PathBuf)>, RemoteError> {
    let (folder, pattern) = match key[..first].rfind('/') {
        Some(end) => (&key[..end], &key[end + 1..]),
        None => ("", key),
    };
    let pattern = glob::Pattern::new(pattern).map_err(|error| RemoteError::Url {
        url: format!("{}{key}", store.root),
        reason: error.to_string(),
    })?;
    // As for local globs, a wildcard does not cross `/`, and `**` does.
    let options =
        glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let mut found = below(store, folder).await?;
    found.retain(|(_, rel)| pattern.matches_path_with(rel, options));
    Ok(found)
}

impl Object {
    /// A web address. Servers that give no ranges are told by asking for one.
    async fn of_web(store: Store) -> Result<Self, RemoteError> {
        let (url, nowhere) = (store.root.clone(), Path::default());
        let range = Some(GetRange::Bounded(0..1));
        let asked = store.objects.get_opts(&nowhere, GetOptions { range, ..GetOptions::default() });
        let (meta, ranges) = match asked.await {
            Ok(found) => (found.meta, true),
            Err(error @ object_store::Error::NotFound { .. }) => {
                return Err(error_of(&url, &error));
            }
            // No ranges, or an empty file, of which there is no range to give.
            Err(_) => {
                let plain = store.objects.get_opts(&nowhere, GetOptions::default()).await;
                (plain.map_err(|error| error_of(&url, &error))?.meta, false)
            }
        };
        let version = Version::of(&meta);
        Ok(Self::pinned(store, nowhere, url, version, ranges))
    }
}

/// The error in this program's words; `url` is shown as it is.
pub(super) fn error_of(url: &str, error: &object_store::Error) -> RemoteError {
    use object_store::Error;
    let (url, detail) = (url.to_string(), cause(error));
    match error {
        Error::NotFound { .. } => RemoteError::NotFound { url },
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            RemoteError::Denied { url, detail }
        }
        // Listings and web servers: the library passes these on as they are.
        _ if detail.contains("status code: 404") => RemoteError::NotFound { url },
        _ if detail.contains("status code: 403") || detail.contains("status code: 401") => {
            RemoteError::Denied { url, detail }
        }
        _ if detail.contains("redirect without LOCATION")
            || detail.contains("status code: 301") =>
        {
            RemoteError::Refused {
                url,
                hint: format!("the bucket is in another region ({detail}); set AWS_REGION"),
            }
        }
        _ => RemoteError::Failed { url, detail },
    }
}

/// The innermost cause, without addresses (they may be signed) and without the server's page, of
/// which the code alone is kept.
fn cause(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    let text = innermost.to_string();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let head = text.split(['\n', '<']).next().unwrap_or("").trim_end_matches([' ', ':']);
    let words: Vec<&str> =
        head.split(' ').map(|word| if is_url(word) { "(address)" } else { word }).collect();
    let head = words.join(" ");
    match code {
        Some((code, _)) if code.len() < 80 => format!("{head}: {code}"),
        _ => head,
    }
}
