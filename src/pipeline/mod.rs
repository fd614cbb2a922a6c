//! The one pass: shards → pieces → workers → part files → whole outputs, with a journal.
//!
//! Each piece is processed alone by one worker and leaves part files; when the last piece of a
//! shard is done its parts are joined, in order, into the outputs. A piece's parts depend on its
//! bytes and the settings only, so neither threads nor kills can change what comes out.

mod books;
mod config;
mod group_documents;
mod journal;
mod makeup;
mod parts;
mod reading;
mod records;
mod refill;
mod rows;
mod run;
mod stop;
mod table_pass;
mod tables;
mod undecoded;

pub use books::{Settings, fingerprint};
pub use config::{Observer, Quiet, RunConfig, RunError};
pub use refill::Pool;
pub use run::{Outcome, UPLOADS, run};
pub use tables::{Passed, TablePass, TableWorker};
pub use undecoded::Undecoded;

/// A number that depends on seed and id alone.
fn seeded(seed: u64, id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), seed)
}
