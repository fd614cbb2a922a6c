//! What a run is told, what it reports, and how it can fail.

use std::path::PathBuf;
use std::sync::Arc;

use super::refill::Pool;
use crate::filter::FilterSet;
use crate::ledger::Counts;
use crate::policy::Policy;
use crate::scan::GateLevel;
use crate::score::{Aides, Model};
use crate::shard::remote::Destination;
use crate::shard::{FieldPaths, InputError, Limits, RemoteError};
use crate::tokens::Tokenizer;

/// Settings of one run.
pub struct RunConfig {
    pub inputs: Vec<String>,
    /// A folder of this machine: journal, unfinished shards, and the outputs.
    pub out: PathBuf,
    /// Where finished outputs go besides; `out` then keeps no documents.
    pub upload: Option<Arc<Destination>>,
    /// Attributes and ledger only.
    pub scan_only: bool,
    pub policy: Arc<Policy>,
    /// Where replaced documents come from; a policy that replaces needs one.
    pub refill: Option<Arc<Pool>>,
    pub filters: Arc<FilterSet>,
    pub model: Arc<Model>,
    /// What is asked besides model and rules.
    pub aides: Aides,
    /// Counts the tokens of every text; without it sizes are bytes.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
    /// Go on with an earlier run in `out`.
    pub resume: bool,
    /// Throw an earlier run in `out` away.
    pub force: bool,
    pub seed: u64,
    pub gate: GateLevel,
    /// Stop after this many records of each shard.
    pub limit: Option<u64>,
    pub fields: FieldPaths,
    pub limits: Limits,
    /// This process takes the shards whose number is `rank` modulo `world`.
    pub rank: usize,
    pub world: usize,
}

/// Hears how the run goes. Called from worker threads.
pub trait Observer: Sync {
    /// Once, when the shards are known.
    fn begin(&self, _shards: usize, _bytes: u64) {}
    /// After each block: what was added.
    fn progress(&self, _added: &Counts) {}
    /// Stored bytes that were read since the last call: after each block, and after each piece what
    /// is left of it. Pieces that an earlier run finished are told at once.
    fn advance(&self, _stored: u64) {}
    /// When a shard's outputs stand.
    fn shard_done(&self, _name: &str) {}
    /// Something that a person should read: damage, a resumed piece.
    fn note(&self, _message: &str) {}
}

/// An observer that says nothing.
pub struct Quiet;
impl Observer for Quiet {}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(
        "{0} is no folder of this machine: name one for the journal and unfinished shards with --work"
    )]
    NoWork(String),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{0} holds an earlier run: --resume goes on with it, --force throws it away")]
    Occupied(String),
    #[error(
        "{out} holds a run with other settings ({differs}): --force throws it away and starts again with the new ones, or go back to the old ones to --resume"
    )]
    Changed { out: String, differs: String },
    #[error("{0} is in use by another parable process")]
    Locked(String),
    #[error(
        "the books do not balance: {0}; this is a fault of the program, the outputs must not be used"
    )]
    Unbalanced(String),
    #[error("interrupted; --resume goes on from here")]
    Interrupted,
    #[error("the refill pool: {0}")]
    Refill(String),
    #[error("{path}: {message}")]
    Parquet { path: String, message: String },
}

impl RunError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        RunError::Io { path: path.display().to_string(), source }
    }
}
