//! Finished files to a store: nothing is visible under the final key until all of it is there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{MultipartId, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};

use super::RemoteError;
use super::again::again;
use super::place::{is_web, shown};
use super::store::{Store, error_of, runtime};
use crate::shard::output;

/// Bytes of a part; a file up to this size is put in one request. Stores want at least 5 MiB.
const PART: u64 = 8 << 20;
/// Parts that the stores allow, less some.
const MOST_PARTS: u64 = 9000;
/// Attempts at one whole upload, each of whose requests is retried by itself.
const ATTEMPTS: usize = 3;
/// What a run writes below its destination, and so what `--force` removes.
const WRITTEN: [&str; 4] = ["documents", "attributes/parable", "quarantine", "dropped"];
const WRITTEN_FILES: [&str; 3] = ["ledger.json", "audit.json", "report.html"];

/// A folder in a store.
#[derive(Debug)]
pub struct Destination {
    store: Store,
    prefix: Path,
    url: String,
}

/// An upload that has begun, noted on disk before its first part.
#[derive(Serialize, Deserialize)]
struct Begun {
    key: String,
    id: String,
}

impl Destination {
    /// # Errors
    /// Where the URL names no store that can be written.
    pub fn open(url: &str) -> Result<Self, RemoteError> {
        let wrong = |reason: &str| RemoteError::Url { url: shown(url), reason: reason.into() };
        if is_web(url) {
            return Err(wrong("outputs go to s3://, gs:// or az://"));
        }
        let (store, key) = Store::open(url)?;
        if key.contains(['*', '?', '[']) {
            return Err(wrong("an output is no glob"));
        }
        let prefix = Path::parse(&key).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { store, prefix, url: shown(url).trim_end_matches('/').to_string() })
    }

    /// As the user typed it, without anything secret.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn key(&self, name: &str) -> Result<Path, RemoteError> {
        let key = format!("{}/{name}", self.prefix);
        Path::parse(&key).map_err(|error| RemoteError::Url {
            url: format!("{}/{name}", self.url),
            reason: error.to_string(),
        })
    }

    fn failed(&self, key: &Path, error: &object_store::Error) -> RemoteError {
        error_of(&format!("{}{key}", self.store.root), error)
    }

    fn uploads(&self) -> Result<&Arc<dyn MultipartStore>, RemoteError> {
        self.store.uploads.as_ref().ok_or_else(|| RemoteError::Url {
            url: self.url.clone(),
            reason: "cannot be written".into(),
        })
    }

    /// Whether an earlier run has written here.
    ///
    /// # Errors
    /// Those of the store.
    pub fn occupied(&self) -> Result<bool, RemoteError> {
        runtime()?.block_on(async {
            for name in WRITTEN {
                let folder = self.key(name)?;
                let first =
                    || async { self.store.objects.list(Some(&folder)).next().await.transpose() };
                if again(first).await.map_err(|e| self.failed(&folder, &e))?.is_some() {
                    return Ok(true);
                }
            }
            Ok(self.store.head(&self.key("ledger.json")?).await?.is_some())
        })
    }

    /// Removes what an earlier run wrote, and nothing else that may lie there.
    ///
    /// # Errors
    /// Those of the store.
    pub fn clear(&self) -> Result<(), RemoteError> {
        runtime()?.block_on(async {
            let mut gone = Vec::new();
            for name in WRITTEN {
                let folder = self.key(name)?;
                let found = self.store.listed(&folder).await?;
                gone.extend(found.into_iter().map(|meta| meta.location));
            }
            for name in WRITTEN_FILES {
                gone.push(self.key(name)?);
            }
            again(|| self.delete(&gone)).await.map_err(|error| self.failed(&self.prefix, &error))
        })
    }

    /// Deletes objects; those that are gone already are no failure.
    async fn delete(&self, keys: &[Path]) -> Result<(), object_store::Error> {
        let keys: Vec<_> = keys.iter().cloned().map(Ok).collect();
        let mut removed =
            self.store.objects.delete_stream(futures_util::stream::iter(keys).boxed());
        while let Some(one) = removed.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Uploads a finished file as `name` below the destination and checks its size there. Uploads
    /// in several parts are noted in the folder `notes` until they are complete or aborted.
    ///
    /// # Errors
    /// Those of the file and of the store, after retries.
    pub fn put(&self, file: &FilePath, name: &str, notes: &FilePath) -> Result<(), RemoteError> {
        let key = self.key(name)?;
        let runtime = runtime()?;
        let bytes = fs::metadata(file).map_err(|error| local(file, &error))?.len();
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            let sent = if bytes <= PART {
                runtime.block_on(self.put_small(file, &key))
            } else {
                self.put_parts(file, bytes, &key, notes)
            };
            match sent {
                Ok(()) => {
                    failed = None;
                    break;
                }
                // What has been refused will be refused again, and a file will not mend.
                Err(error @ (RemoteError::Denied { .. } | RemoteError::Local { .. })) => {
                    return Err(error);
                }
                Err(error) => failed = Some(error),
            }
        }
        match runtime.block_on(self.store.head(&key))?.map(|meta| meta.size) {
            Some(there) if there == bytes && failed.is_none() => Ok(()),
            there => Err(failed.unwrap_or_else(|| RemoteError::Failed {
                url: format!("{}{key}", self.store.root),
                detail: format!("{} bytes are there, {bytes} were sent", there.unwrap_or(0)),
            })),
        }
    }

    async fn put_small(&self, file: &FilePath, key: &Path) -> Result<(), RemoteError> {
        let bytes = fs::read(file).map_err(|error| local(file, &error))?;
        let sent = self.store.objects.put_opts(key, bytes.into(), PutOptions::default()).await;
        sent.map(|_| ()).map_err(|error| self.failed(key, &error))
    }

    fn put_parts(
        &self,
        file: &FilePath,
        bytes: u64,
        key: &Path,
        notes: &FilePath,
    ) -> Result<(), RemoteError> {
        let runtime = runtime()?;
        let uploads = self.uploads()?;
        let failed = |error: object_store::Error| self.failed(key, &error);
        let id = runtime.block_on(uploads.create_multipart(key)).map_err(failed)?;
        let note = notes.join(format!(
            "{}.json",
            &blake3::hash(format!("{key}\0{id}").as_bytes()).to_hex()[..16]
        ));
        let begun = Begun { key: key.to_string(), id: id.clone() };
        let noted = serde_json::to_vec(&begun)
            .map_err(io::Error::from)
            .and_then(|text| output::write_whole(&note, &text))
            .map_err(|error| local(&note, &error));
        let sent = noted.and_then(|()| {
            runtime.block_on(async {
                let mut handle = File::open(file).map_err(|error| local(file, &error))?;
                let size = PART.max(bytes.div_ceil(MOST_PARTS));
                let mut parts = Vec::new();
                for nth in 0..bytes.div_ceil(size) {
                    let mut part = Vec::new();
                    let wanted = size.min(bytes - nth * size);
                    let read = handle.by_ref().take(wanted).read_to_end(&mut part);
                    read.map_err(|error| local(file, &error))?;
                    let payload = PutPayload::from(part);
                    parts.push(
                        uploads.put_part(key, &id, parts.len(), payload).await.map_err(failed)?,
                    );
                }
                uploads.complete_multipart(key, &id, parts).await.map(|_| ()).map_err(failed)
            })
        });
        // Where aborting fails too the note stays, for the next start to try.
        if sent.is_ok() || self.abort(key, &id).is_ok() {
            let _ = fs::remove_file(&note);
        }
        sent
    }

    /// Gives up an upload; one that the store does not know is given up.
    fn abort(&self, key: &Path, id: &MultipartId) -> Result<(), RemoteError> {
        let uploads = self.uploads()?;
        match runtime()?.block_on(again(|| uploads.abort_multipart(key, id))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    /// Aborts the uploads that a killed run has left: their parts cost storage.
    ///
    /// # Errors
    /// Where the store does not answer; an upload that it does not know is aborted.
    pub fn abort_unfinished(&self, notes: &FilePath) -> Result<(), RemoteError> {
        let entries = match fs::read_dir(notes) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(local(notes, &error)),
        };
        let found: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .collect();
        for note in found {
            let text = fs::read(&note).map_err(|error| local(&note, &error))?;
            if let Ok(begun) = serde_json::from_slice::<Begun>(&text) {
                let key = Path::parse(&begun.key).map_err(|error| RemoteError::Local {
                    path: note.display().to_string(),
                    detail: error.to_string(),
                })?;
                self.abort(&key, &begun.id)?;
            }
            fs::remove_file(&note).map_err(|error| local(&note, &error))?;
        }
        Ok(())
    }
}

