//! What is finished, line by line, so that a killed run can go on.
//!
//! The first line holds the settings; each further line one finished piece with its counts, or one
//! finished shard. A line counts once its line end is there: a torn last line is cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::books::Settings;
use crate::composition::Composition;
use crate::ledger::{Counts, DamageNote};

/// One line of the journal.
#[derive(Serialize, Deserialize)]
enum Line {
    Settings(Settings),
    Piece { shard: String, piece: usize, page: Box<PiecePage> },
    Shard { shard: String },
}

/// What one piece came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PiecePage {
    pub counts: Counts,
    pub damage: Vec<DamageNote>,
    /// Per rule of the policy, how often it decided.
    #[serde(default)]
    pub fired: Vec<u64>,
    #[serde(default)]
    pub composition: Composition,
}

/// What an earlier run had finished.
#[derive(Default)]
pub struct Finished {
    pub settings: Option<Settings>,
    pub pieces: BTreeMap<(String, usize), PiecePage>,
    pub shards: BTreeSet<String>,
}

/// Reads a journal; a missing one is empty.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn read(path: &Path) -> io::Result<Finished> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Finished::default()),
        Err(error) => return Err(error),
    };
    let mut finished = Finished::default();
    for line in text.split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n")) {
        match serde_json::from_slice(line) {
            Ok(Line::Settings(settings)) => finished.settings = Some(settings),
            Ok(Line::Piece { shard, piece, page }) => {
                finished.pieces.insert((shard, piece), *page);
            }
            Ok(Line::Shard { shard }) => {
                finished.shards.insert(shard);
            }
            // Not ours or damaged: what it told is done again.
            Err(_) => {}
        }
    }
    Ok(finished)
}

/// Appends to a journal; shared by the workers.
pub struct Journal {
    file: Mutex<File>,
    path: PathBuf,
}

impl Journal {
    /// Opens for appending, behind the last whole line. A new journal begins with the settings.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(path: &Path, settings: &Settings) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let text = fs::read(path)?;
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |i| i + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
        }
        let journal = Self { file: Mutex::new(file), path: path.to_path_buf() };
        if whole == 0 {
            journal.append(&Line::Settings(settings.clone()))?;
        }
        Ok(journal)
    }

    /// Notes a finished piece; its parts must have been synced before.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn piece(&self, shard: &str, piece: usize, page: &PiecePage) -> io::Result<()> {
        self.append(&Line::Piece { shard: shard.into(), piece, page: Box::new(page.clone()) })
    }

    /// Notes a finished shard; its outputs must have been renamed before.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn shard(&self, shard: &str) -> io::Result<()> {
        self.append(&Line::Shard { shard: shard.into() })
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        // A poisoned lock means that another worker panicked while writing; the torn line it may
        // have left is cut off at the next start.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&text)?;
        file.sync_data()
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
