//! A shard as it is stored, a file or an object behind a URL, read at any place by many threads.
//!
//! Plain reads into small buffers, no memory map: that is as fast, a file that another program
//! shortens gives an error in place of ending this one, and no page of a large shard counts as memory
//! of this process.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::Input;
use super::remote::Windows;

/// Bytes read at a time where something is searched for.
const STRETCH: usize = 256 << 10;

/// An opened shard.
#[derive(Debug)]
pub struct Stored {
    place: Place,
    length: usize,
    /// Bytes that sections have read.
    read: AtomicU64,
}

#[derive(Debug)]
enum Place {
    File(Arc<File>),
    Object(Windows),
}

impl Stored {
    /// Opens an input, to be read here and there.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(input: &Input) -> io::Result<Self> {
        let Some(object) = &input.remote else { return Self::file(&input.path) };
        let length = usize::try_from(object.len()).map_err(io::Error::other)?;
        let place = match object.spooled()? {
            Some(file) => Place::File(file),
            None => Place::Object(Windows::new(object)),
        };
        Ok(Self { place, length, read: AtomicU64::new(0) })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Self { place: Place::File(Arc::new(file)), length, read: AtomicU64::new(0) })
    }

    /// Says that `range` will be read from end to end: of an object the next bytes are then sent
    /// for before they are asked for, `block` at a time, and none behind the range.
    #[must_use]
    pub fn ahead(self, range: Range<usize>, block: u64) -> Self {
        let place = match self.place {
            Place::Object(windows) => {
                Place::Object(windows.ahead(range.start as u64..range.end as u64, block))
            }
            file => file,
        };
        Self { place, ..self }
    }

    /// The same with blocks of the usual size.
    #[must_use]
    pub fn through(self, range: Range<usize>) -> Self {
        self.ahead(range, Windows::BLOCK)
    }

    /// Bytes that its sections have read, for those who show how far a reading is.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the shard when it was opened or listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads what fits, from byte `at` on.
    ///
    /// # Errors
    /// Those of the file or the network.
    pub fn read_at(&self, buffer: &mut [u8], at: usize) -> io::Result<usize> {
        match &self.place {
            #[cfg(unix)]
            Place::File(file) => std::os::unix::fs::FileExt::read_at(&**file, buffer, at as u64),
            #[cfg(windows)]
            Place::File(file) => {
                std::os::windows::fs::FileExt::seek_read(&**file, buffer, at as u64)
            }
            Place::Object(windows) => Ok(windows.read_at(buffer, at as u64)?),
        }
    }

    /// The `N` bytes at `at`; none where the file is shorter or cannot be read there.
    #[must_use]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            match self.read_at(&mut bytes[filled..], at.checked_add(filled)?) {
                Ok(0) => return None,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(bytes)
    }

    /// A reader over a range, or what the file holds of it. That the file has become shorter since it
    /// was opened is an error, not an end.
    #[must_use]
    pub fn section(self: &Arc<Self>, range: Range<usize>) -> Section {
        let end = range.end.min(self.length);
        Section { stored: self.clone(), at: range.start, end, failed: false }
    }

    /// Where `what`, of at least one byte, next begins at or behind `from`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn find(&self, what: &[u8], from: usize) -> io::Result<Option<usize>> {
        let mut buffer = vec![0; STRETCH + what.len()];
        let (mut at, mut kept) = (from, 0);
        loop {
            let read = match self.read_at(&mut buffer[kept..], at + kept) {
                Ok(0) => return Ok(None),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let filled = kept + read;
            if let Some(found) = memchr::memmem::find(&buffer[..filled], what) {
                return Ok(Some(at + found));
            }
            // What is looked for may begin in the last bytes.
            let rest = filled.min(what.len() - 1);
            buffer.copy_within(filled - rest..filled, 0);
            (at, kept) = (at + filled - rest, rest);
        }
    }
}

/// Reads a range of a file. A failure is told once and ends it: those who read on behind damage
/// would otherwise meet the same failure for ever.
#[derive(Debug)]
pub struct Section {
    stored: Arc<Stored>,
    at: usize,
    end: usize,
    failed: bool,
}

