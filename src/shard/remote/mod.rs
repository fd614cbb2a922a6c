//! Shards and outputs that lie behind a URL: `s3://`, `gs://`, `az://` and, for reading, `https://`.
//!
//! The rest of the program is synchronous and sees three things: [`list`] turns what the user typed
//! into objects, [`Object`] is one of them with its size and version pinned, and [`Destination`]
//! takes finished files. The async clients behind them stay in this folder.
//!
//! An object that cannot be read is not a damaged shard: the failure is kept in the object
//! ([`Object::failure`]), and whoever reads asks for it before believing what came out.

mod place;

#[cfg(not(feature = "remote"))]
mod absent;
#[cfg(feature = "remote")]
mod again;
#[cfg(feature = "remote")]
mod fetch;
#[cfg(feature = "remote")]
mod store;
#[cfg(feature = "remote")]
mod upload;
#[cfg(feature = "remote")]
mod windows;

#[cfg(not(feature = "remote"))]
pub use absent::{Destination, Object, Windows, list};
#[cfg(feature = "remote")]
pub use fetch::Object;
pub use place::{is_url, shown};
#[cfg(feature = "remote")]
pub use store::list;
#[cfg(feature = "remote")]
pub use upload::Destination;
#[cfg(feature = "remote")]
pub use windows::Windows;

/// Why something behind a URL could not be read, listed or written. Never holds a credential: of
/// a URL the part behind `?` is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("{url}: not found")]
    NotFound { url: String },
    #[error(
        "{url}: access denied ({detail}); credentials come from the environment, see docs/remote.md"
    )]
    Denied { url: String, detail: String },
    #[error("{url}: not a usable URL: {reason}")]
    Url { url: String, reason: String },
    #[error("{url}: {hint}")]
    Refused { url: String, hint: String },
    #[error("{url}: changed while it was being read ({was}, now {now}); start again with --force")]
    Changed { url: String, was: String, now: String },
    #[error("{url}: {detail}")]
    Failed { url: String, detail: String },
    /// A file of this machine that is to be uploaded, or that an object is kept in.
    #[error("{path}: {detail}")]
    Local { path: String, detail: String },
    #[error("{url}: this build has no remote storage (cargo feature `remote`)")]
    NotBuilt { url: String },
}

impl From<RemoteError> for std::io::Error {
    fn from(error: RemoteError) -> Self {
        let kind = match &error {
            RemoteError::NotFound { .. } => std::io::ErrorKind::NotFound,
            RemoteError::Denied { .. } => std::io::ErrorKind::PermissionDenied,
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
