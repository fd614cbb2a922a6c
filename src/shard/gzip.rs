//! Reads a gzip file member by member, so that damage in one costs that member and no other.
//!
//! A gzip file has no table of its members: where one ends is known only once it is decoded. After
//! damage the search therefore goes on for the next header that is sane and whose data decode.
//! Decoding may have run over the boundary before it noticed, so the search begins a little earlier;
//! a member of which bytes have come out already, as a stored block copies them, is not read again:
//! no record may come twice.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::stored::{Section, Stored};
use super::{Limits, Located};

#[expect(clippy::disallowed_types, reason = "members are read one by one, and then the next")]
type Decoder = flate2::bufread::GzDecoder<BufReader<Section>>;

/// Stored bytes read at a time.
const BUFFER: usize = 32 << 10;
/// How far before the place where damage was noticed the next member may begin.
const OVERRUN: usize = 32 << 10;
/// Decoded bytes by which a candidate has to prove itself.
const PROOF: usize = 64 << 10;
/// Newest decoded bytes that are remembered. A stored block holds fewer.
const TAIL: usize = 64 << 10;
/// Decoded bytes within which a wrong code makes the decoder stop, if it ever does: it runs on to the
/// end of its block and takes what stands there for the head of another.
const UNNOTICED: u64 = 1 << 20;
const MAGIC: [u8; 3] = [0x1F, 0x8B, 0x08];

/// A reader over all members. An error ends one member, not the stream; it is [`Located`].
pub struct Members {
    stored: Arc<Stored>,
    limits: Limits,
    /// Where the current member begins.
    start: usize,
    current: Decoder,
    tail: Vec<u8>,
    /// Decoded bytes, those of candidates included, and how far the file was read for them.
    out: u64,
    reached: u64,
    /// Bytes that were given out, and how many of them before the current member.
    given: u64,
    before: u64,
    over: bool,
}

impl Members {
    #[must_use]
    pub fn new(stored: Arc<Stored>, limits: Limits) -> Self {
        let current = open(&stored, 0);
        let (out, reached, given, before, over) = (0, 0, 0, 0, false);
        let tail = Vec::new();
        Self { stored, limits, start: 0, current, tail, out, reached, given, before, over }
    }

    fn begin(&mut self, at: usize) {
        self.start = at;
        self.before = self.given;
        self.current = open(&self.stored, at);
        self.tail.clear();
    }

    /// Ends the stream, or begins the member behind one that ended well.
    fn next(&mut self) {
        let end = position(&self.current);
        if end >= self.stored.len() {
            self.over = true;
        } else {
            self.begin(end);
        }
    }

    /// Counts what came out; an error where it is a bomb.
    fn count(&mut self, n: usize) -> io::Result<()> {
        self.out += n as u64;
        self.reached = self.reached.max(position(&self.current) as u64);
        self.limits.check_expansion(self.out, self.reached)
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.tail.len() > TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    }

    /// Goes on behind damage; gives the error that tells of it.
    fn after(&mut self, why: &io::Error) -> io::Error {
        let (start, doubtful) = (self.start, self.doubtful(why));
        let next = self.search().unwrap_or(None);
        let then = match next {
            Some(at) => {
                self.begin(at);
                format!("read on at byte {at}")
            }
            None => {
                self.over = true;
                "no member behind it can be read".into()
            }
        };
        let message = format!("member at byte {start}: {why}; {then}");
        Located::doubtful_error(start as u64, why.kind(), message, doubtful)
    }