impl Section {
    /// The byte of the file that is read next.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(0);
        }
        let wanted = buffer.len().min(self.end.saturating_sub(self.at));
        // Decoders are not told of interruptions: some take them for the end of a header.
        let read = loop {
            match self.stored.read_at(&mut buffer[..wanted], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.failed = read.is_err() || (wanted > 0 && matches!(read, Ok(0)));
        if self.failed && read.is_ok() {
            let message = format!("the file now ends {} bytes early", self.end - self.at);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let count = *read.as_ref().unwrap_or(&0);
        self.at += count;
        self.stored.read.fetch_add(count as u64, Ordering::Relaxed);
        read
    }
}

/// Parquet readers take a shard through this.
#[derive(Clone, Debug)]
pub struct Chunks {
    whole: Arc<Stored>,
    /// Column chunks of one row group, which are read side by side: each has its own windows.
    columns: Vec<(Range<usize>, Arc<Stored>)>,
}

impl Chunks {
    /// Bytes of all windows of a row group together, where its columns are few enough.
    const WINDOWS: u64 = 48 << 20;

    /// Opens an input, to be read here and there.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(input: &Input) -> io::Result<Self> {
        Ok(Self { whole: Arc::new(Stored::open(input)?), columns: Vec::new() })
    }

    /// The same for reading some ranges from end to end, side by side.
    ///
    /// # Errors
    /// Where the input cannot be opened.
    pub fn side_by_side(&self, input: &Input, ranges: &[Range<usize>]) -> io::Result<Self> {
        let mut columns = Vec::new();
        if input.remote.is_some() {
            let block = Windows::BLOCK.min(Self::WINDOWS / 3 / ranges.len().max(1) as u64);
            for range in ranges {
                let stored = Stored::open(input)?.ahead(range.clone(), block);
                columns.push((range.clone(), Arc::new(stored)));
            }
        }
        Ok(Self { whole: self.whole.clone(), columns })
    }

    fn at(&self, start: u64) -> ParquetResult<(&Arc<Stored>, usize)> {
        let start = usize::try_from(start).map_err(|e| ParquetError::External(e.into()))?;
        let column = self.columns.iter().find(|(range, _)| range.contains(&start));
        Ok((column.map_or(&self.whole, |(_, stored)| stored), start))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.whole.length as u64
    }
}

impl ChunkReader for Chunks {
    type T = io::BufReader<Section>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let (stored, start) = self.at(start)?;
        Ok(io::BufReader::new(stored.section(start..usize::MAX)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let (stored, start) = self.at(start)?;
        // A damaged file may ask for more than there is: nothing is reserved for that.
        if start.checked_add(length).is_none_or(|end| end > self.whole.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are not there")));
        }
        let mut bytes = vec![0; length];
        stored.section(start..start + length).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_searches_end_where_the_file_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let mut bytes = vec![b'x'; 2 * STRETCH];
        for at in [0, STRETCH - 1, STRETCH + 2, 2 * STRETCH - 3] {
            bytes[at..at + 3].copy_from_slice(b"abc");
        }
        std::fs::write(&path, &bytes).expect("is written");
        let stored = Arc::new(Stored::file(&path).expect("opens"));
        let (mut from, mut found) = (0, Vec::new());
        while let Some(at) = stored.find(b"abc", from).expect("is read") {
            found.push(at);
            from = at + 1;
        }
        assert_eq!(found, [0, STRETCH - 1, STRETCH + 2, 2 * STRETCH - 3]);
        assert_eq!(stored.array(STRETCH - 1), Some(*b"abc"));
        assert_eq!(stored.array::<4>(2 * STRETCH - 3), None);
        let mut end = Vec::new();
        stored.section(2 * STRETCH - 4..usize::MAX).read_to_end(&mut end).expect("is read");
        assert_eq!(end, b"xabc");
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_is_told_once_and_ends_the_section() {
        // A folder opens like a file and fails when it is read.
        let folder = tempfile::tempdir().expect("a folder");
        let mut stored = Stored::file(folder.path()).expect("opens");
        stored.length = 10;
        let mut section = Arc::new(stored).section(0..10);
        let mut buffer = [0; 4];
        assert!(section.read(&mut buffer).is_err());
        assert_eq!(section.read(&mut buffer).expect("has ended"), 0);
    }
}
