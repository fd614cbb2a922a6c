//! Megatron's indexed dataset: `.bin` holds the numbers of all documents one behind the other,
//! `.idx` their kind, lengths and places. All numbers are little-endian.

use std::path::PathBuf;

use super::TokenFileError;
use super::layout::{create, finish, write};
use crate::shard::output::Atomic;

const MAGIC: &[u8; 9] = b"MMIDIDX\x00\x00";
const VERSION: u64 = 1;
/// Codes of the kinds of number.
const INT32: u8 = 4;
const UINT16: u8 = 8;

/// A `.bin` under construction, with what its `.idx` will say.
pub(super) struct Indexed {
    /// Without ending.
    path: PathBuf,
    name: String,
    data: Atomic,
    /// Four bytes a number in place of two.
    wide: bool,
    lengths: Vec<i32>,
}

impl Indexed {
    pub(super) fn create(path: PathBuf, name: String, wide: bool) -> Result<Self, TokenFileError> {
        let data = create(&with(&path, ".bin"))?;
        Ok(Self { path, name, data, wide, lengths: Vec::new() })
    }

    /// Adds a document.
    pub(super) fn put(&mut self, numbers: impl Iterator<Item = i64>) -> Result<(), TokenFileError> {
        let mut bytes = Vec::new();
        let mut length = 0;
        for number in numbers {
            length += 1;
            // Narrow numbers are below the size of the vocabulary, which was checked.
            match self.wide {
                true => bytes.extend_from_slice(&(number as i32).to_le_bytes()),
                false => bytes.extend_from_slice(&(number as u16).to_le_bytes()),
            }
        }
        self.lengths.push(length);
        write(&mut self.data, &with(&self.path, ".bin"), &bytes)
    }

    /// Writes the index; gives the names of both files.
    pub(super) fn finish(self) -> Result<Vec<String>, TokenFileError> {
        let path = with(&self.path, ".idx");
        let mut index = create(&path)?;
        let bytes = header(&self.lengths, self.wide);
        write(&mut index, &path, &bytes)?;
        // The index last: where it stands, its data do.
        finish(self.data, &with(&self.path, ".bin"))?;
        finish(index, &path)?;
        Ok([".bin", ".idx"].map(|ending| format!("{}{ending}", self.name)).to_vec())
    }
}

fn header(lengths: &[i32], wide: bool) -> Vec<u8> {
    let count = lengths.len() as u64;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.push(if wide { INT32 } else { UINT16 });
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&(count + 1).to_le_bytes());
    lengths.iter().for_each(|length| bytes.extend_from_slice(&length.to_le_bytes()));
    let size = if wide { 4 } else { 2 };
    let mut place = 0_i64;
    for length in lengths {
        bytes.extend_from_slice(&place.to_le_bytes());
        place += i64::from(*length) * size;
    }
    // Every document is one sequence.
    (0..=lengths.len() as i64).for_each(|nth| bytes.extend_from_slice(&nth.to_le_bytes()));
    bytes
}

/// The path with an ending added; the name may hold dots.
fn with(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}
