//! Decoders with caps and encoders with fixed levels. The only place that names zstd and flate2.

use std::io::{self, Read, Write};

use super::Limits;

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
            Box::new(Capped { inner: decoder, seen, out: 0, expansion: limits.expansion })
        }
        Codec::Zstd => {
            let counted = Counted::new(stored);
            let seen = counted.seen.clone();
            let mut decoder = zstd::stream::read::Decoder::new(counted)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(Capped { inner: decoder, seen, out: 0, expansion: limits.expansion })
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
    expansion: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.out += n as u64;
        let allowed = self.seen.get().saturating_mul(self.expansion).max(Limits::FREE_EXPANSION);
        if self.out > allowed {
            return Err(io::Error::other(format!(
                "{} bytes came out of {}: more than {} times; raise --max-expansion if this is meant",
                self.out,
                self.seen.get(),
                self.expansion
            )));
        }
        Ok(n)
    }
}

/// Lengths of the zst frames in `stored`, damage included: `(start, end)` of each frame in order,
/// and the places where no frame could be told. After such a place the search goes on at the next
/// frame's magic number.
#[must_use]
pub fn zstd_frames(stored: &[u8]) -> (Vec<(usize, usize)>, Vec<super::Damage>) {
    const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    let (mut frames, mut damage, mut at) = (Vec::new(), Vec::new(), 0);
    while at < stored.len() {
        match zstd::zstd_safe::find_frame_compressed_size(&stored[at..]) {
            Ok(length) if length > 0 && at + length <= stored.len() => {
                frames.push((at, at + length));
                at += length;
            }
            _ => {
                let next = memchr::memmem::find(&stored[at + 1..], &MAGIC).map(|i| at + 1 + i);
                let end = next.unwrap_or(stored.len());
                // What stands here may still hold whole blocks: it is decoded as far as it goes.
                if stored[at..].starts_with(&MAGIC) {
                    frames.push((at, end));
                } else {
                    damage.push(super::Damage {
                        byte_offset: at as u64,
                        message: format!("{} bytes that are no zst frame", end - at),
                    });
                }
                at = end;
            }
        }
    }
    (frames, damage)
}
