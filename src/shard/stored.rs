//! A file as it is stored, read at any place by many threads at once.
//!
//! Plain reads into small buffers, no memory map: that is as fast, a file that another program
//! shortens gives an error in place of ending this one, and no page of a large shard counts as memory
//! of this process.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes read at a time where something is searched for.
const STRETCH: usize = 256 << 10;

/// An opened file.
#[derive(Debug)]
pub struct Stored {
    file: File,
    length: usize,
}

impl Stored {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Self { file, length })
    }

    /// Bytes of the file when it was opened.
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
    /// Those of the file.
    pub fn read_at(&self, buffer: &mut [u8], at: usize) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.file, buffer, at as u64);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&self.file, buffer, at as u64);
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
        Section { stored: self.clone(), at: range.start, end: range.end.min(self.length) }
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

/// Reads a range of a file.
#[derive(Debug)]
pub struct Section {
    stored: Arc<Stored>,
    at: usize,
    end: usize,
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
        let wanted = buffer.len().min(self.end.saturating_sub(self.at));
        // Decoders are not told of interruptions: some take them for the end of a header.
        let read = loop {
            match self.stored.read_at(&mut buffer[..wanted], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 && wanted > 0 {
            let message = format!("the file now ends {} bytes early", self.end - self.at);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.at += read;
        Ok(read)
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
        let stored = Arc::new(Stored::open(&path).expect("opens"));
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
}