fn local(path: &FilePath, error: &io::Error) -> RemoteError {
    RemoteError::Local { path: path.display().to_string(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    fn destination() -> Destination {
        let memory = Arc::new(InMemory::new());
        let (objects, uploads) = (memory.clone(), Some(memory as Arc<dyn MultipartStore>));
        let store = Store { objects, uploads, root: "mem://".into() };
        Destination { store, prefix: Path::from("out"), url: "mem://out".into() }
    }

    #[test]
    fn files_arrive_whole_and_what_others_wrote_stays() {
        let to = destination();
        let folder = tempfile::tempdir().expect("a folder");
        let (small, large) = (folder.path().join("small"), folder.path().join("large"));
        fs::write(&small, b"a line\n").expect("is written");
        let bytes: Vec<u8> = (0..2 * PART + 5).map(|i| (i % 253) as u8).collect();
        fs::write(&large, &bytes).expect("is written");
        assert_eq!(to.occupied(), Ok(false));
        to.put(&small, "theirs.txt", folder.path()).expect("is put");
        assert_eq!(to.occupied(), Ok(false));
        to.put(&small, "documents/a b/ü.jsonl", folder.path()).expect("is put");
        to.put(&large, "documents/large.jsonl", folder.path()).expect("is put");
        assert_eq!(to.occupied(), Ok(true));
        let there = |name: &str| {
            let key = to.key(name).expect("a key");
            runtime().expect("a runtime").block_on(async {
                let found = to.store.objects.get(&key).await.ok()?;
                found.bytes().await.ok()
            })
        };
        assert!(there("documents/large.jsonl").expect("is there") == bytes);
        assert_eq!(there("documents/a b/ü.jsonl").expect("is there"), "a line\n");
        // No note of an unfinished upload is left.
        assert_eq!(fs::read_dir(folder.path()).expect("is read").count(), 2);
        to.clear().expect("is cleared");
        assert_eq!(to.occupied(), Ok(false));
        assert_eq!(there("documents/large.jsonl"), None);
        assert!(there("theirs.txt").is_some());
    }
}
