//! A build without remote storage: the same names, nothing behind them.

use std::convert::Infallible;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{RemoteError, shown};

/// There is none.
#[derive(Clone, Debug)]
pub struct Object(Infallible);

/// There are none.
#[derive(Debug)]
pub struct Windows(Infallible);

/// There is none.
#[derive(Debug)]
pub struct Destination(Infallible);

/// # Errors
/// Always: this build has no remote storage.
pub fn list(url: &str) -> Result<Vec<(Object, PathBuf)>, RemoteError> {
    Err(RemoteError::NotBuilt { url: shown(url) })
}

#[allow(missing_docs, clippy::missing_errors_doc, clippy::must_use_candidate)]
impl Object {
    pub fn url(&self) -> &str {
        match self.0 {}
    }

    pub fn len(&self) -> u64 {
        match self.0 {}
    }

    pub fn is_empty(&self) -> bool {
        match self.0 {}
    }

    pub fn stamp(&self) -> String {
        match self.0 {}
    }

    pub fn failure(&self) -> Option<&RemoteError> {
        match self.0 {}
    }

    pub fn spooled(&self) -> Result<Option<Arc<File>>, RemoteError> {
        match self.0 {}
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, clippy::must_use_candidate)]
impl Windows {
    pub const BLOCK: u64 = 0;

    pub fn new(object: &Object) -> Self {
        match object.0 {}
    }

    pub fn ahead(self, _range: Range<u64>, _block: u64) -> Self {
        match self.0 {}
    }

    pub fn read_at(&self, _buffer: &mut [u8], _at: u64) -> Result<usize, RemoteError> {
        match self.0 {}
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, clippy::must_use_candidate)]
impl Destination {
    pub fn open(url: &str) -> Result<Self, RemoteError> {
        Err(RemoteError::NotBuilt { url: shown(url) })
    }

    pub fn url(&self) -> &str {
        match self.0 {}
    }

    pub fn occupied(&self) -> Result<bool, RemoteError> {
        match self.0 {}
    }

    pub fn clear(&self) -> Result<(), RemoteError> {
        match self.0 {}
    }

    pub fn put(&self, _file: &Path, _name: &str, _notes: &Path) -> Result<(), RemoteError> {
        match self.0 {}
    }

    pub fn abort_unfinished(&self, _notes: &Path) -> Result<(), RemoteError> {
        match self.0 {}
    }
}
