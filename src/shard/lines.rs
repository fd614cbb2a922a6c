//! Blocks of whole lines from any reader, into one reused buffer.

use std::io::{self, Read};

/// Bytes asked for at a time: large enough to amortise the gate, small enough for the L2 cache.
const BLOCK: usize = 256 << 10;

/// What comes next in a stream.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// Whole lines, each ending in `\n`, except that the last line of the stream may lack it.
    Lines(&'a [u8]),
    /// A line longer than the limit: its length and its first bytes. The rest was passed over.
    TooLong {
        bytes: u64,
        head: &'a [u8],
    },
    /// The stream broke: the bytes after the last whole line, and why.
    Broken {
        torn: &'a [u8],
        why: io::Error,
    },
    End,
}

/// Cuts a stream into blocks of whole lines. Holds at most one block plus the longest line allowed.
pub struct BlockReader<R> {
    inner: R,
    buffer: Vec<u8>,
    filled: usize,
    handed: usize,
    limit: usize,
    broken: Option<io::Error>,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    pub fn new(inner: R, limit: usize) -> Self {
        Self {
            inner,
            buffer: vec![0; BLOCK],
            filled: 0,
            handed: 0,
            limit,
            broken: None,
            ended: false,
        }
    }

    /// The next block. A reader that can go on after an error is read on after [`Chunk::Broken`].
    pub fn next_chunk(&mut self) -> Chunk<'_> {
        self.buffer.copy_within(self.handed..self.filled, 0);
        self.filled -= self.handed;
        self.handed = 0;
        loop {
            self.fill();
            if let Some(last) = memchr::memrchr(b'\n', &self.buffer[..self.filled]) {
                self.handed = last + 1;
                return Chunk::Lines(&self.buffer[..self.handed]);
            }
            if let Some(why) = self.broken.take() {
                self.handed = self.filled;
                return Chunk::Broken { torn: &self.buffer[..self.filled], why };
            }
            if self.ended {
                self.handed = self.filled;
                if self.filled == 0 {
                    return Chunk::End;
                }
                return Chunk::Lines(&self.buffer[..self.filled]);
            }
            if self.filled > self.limit {
                return self.pass_over();
            }
            let wanted = (self.buffer.len() * 2).min(self.limit + BLOCK);
            self.buffer.resize(wanted, 0);
        }
    }

    fn fill(&mut self) {
        while self.filled < self.buffer.len() && !self.ended && self.broken.is_none() {
            match self.inner.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.broken = Some(e),
            }
        }
    }

    /// Reads to the end of an overlong line, keeping its head only.
    fn pass_over(&mut self) -> Chunk<'_> {
        const HEAD: usize = 4096;
        let head = HEAD.min(self.filled);
        let mut bytes = self.filled as u64;
        self.filled = head;
        self.buffer.truncate((head + BLOCK).max(BLOCK));
        self.buffer.shrink_to_fit();
        loop {
            let read = match self.inner.read(&mut self.buffer[head..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.broken = Some(e);
                    break;
                }
            };
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[head..head + read]) {
                bytes += end as u64 + 1;
                self.filled = head + read;
                self.handed = head + end + 1;
                return Chunk::TooLong { bytes, head: &self.buffer[..head] };
            }
            bytes += read as u64;
        }
        self.handed = head;
        Chunk::TooLong { bytes, head: &self.buffer[..head] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(data: &[u8], limit: usize) -> Vec<String> {
        let mut reader = BlockReader::new(data, limit);
        let mut seen = Vec::new();
        loop {
            match reader.next_chunk() {
                Chunk::Lines(lines) => {
                    seen.extend(lines.split_inclusive(|b| *b == b'\n').map(|l| {
                        let text = String::from_utf8_lossy(l);
                        if text.len() > 20 {
                            format!("len {}", text.len())
                        } else {
                            text.into_owned()
                        }
                    }));
                }
                Chunk::TooLong { bytes, .. } => seen.push(format!("too long {bytes}")),
                Chunk::Broken { .. } => seen.push("broken".into()),
                Chunk::End => return seen,
            }
        }
    }

    #[test]
    fn lines_come_whole() {
        assert_eq!(all(b"a\nb\n\nc", 100), ["a\n", "b\n", "\n", "c"]);
        assert!(all(b"", 100).is_empty());
    }

    #[test]
    fn a_long_line_is_passed_over_and_the_next_is_read() {
        let mut data = vec![b'x'; 3 * BLOCK];
        data.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&data, BLOCK), [format!("too long {}", 3 * BLOCK + 1), "next\n".into()]);
        assert_eq!(all(&data, 4 * BLOCK), [format!("len {}", 3 * BLOCK + 1), "next\n".into()]);
    }
}