    /// What of the current member was given out although it may not be what was stored. A changed
    /// byte can turn into other text long before an error shows, or into nothing but a checksum that
    /// does not fit: then any byte of the member may be wrong. A member that only ends early is sound.
    fn doubtful(&self, why: &io::Error) -> std::ops::Range<u64> {
        let data = matches!(why.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        match data && why.raw_os_error().is_none() {
            true if why.to_string().contains("deflate") => {
                self.before.max(self.given.saturating_sub(UNNOTICED))..self.given
            }
            true => self.before..self.given,
            false => 0..0,
        }
    }

    fn search(&mut self) -> io::Result<Option<usize>> {
        let noticed = position(&self.current);
        let mut from = (self.start + 1).max(noticed.saturating_sub(OVERRUN));
        while let Some(at) = self.stored.find(&MAGIC, from)? {
            let given = at < noticed && self.came_out(at);
            if !given && self.header_is_sane(at) && self.proves(at)? {
                return Ok(Some(at));
            }
            from = at + 1;
        }
        Ok(None)
    }

    /// Reserved flags are zero, and the operating system is one that has a number.
    fn header_is_sane(&self, at: usize) -> bool {
        let Some([flags, .., system]) = self.stored.array::<7>(at + 3) else { return false };
        flags & 0xE0 == 0 && (system <= 13 || system == 255)
    }

    /// Whether the bytes at `at` are among the newest that were decoded.
    fn came_out(&self, at: usize) -> bool {
        let head: Option<[u8; 16]> = self.stored.array(at);
        head.is_some_and(|head| memchr::memmem::find(&self.tail, &head).is_some())
    }

    /// Whether data follow that decode.
    fn proves(&mut self, at: usize) -> io::Result<bool> {
        let mut decoder = open(&self.stored, at);
        let mut buffer = vec![0; 8 << 10];
        let mut proved = 0;
        let sound = loop {
            match decoder.read(&mut buffer) {
                Ok(0) => break true,
                Ok(n) => proved += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
            if proved >= PROOF {
                break true;
            }
        };
        self.count(proved)?;
        Ok(sound)
    }
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.over {
            match self.current.read(buffer) {
                Ok(0) => self.next(),
                Ok(n) => {
                    if let Err(bomb) = self.count(n) {
                        self.over = true;
                        return Err(bomb);
                    }
                    self.remember(&buffer[..n]);
                    self.given += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.after(&error)),
            }
        }
        Ok(0)
    }
}

fn open(stored: &Arc<Stored>, at: usize) -> Decoder {
    Decoder::new(BufReader::with_capacity(BUFFER, stored.section(at..usize::MAX)))
}

/// The byte of the file that the decoder takes next.
fn position(decoder: &Decoder) -> usize {
    let reader = decoder.get_ref();
    reader.get_ref().position() - reader.buffer().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn member(text: &[u8], level: u32) -> Vec<u8> {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(text).expect("compresses");
        encoder.finish().expect("ends")
    }

    /// What comes out of a file, and where it was damaged.
    fn read(bytes: &[u8]) -> (String, Vec<u64>) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("is written");
        let stored = Arc::new(Stored::file(file.path()).expect("opens"));
        let mut members = Members::new(stored, Limits::default());
        let (mut out, mut damage, mut buffer) = (Vec::new(), Vec::new(), vec![0; 1000]);
        loop {
            match members.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => out.extend_from_slice(&buffer[..n]),
                Err(error) => damage.push(Located::of(&error).expect("a place")),
            }
        }
        (String::from_utf8_lossy(&out).into_owned(), damage)
    }

    /// Lines of a member; those of one member differ in more than damage could change.
    const WORDS: [&str; 3] = ["harbour", "lantern", "meadow"];

    fn text(member: usize) -> String {
        (0..60).map(|n| format!("{} {n:03} {}\n", WORDS[member], n * n * 7919)).collect()
    }

    /// Three members of a level, and where each begins.
    fn three(level: u32) -> ([usize; 3], Vec<u8>) {
        let members = [0, 1, 2].map(|nth| member(text(nth).as_bytes(), level));
        let starts = [0, members[0].len(), members[0].len() + members[1].len()];
        (starts, members.concat())
    }

    #[test]
    fn a_sound_file_is_read_whole() {
        for level in [0, 1, 6, 9] {
            let (_, all) = three(level);
            assert_eq!(read(&all), (text(0) + &text(1) + &text(2), vec![]));
        }
    }

    /// Wherever a byte is flipped or bytes are cut out, the member before is read whole, no line
    /// comes twice, and nothing is lost without a word. The member behind is whole too, but where
    /// the damage hides the end of the data: a stored block of a wrong length swallows the next
    /// header, and so, rarely, does a wrong code.
    #[test]
    fn damage_costs_one_member() {
        for (level, step, least) in [(0, 13, 0.5), (6, 1, 0.95)] {
            let (starts, all) = three(level);
            let (mut whole, mut cases) = (0, 0);
            for at in (starts[1]..starts[2]).step_by(step) {
                let mut hurt = all.clone();
                hurt[at] ^= 0x40;
                let flipped = format!("level {level}, byte {at} flipped");
                whole += u32::from(check(&hurt, starts[1], &flipped));
                let cut = [&all[..at], &all[(at + 5).min(starts[2])..]].concat();
                let missing = format!("level {level}, 5 bytes cut at {at}");
                whole += u32::from(check(&cut, starts[1], &missing));
                cases += 2;
            }
            let share = f64::from(whole) / f64::from(cases);
            assert!(share >= least, "level {level}: the member behind is whole in {share:.3}");
        }
    }

    /// Whether the third member came out whole.
    fn check(bytes: &[u8], start: usize, what: &str) -> bool {
        let (out, damage) = read(bytes);
        assert!(out.starts_with(&text(0)), "{what}");
        // A flip in the time or the system of a header changes nothing that is read.
        assert!(damage.len() <= 2, "{what}: {damage:?}");
        assert!(damage.is_empty() || damage[0] == start as u64, "{what}: {damage:?}");
        let third = text(2);
        let times = third.lines().map(|line| out.lines().filter(|l| *l == line).count());
        let times: Vec<usize> = times.collect();
        assert!(times.iter().all(|n| *n <= 1), "{what}: a line came twice");
        let whole = times.iter().all(|n| *n == 1);
        assert!(whole || !damage.is_empty(), "{what}: lost without a word");
        whole
    }

    #[test]
    fn rubbish_between_members_is_passed_over_and_a_false_header_is_not_believed() {
        let (first, last) = (member(text(0).as_bytes(), 6), member(text(1).as_bytes(), 6));
        let false_header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03no deflate stream at all";
        let all = [&first[..], &false_header[..], &last].concat();
        assert_eq!(read(&all), (text(0) + &text(1), vec![first.len() as u64]));
        let all = [&first[..], &[0xA5; 70_000], &last].concat();
        assert_eq!(read(&all), (text(0) + &text(1), vec![first.len() as u64]));
        assert_eq!(read(&first[..first.len() - 1]), (text(0), vec![0]));
        assert_eq!(read(b""), (String::new(), vec![0]));
    }
}
