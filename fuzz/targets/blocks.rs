//! Compressed files: codecs, frames, members, pieces and lines.

use std::io::{Read, Write};
use std::path::PathBuf;

use parable::shard::lines::Chunk;
use parable::shard::piece::{Cut, Shard};
use parable::shard::{Codec, Format, Input, Limits};

/// Decoded bytes after which an input is given up: bombs have a test of their own.
const ENOUGH: usize = 1 << 20;

/// What came out of a shard.
#[derive(Default)]
struct Found {
    bytes: Vec<u8>,
    damage: usize,
    overlong: usize,
    given_up: bool,
}

fn read(stored: &[u8], codec: Codec, cut: Cut, line_bytes: usize) -> Found {
    let mut file = scratch();
    file.write_all(stored).expect("is written");
    let input = Input {
        path: file.path().into(),
        rel: PathBuf::from("a.jsonl"),
        format: Format::JsonLines,
        codec,
        bytes: stored.len() as u64,
        remote: None,
    };
    let shard = Shard::open_cut(&input, cut).expect("a regular file opens");
    let mut found = Found { damage: shard.damage.len(), ..Found::default() };
    let limits = Limits { line_bytes, ..Limits::default() };
    for piece in &shard.pieces {
        let mut lines = shard.lines(piece, limits).expect("a reader");
        loop {
            match lines.next_chunk() {
                Chunk::End => break,
                Chunk::Lines(block) => found.bytes.extend_from_slice(block),
                Chunk::TooLong { .. } => found.overlong += 1,
                Chunk::Broken { torn, .. } => {
                    found.damage += 1;
                    found.bytes.extend_from_slice(torn);
                    found.bytes.push(b'\n');
                }
            }
            if found.bytes.len() > ENOUGH {
                found.given_up = true;
                return found;
            }
        }
    }
    found
}

fn scratch() -> tempfile::NamedTempFile {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    tempfile::NamedTempFile::new_in(folder).expect("a file")
}

fn codec_of(byte: u8) -> Codec {
    [Codec::Plain, Codec::Gzip, Codec::Zstd][usize::from(byte % 3)]
}

/// What another reader of the same library makes of the whole; none where it finds damage or more
/// than enough.
fn reference(stored: &[u8], codec: Codec) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let enough = ENOUGH as u64 + 1;
    let whole = match codec {
        Codec::Plain => stored.take(enough).read_to_end(&mut out),
        Codec::Gzip => flate2::read::MultiGzDecoder::new(stored).take(enough).read_to_end(&mut out),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(stored).expect("a decoder");
            decoder.window_log_max(31).expect("a window");
            decoder.take(enough).read_to_end(&mut out)
        }
    };
    (whole.is_ok() && out.len() <= ENOUGH).then_some(out)
}

/// Any bytes under any codec: however they are cut into pieces, what a plain decoder reads without
/// complaint comes out whole, and nothing else happens than that damage is told.
pub fn blocks(data: &[u8]) {
    let [kind, least, stored @ ..] = data else { return };
    let codec = codec_of(*kind);
    let least = usize::from(*least);
    let whole = reference(stored, codec);
    for cut in [Cut::default(), Cut { plain: least, frames: least }] {
        let found = read(stored, codec, cut, 64 << 20);
        let Some(whole) = &whole else { continue };
        // An empty file is no gzip file.
        let empty = stored.is_empty() && codec == Codec::Gzip;
        assert!(found.damage == 0 || empty, "damage where there is none");
        assert!(found.bytes == *whole, "{cut:?}: the same bytes");
    }
    // Short lines only: the rest is told, and the program goes on.
    read(stored, codec, Cut { plain: least, frames: least }, 16);
}

/// Frames and members of known lines with one byte changed: no line comes twice, and none is
/// missing without a word.
pub fn damaged_blocks(data: &[u8]) {
    let [kind, least, parts, flip, at_high, at_low, content @ ..] = data else { return };
    let codec = codec_of(*kind);
    let parts = 1 + usize::from(parts % 6);
    let mut stored = Vec::new();
    let mut wanted = Vec::new();
    for part in 0..parts {
        let mut block = Vec::new();
        for (n, stretch) in content.chunks(1 + usize::from(kind >> 3)).take(40).enumerate() {
            let line = format!("part {part} line {n} {}", stretch.escape_ascii());
            block.extend_from_slice(line.as_bytes());
            block.push(b'\n');
            wanted.push(line);
        }
        stored.extend(encoded(&block, codec, *least % 10));
    }
    let sound = read(&stored, codec, Cut { plain: 1 << 8, frames: usize::from(*least) }, 64 << 20);
    assert_eq!(sound.damage, 0);
    let lines = |found: &Found| -> Vec<String> {
        found.bytes.lines().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    assert_eq!(lines(&sound), wanted);
    if *flip == 0 || codec == Codec::Plain || stored.is_empty() {
        return;
    }
    let at = usize::from(u16::from_be_bytes([*at_high, *at_low])) % stored.len();
    stored[at] ^= flip;
    let hurt = read(&stored, codec, Cut { plain: 1 << 8, frames: usize::from(*least) }, 64 << 20);
    let found = lines(&hurt);
    for line in &wanted {
        let times = found.iter().filter(|l| *l == line).count();
        // A changed byte may turn one line of its own part into another, but then that is told.
        assert!(times <= 1 || hurt.damage > 0, "{line} comes {times} times: {codec:?} {at} {flip}");
        assert!(times >= 1 || hurt.damage > 0, "{line} is gone: {codec:?} {at} {flip}");
    }
}

fn encoded(block: &[u8], codec: Codec, level: u8) -> Vec<u8> {
    match codec {
        Codec::Plain => block.to_vec(),
        Codec::Gzip => {
            let level = flate2::Compression::new(u32::from(level));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(block).expect("compresses");
            encoder.finish().expect("ends")
        }
        Codec::Zstd => {
            let level = i32::from(level % 4);
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), level).expect("an encoder");
            encoder.include_checksum(true).expect("a checksum");
            encoder.write_all(block).expect("compresses");
            encoder.finish().expect("ends")
        }
    }
}

/// Lines of bytes, of which the last may be empty.
trait ByteLines {
    fn lines(&self) -> impl Iterator<Item = &[u8]>;
}

impl ByteLines for Vec<u8> {
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.strip_suffix(b"\n").unwrap_or(self).split(|b| *b == b'\n').filter(|l| !l.is_empty())
    }
}
