//! Cutting one shard into pieces that can be read alone, and reading one.
//!
//! A line belongs to the piece in which it begins. Plain files are cut at line starts. In a zst
//! shard of many frames a line may cross frames, so a piece passes over everything up to its first
//! line end (the piece before has read it) and reads on past its last frame to the next line end.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::gzip::Members;
use super::lines::{BlockReader, Chunk};
use super::stored::{Section, Stored};
use super::{Codec, Damage, Format, Input, Limits, Located, codec, table};

/// Read errors after which lines are no longer counted.
const MOST_ERRORS: usize = 1 << 20;

/// How large pieces are, in stored bytes. The size decides what is done again after a kill and what
/// can be done at once, never what comes out.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Least size of a plain piece.
    pub plain: usize,
    /// Least size of a piece of zst frames.
    pub frames: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self { plain: 32 << 20, frames: 4 << 20 }
    }
}

/// One unit of work and of resuming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The stream from end to end: gzip, a zst shard of one frame, standard input.
    Whole,
    /// Bytes of a plain file, cut at line starts.
    Bytes(Range<usize>),
    /// Indices into the shard's frames.
    Frames(Range<usize>),
    /// One row group of a Parquet file.
    RowGroup(usize),
}

/// An opened shard: its stored bytes, its pieces, and what was found wrong while cutting.
pub struct Shard {
    pub input: Input,
    pub pieces: Vec<Piece>,
    pub damage: Vec<Damage>,
    frames: Vec<(usize, usize)>,
}

impl Shard {
    /// Opens and cuts a shard, of a table the row groups.
    ///
    /// # Errors
    /// Where the file cannot be opened, or is no table though its name says so.
    pub fn open(input: &Input) -> io::Result<Self> {
        Self::open_cut(input, Cut::default())
    }

    /// The same with pieces of another size.
    ///
    /// # Errors
    /// The same.
    pub fn open_cut(input: &Input, cut: Cut) -> io::Result<Self> {
        let mut shard = Self {
            input: input.clone(),
            pieces: vec![Piece::Whole],
            damage: Vec::new(),
            frames: Vec::new(),
        };
        if input.format == Format::Parquet {
            // As text: what the error wraps is said once, without the names of its layers.
            let footer = table::footer(input).map_err(|e| io::Error::other(e.to_string()))?;
            shard.pieces = (0..footer.row_groups).map(Piece::RowGroup).collect();
            return Ok(shard);
        }
        if input.is_stdin() {
            return Ok(shard);
        }
        let stored = Stored::open(input)?;
        match input.codec {
            Codec::Plain => shard.pieces = cut_plain(&stored, cut.plain)?,
            Codec::Zstd => {
                // Headers stand everywhere: an object is read whole for them.
                let end = stored.len();
                let stored = stored.through(0..end);
                (shard.frames, shard.damage) = codec::zstd_frames(&stored)?;
                shard.pieces = cut_frames(&shard.frames, cut.frames);
            }
            Codec::Gzip => {}
        }
        Ok(shard)
    }

    /// Stored bytes of a piece; of a row group its even share of the file.
    #[must_use]
    pub fn stored_bytes(&self, piece: &Piece) -> u64 {
        match piece {
            Piece::Whole => self.input.bytes,
            Piece::Bytes(range) => range.len() as u64,
            Piece::Frames(range) => {
                self.frames[range.clone()].iter().map(|(start, end)| (end - start) as u64).sum()
            }
            Piece::RowGroup(_) => self.input.bytes / self.pieces.len().max(1) as u64,
        }
    }

    /// The shard, opened for one piece, of which `range` will be read: a run may have more shards
    /// than files can be open.
    fn stored(&self, range: Range<usize>) -> io::Result<Arc<Stored>> {
        Ok(Arc::new(Stored::open(&self.input)?.through(range)))
    }

