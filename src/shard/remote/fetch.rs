//! One object: its version, pinned when it was listed, and its bytes.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta};

use super::RemoteError;
use super::again::Breaks;
use super::store::{Store, error_of, runtime};

/// What tells one content of an object from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    size: u64,
    /// The `ETag`, or the time of the last change where there is none.
    stamp: String,
}

impl Version {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        let stamp = match &meta.e_tag {
            // Listings and answers differ in quotes, servers in whether a tag is weak.
            Some(tag) => tag.trim_start_matches("W/").trim_matches('"').to_string(),
            None => meta.last_modified.to_rfc3339(),
        };
        Self { size: meta.size, stamp }
    }

    fn shown(&self) -> String {
        format!("{} bytes, version {}", self.size, self.stamp)
    }
}

/// An object behind a URL. Cheap to clone; the clones are one object.
#[derive(Clone, Debug)]
pub struct Object(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    path: Path,
    url: String,
    version: Version,
    /// Whether the server gives parts of it.
    ranges: bool,
    failed: OnceLock<RemoteError>,
    /// The whole object, where it cannot be read in parts.
    spool: Mutex<Option<Arc<File>>>,
}

impl Object {
    pub(super) fn new(store: &Store, meta: &ObjectMeta) -> Self {
        let url = format!("{}{}", store.root, meta.location);
        Self::pinned(store.clone(), meta.location.clone(), url, Version::of(meta), true)
    }

    pub(super) fn pinned(
        store: Store,
        path: Path,
        url: String,
        version: Version,
        ranges: bool,
    ) -> Self {
        let (failed, spool) = (OnceLock::new(), Mutex::new(None));
        Self(Arc::new(Inner { store, path, url, version, ranges, failed, spool }))
    }

    /// Where it lies, without anything secret.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Bytes as listed.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.version.size
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Another content has another stamp.
    #[must_use]
    pub fn stamp(&self) -> String {
        self.0.version.stamp.clone()
    }

    /// Why some read of this object failed. Decoders take a failed read for damaged data, so what
    /// they gave must not be used once there is a failure.
    #[must_use]
    pub fn failure(&self) -> Option<&RemoteError> {
        self.0.failed.get()
    }

    pub(super) fn note(&self, error: RemoteError) -> RemoteError {
        self.0.failed.get_or_init(|| error).clone()
    }

    /// Exactly these bytes. A body that is cut is gone on with where it was cut.
    pub(super) async fn range(&self, range: Range<u64>) -> Result<Bytes, RemoteError> {
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut got = Vec::with_capacity(wanted);
        let mut breaks = Breaks::new();
        while got.len() < wanted {
            let from = range.start + got.len() as u64;
            let before = got.len();
            let part = Some(GetRange::Bounded(from..range.end));
            let cut = self
                .body(part, |bytes| {
                    got.extend_from_slice(&bytes);
                    Ok(())
                })
                .await?;
            if got.len() < wanted && !breaks.pause(got.len() > before).await {
                return Err(self.cut_short(cut));
            }
        }
        Ok(got.into())
    }

    /// Hands the body to `take`, chunk by chunk; gives why it ended early, if it did.
    async fn body(
        &self,
        range: Option<GetRange>,
        mut take: impl FnMut(Bytes) -> Result<(), RemoteError>,
    ) -> Result<Option<String>, RemoteError> {
        let options = GetOptions { range, ..GetOptions::default() };
        // The store retries refused and failed requests by itself, with growing pauses.
        let found = self.0.store.objects.get_opts(&self.0.path, options).await;
        let found = found.map_err(|error| error_of(&self.0.url, &error))?;
        let now = Version::of(&found.meta);
        if now != self.0.version {
            let (was, now) = (self.0.version.shown(), now.shown());
            return Err(RemoteError::Changed { url: self.0.url.clone(), was, now });
        }
        let mut chunks = found.into_stream();
        loop {
            match chunks.try_next().await {
                Ok(Some(bytes)) => take(bytes)?,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error_of(&self.0.url, &error).to_string())),
            }
        }
    }

    /// The whole object in a file without a name, where the server gives no parts; none where it
    /// does. Fetched once, gone with the last clone of the object.
    ///
    /// # Errors
    /// Those of the server, and of the disk under the temporary folder.
    pub fn spooled(&self) -> Result<Option<Arc<File>>, RemoteError> {
        if self.0.ranges {
            return Ok(None);
        }
        let mut spool = self.0.spool.lock().unwrap_or_else(PoisonError::into_inner);
        if spool.is_none() {
            let fetched = runtime()?.block_on(self.spool()).map_err(|error| self.note(error))?;
            *spool = Some(Arc::new(fetched));
        }
        Ok(spool.clone())
    }

    async fn spool(&self) -> Result<File, RemoteError> {
        let local = |error: std::io::Error| RemoteError::Local {
            path: std::env::temp_dir().display().to_string(),
            detail: error.to_string(),
        };
        let mut breaks = Breaks::new();
        let mut furthest = 0;
        loop {
            let mut file = tempfile::tempfile().map_err(local)?;
            let mut got = 0;
            let cut = self
                .body(None, |bytes| {
                    got += bytes.len() as u64;
                    file.write_all(&bytes).map_err(local)
                })
                .await?;
            if got == self.len() {
                return Ok(file);
            }
            // There is no going on in the middle: only getting further than before counts.
            if !breaks.pause(got > furthest).await {
                return Err(self.cut_short(cut));
            }
            furthest = furthest.max(got);
        }
    }

    fn cut_short(&self, why: Option<String>) -> RemoteError {
        let detail = why.unwrap_or_else(|| "the server ends its answers early".into());
        RemoteError::Failed { url: self.0.url.clone(), detail }
    }
}
