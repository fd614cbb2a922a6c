//! Decoders with caps and encoders with fixed levels. Here and in
//! [`super::gzip`] stand the only names of zstd and flate2.

use std::io::{self, Read, Write};

use super::Limits;
use super::stored::Stored;

/// How a shard is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    Plain,
    Gzip,
    Zstd,
}

/// Level of written gzip members and zst frames: each program's own default.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// Largest window that a frame may ask for: 2^31 bytes is what `zstd --long=31` writes.
const WINDOW_LOG_MAX: u32 = 31;

/// A decoder over stored bytes; reads every member of a gzip file and every frame of a zst file.
///
/// # Errors
/// Where zstd cannot be set up; damage in the data shows while reading.
pub fn decoder<'a, R: Read + 'a>(
    codec: Codec,
    stored: R,
    limits: Limits,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match codec {
        Codec::Plain => Box::new(stored),
        Codec::Gzip => {
            let counted = Counted::new(stored);
            let seen = counted.seen.clone();
            let decoder = flate2::read::MultiGzDecoder::new(counted);
            Box::new(Capped { inner: decoder, seen, out: 0, limits })
        }
        Codec::Zstd => {
            let counted = Counted::new(stored);
            let seen = counted.seen.clone();
            let mut decoder = zstd::stream::read::Decoder::new(counted)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(Capped { inner: decoder, seen, out: 0, limits })
        }
    })
}

/// An encoder whose output is one gzip member or zst frame; call [`Encoder::finish`].
///
/// # Errors
/// Where zstd cannot be set up.
pub fn encoder<W: Write>(codec: Codec, out: W) -> io::Result<Encoder<W>> {
    Ok(match codec {
        Codec::Plain => Encoder::Plain(out),
        Codec::Gzip => Encoder::Gzip(
            flate2::GzBuilder::new().mtime(0).write(out, flate2::Compression::new(GZIP_LEVEL)),
        ),
        Codec::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Encoder::Zstd(encoder)
        }
    })
}

/// See [`encoder`].
pub enum Encoder<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Ends the frame and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Encoder::Plain(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::Plain(out) => out.write(bytes),
            Encoder::Gzip(out) => out.write(bytes),
            Encoder::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Plain(out) => out.flush(),
            Encoder::Gzip(out) => out.flush(),
            Encoder::Zstd(out) => out.flush(),
        }
    }
}

struct Counted<R> {
    inner: R,
    seen: std::rc::Rc<std::cell::Cell<u64>>,
}

impl<R> Counted<R> {
    fn new(inner: R) -> Self {
        Self { inner, seen: std::rc::Rc::default() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.seen.set(self.seen.get() + n as u64);
        Ok(n)
    }
}

/// Stops a decompression bomb: output may exceed input by the allowed factor only.
struct Capped<R> {
    inner: R,
    seen: std::rc::Rc<std::cell::Cell<u64>>,
    out: u64,
    limits: Limits,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.out += n as u64;
        self.limits.check_expansion(self.out, self.seen.get())?;
        Ok(n)
    }
}

/// The zst frames in `stored`, damage included: `(start, end)` of each frame in order, and the places
/// where no frame could be told. After such a place the search goes on at the next frame's magic
/// number. Only headers are read, of frames and of the blocks in them.
///
/// # Errors
/// Those of the file.
pub fn zstd_frames(stored: &Stored) -> io::Result<Frames> {
    let (mut frames, mut damage, mut at) = (Vec::new(), Vec::new(), 0);
    if stored.is_empty() {
        let message = "an empty file, which holds no zst frame".into();
        damage.push(super::Damage { byte_offset: 0, message });
    }
    while at < stored.len() {
        if let Some(end) = frame_end(stored, at) {
            frames.push((at, end));
            at = end;
            continue;
        }
        let end = stored.find(&MAGIC, at + 1)?.unwrap_or(stored.len());
        // What stands here may still hold whole blocks: it is decoded as far as it goes.
        if stored.array(at) == Some(MAGIC) {
            frames.push((at, end));
        } else {
            damage.push(super::Damage {
                byte_offset: at as u64,
                message: format!("{} bytes that are no zst frame", end - at),
            });
        }
        at = end;
    }
    Ok((frames, damage))
}