    /// A reader over the lines of one piece.
    ///
    /// # Errors
    /// Where the decoder cannot be set up.
    pub fn lines(&self, piece: &Piece, limits: Limits) -> io::Result<Lines<'_>> {
        let codec = self.input.codec;
        if self.input.is_stdin() {
            let reader = Fused::new(codec::decoder(codec, io::stdin(), limits)?);
            return Ok(Lines::new(Box::new(reader), limits, None));
        }
        let stored = match piece {
            Piece::Whole | Piece::RowGroup(_) => self.stored(0..usize::MAX)?,
            Piece::Bytes(range) => self.stored(range.clone())?,
            Piece::Frames(range) => self.stored(self.bytes_of(range))?,
        };
        let reader: Box<dyn Read + '_> = match piece {
            Piece::Whole | Piece::RowGroup(_) if codec == Codec::Gzip => {
                Box::new(Members::new(stored.clone(), limits))
            }
            Piece::Whole | Piece::RowGroup(_) => {
                let whole = stored.section(0..usize::MAX);
                Box::new(Fused::new(codec::decoder(codec, whole, limits)?))
            }
            Piece::Bytes(range) => Box::new(Fused::new(Placed(stored.section(range.clone())))),
            Piece::Frames(range) => {
                Box::new(self.frame_reader(range.clone(), stored.clone(), limits))
            }
        };
        let mut lines = Lines::new(reader, limits, Some(stored));
        lines.skip = matches!(piece, Piece::Frames(range) if range.start > 0);
        Ok(lines)
    }

    fn bytes_of(&self, frames: &Range<usize>) -> Range<usize> {
        match self.frames.get(frames.clone()) {
            Some([first, .., last]) => first.0..last.1,
            Some([only]) => only.0..only.1,
            _ => 0..0,
        }
    }

    fn frame_reader(&self, range: Range<usize>, stored: Arc<Stored>, limits: Limits) -> Frames<'_> {
        Frames {
            stored,
            frames: &self.frames,
            next: range.start,
            end: range.end,
            current: None,
            limits,
            given: 0,
            before: 0,
            done: false,
        }
    }

    /// Lines and decoded bytes before the first line of a piece. Reads the shard again up to there,
    /// so ask only where a line number is wanted.
    #[must_use]
    pub fn lines_before(&self, piece: &Piece, limits: Limits) -> (u64, u64) {
        let counted = match piece {
            Piece::Whole | Piece::RowGroup(_) => Ok((0, 0)),
            Piece::Bytes(range) => {
                self.stored(0..range.start).map(|s| count_lines(s.section(0..range.start)))
            }
            Piece::Frames(range) if range.start == 0 => Ok((0, 0)),
            // The piece before reads to its line end behind the boundary: so does this count.
            Piece::Frames(range) => {
                let before = 0..range.start;
                let stored = self.stored(self.bytes_of(&before));
                stored.map(|stored| count_lines(self.frame_reader(before, stored, limits)))
            }
        };
        // A file that is gone by now is reported by the piece itself.
        counted.unwrap_or_default()
    }
}

/// Lines and bytes of a reader. Damage is passed over: the piece that holds it reports it.
fn count_lines(mut reader: impl Read) -> (u64, u64) {
    let (mut lines, mut bytes, mut errors) = (0, 0, 0);
    let mut buffer = vec![0; 256 << 10];
    // A reader of frames gives one error for each damaged frame and goes on; another might repeat
    // the same one for ever.
    while errors < MOST_ERRORS {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                lines += memchr::memchr_iter(b'\n', &buffer[..n]).count() as u64;
                bytes += n as u64;
            }
            Err(_) => errors += 1,
        }
    }
    (lines, bytes)
}

fn cut_plain(stored: &Stored, least: usize) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < stored.len() {
        let found = stored.find(b"\n", start + least)?;
        let end = found.map_or(stored.len(), |at| (at + 1).min(stored.len()));
        pieces.push(Piece::Bytes(start..end));
        start = end;
    }
    if pieces.is_empty() {
        pieces.push(Piece::Bytes(0..0));
    }
    Ok(pieces)
}

fn cut_frames(frames: &[(usize, usize)], least: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (i, frame) in frames.iter().enumerate() {
        if frame.1 - frames[start].0 >= least || i + 1 == frames.len() {
            pieces.push(Piece::Frames(start..i + 1));
            start = i + 1;
        }
    }
    if pieces.is_empty() {
        pieces.push(Piece::Frames(0..0));
    }
    pieces
}