/// Frames as ranges of stored bytes, and what stands between them.
pub type Frames = (Vec<(usize, usize)>, Vec<super::Damage>);

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Where the frame at `at` ends, by its own headers (RFC 8878, section 3.1); none where they are
/// damaged or lead beyond the file.
fn frame_end(stored: &Stored, at: usize) -> Option<usize> {
    let magic: [u8; 4] = stored.array(at)?;
    let end = if magic == MAGIC {
        let [descriptor] = stored.array(at + 4)?;
        if descriptor & 0b1000 != 0 {
            return None; // a reserved bit
        }
        let single_segment = descriptor >> 5 & 1;
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
        let content = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
        let mut block = at + 5 + usize::from(1 - single_segment) + dictionary + content;
        loop {
            let [a, b, c] = stored.array(block)?;
            let header = u32::from_le_bytes([a, b, c, 0]);
            let size = match header >> 1 & 0b11 {
                0 | 2 => (header >> 3) as usize,
                1 => 1, // one byte, repeated
                _ => return None,
            };
            block += 3 + size;
            if header & 1 == 1 {
                break block + 4 * usize::from(descriptor >> 2 & 1);
            }
        }
    } else if magic[0] & 0xF0 == 0x50 && magic[1..] == [0x2A, 0x4D, 0x18] {
        at + 8 + u32::from_le_bytes(stored.array(at + 4)?) as usize // a frame to be passed over
    } else {
        return None;
    };
    (end <= stored.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Frames {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("is written");
        zstd_frames(&Stored::file(file.path()).expect("opens")).expect("is read")
    }

    /// Frames of all shapes: with and without a checksum, known and unknown length, stored, repeated
    /// and compressed blocks, several blocks, nothing at all, and one to be passed over.
    fn shapes() -> Vec<Vec<u8>> {
        let mixed: Vec<u8> =
            (0..400_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut frames = vec![b"\x5A\x2A\x4D\x18\x03\x00\x00\x00abc".to_vec()];
        for data in [&b""[..], b"a", &[b'z'; 300_000], &mixed, &b"so it goes ".repeat(70_000)] {
            frames.push(zstd::bulk::compress(data, 3).expect("compresses"));
            let mut encoder = encoder(Codec::Zstd, Vec::new()).expect("an encoder");
            encoder.write_all(data).expect("compresses");
            frames.push(encoder.finish().expect("ends"));
        }
        frames
    }

    #[test]
    fn frames_end_where_the_library_says() {
        let (mut all, mut expected) = (Vec::new(), Vec::new());
        for frame in shapes() {
            let length = zstd::zstd_safe::find_frame_compressed_size(&frame).expect("a frame");
            assert_eq!(length, frame.len());
            expected.push((all.len(), all.len() + length));
            all.extend(frame);
        }
        assert_eq!(of(&all), (expected, Vec::new()));
    }

    #[test]
    fn an_empty_file_is_no_frame() {
        let (frames, damage) = of(b"");
        assert_eq!((frames.len(), damage.len()), (0, 1));
    }

    #[test]
    fn what_stands_between_frames_is_told() {
        let frame = zstd::bulk::compress(b"a line\n", 3).expect("compresses");
        let (n, junk) = (frame.len(), 9);
        let bytes = [&frame[..], b"not zstd!", &frame, &frame[..n - 2]].concat();
        let (frames, damage) = of(&bytes);
        assert_eq!(frames, [(0, n), (n + junk, 2 * n + junk), (2 * n + junk, 3 * n + junk - 2)]);
        assert_eq!((damage.len(), damage[0].byte_offset), (1, n as u64));
    }
}