/// The lines of one piece.
pub struct Lines<'a> {
    blocks: BlockReader<Box<dyn Read + 'a>>,
    skip: bool,
    skipped: u64,
    stored: Option<Arc<Stored>>,
}

impl<'a> Lines<'a> {
    fn new(reader: Box<dyn Read + 'a>, limits: Limits, stored: Option<Arc<Stored>>) -> Self {
        let blocks = BlockReader::new(reader, limits.line_bytes);
        Self { blocks, skip: false, skipped: 0, stored }
    }

    /// Stored bytes that were read so far.
    #[must_use]
    pub fn stored_read(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| stored.bytes_read())
    }

    /// Decoded bytes that were passed over as the end of a line of the piece before.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next block of whole lines. Reading may go on after [`Chunk::Broken`]: the next line is
    /// then perhaps the rest of a line whose beginning is lost.
    pub fn next_chunk(&mut self) -> Chunk<'_> {
        if self.skip {
            self.skip = false;
            return self.after_first_line();
        }
        self.blocks.next_chunk()
    }

    /// Passes over the line that the piece before has read.
    fn after_first_line(&mut self) -> Chunk<'_> {
        match self.blocks.next_chunk() {
            Chunk::Lines(block) => {
                let first = memchr::memchr(b'\n', block).map_or(block.len(), |i| i + 1);
                self.skipped = first as u64;
                Chunk::Lines(&block[first..])
            }
            Chunk::TooLong { bytes, .. } => {
                self.skipped = bytes;
                Chunk::Lines(&[])
            }
            other => other,
        }
    }
}

/// Ends a stream after its first error: decoders may repeat it for ever.
struct Fused<R> {
    inner: R,
    over: bool,
}

impl<R> Fused<R> {
    fn new(inner: R) -> Self {
        Self { inner, over: false }
    }
}

impl<R: Read> Read for Fused<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.over {
            return Ok(0);
        }
        let got = self.inner.read(buffer);
        if let Err(error) = &got {
            self.over = error.kind() != io::ErrorKind::Interrupted;
        }
        got
    }
}

/// A plain section whose errors tell where in the file they came.
struct Placed(Section);

impl Read for Placed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.0.position();
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => Located::error(at as u64, kind, format!("at byte {at}: {error}")),
        })
    }
}

/// Decodes frames one after another; an error ends one frame, not the stream.
struct Frames<'a> {
    stored: Arc<Stored>,
    frames: &'a [(usize, usize)],
    next: usize,
    end: usize,
    current: Option<Box<dyn Read + 'a>>,
    limits: Limits,
    /// Bytes that were given out, and how many of them before the current frame.
    given: u64,
    before: u64,
    done: bool,
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.decode(buffer)?;
        self.given += n as u64;
        Ok(n)
    }
}

impl Frames<'_> {
    fn decode(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.done {
                return Ok(0);
            }
            let Some(frame) = self.current.as_mut() else {
                let Some(&(start, end)) = self.frames.get(self.next) else {
                    self.done = true;
                    continue;
                };
                self.next += 1;
                self.before = self.given;
                self.current = Some(codec::decoder(
                    Codec::Zstd,
                    self.stored.section(start..end),
                    self.limits,
                )?);
                continue;
            };
            let tail = self.next > self.end;
            match frame.read(buffer) {
                Ok(0) => {
                    self.current = None;
                    if self.next >= self.end && self.frames.len() == self.next {
                        self.done = true;
                    }
                }
                Ok(n) if tail => {
                    // Past the last frame only the rest of the last line is wanted.
                    if let Some(i) = memchr::memchr(b'\n', &buffer[..n]) {
                        self.done = true;
                        return Ok(i + 1);
                    }
                    return Ok(n);
                }
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.current = None;
                    self.done = tail;
                    let (start, _) = self.frames[self.next - 1];
                    let message = format!("frame at byte {start}: {error}");
                    // A block comes out only once it is decoded; a checksum speaks of all of them.
                    let all = message.contains("checksum");
                    let doubtful = if all { self.before..self.given } else { 0..0 };
                    let kind = error.kind();
                    return Err(Located::doubtful_error(start as u64, kind, message, doubtful));
                }
            }
        }
    }
}
