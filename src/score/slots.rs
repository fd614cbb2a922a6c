//! The words of a text, and pairs of neighbours, as slots of a table: what the sieve reads.
//!
//! Words are runs of ASCII letters and digits, cut to six letters, lower-cased and hashed. Which bytes
//! are such is worked out for 64 of them at a time. A text may be read as it stands in a JSON string:
//! whatever an escape stands for ends a word, unless it is a letter or digit, which no usual program
//! escapes; then the text must be decoded first.

use wide::u8x16;

/// Slots of the table.
pub const SLOTS: usize = 1 << 16;
/// Letters of a word that count: as good as stemming here, and free.
const LETTERS: usize = 6;

/// Whether a text was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    All,
    /// It holds an escaped letter or digit, or is no JSON string.
    Hidden,
}

/// Tells the slots of every word and of every pair of neighbours, in order, many at a time.
#[inline]
pub fn slots(text: &[u8], tell: impl FnMut(&[u16])) {
    let mut words = Words::new(text, tell);
    text.chunks(64).for_each(|block| words.block(alphanumeric(block)));
    words.end();
}

/// The same of the text that stands between the quotes of a JSON string.
#[inline]
pub fn in_json(text: &[u8], tell: impl FnMut(&[u16])) -> Told {
    let mut words = Words::new(text, tell);
    // Bytes at the start of the block that belong to an escape of the block before.
    let mut taken = 0;
    for (nth, block) in text.chunks(64).enumerate() {
        let mut mask = alphanumeric(block) & u64::MAX << taken;
        let mut escapes = equal(block, b'\\') & u64::MAX << taken;
        taken = 0;
        while escapes != 0 {
            let at = escapes.trailing_zeros() as usize;
            let Some(length) = escape(text, nth * 64 + at) else { return Told::Hidden };
            let bytes = ((1 << length) - 1) << at;
            escapes &= !bytes;
            mask &= !bytes;
            taken = (at + length).saturating_sub(64);
        }
        words.block(mask);
    }
    words.end();
    Told::All
}

/// Bytes of the escape that begins at `at`; none where it stands for a letter or digit.
fn escape(text: &[u8], at: usize) -> Option<usize> {
    if *text.get(at + 1)? != b'u' {
        return Some(2);
    }
    let hex = text.get(at + 2..at + 6)?;
    let digit = |sum: u32, byte: &u8| Some(sum << 4 | char::from(*byte).to_digit(16)?);
    let code = hex.iter().try_fold(0, digit)?;
    let plain = u8::try_from(code).is_ok_and(|byte| byte.is_ascii_alphanumeric());
    (!plain).then_some(6)
}

/// Slots that are told at once. Finding words and looking their slots up take turns, because the
/// look-ups wait for the cache, and side by side they wait together.
const BATCH: usize = 1024;
/// Most slots of one block: a word and a pair for every second byte, and one word that began before.
const OF_BLOCK: usize = 66;

/// Finds words in masks of 64 bytes each.
struct Words<'t, F> {
    text: &'t [u8],
    tell: F,
    /// Where the next block begins.
    at: usize,
    /// Where the word begins that the last block ended in, if it did.
    start: usize,
    inside: u64,
    before: u64,
    batch: [u16; BATCH],
    filled: usize,
}

impl<'t, F: FnMut(&[u16])> Words<'t, F> {
    #[inline]
    fn new(text: &'t [u8], tell: F) -> Self {
        let (batch, filled) = ([0; BATCH], 0);
        Self { text, tell, at: 0, start: 0, inside: 0, before: 0, batch, filled }
    }

    /// The next block, a bit for each byte that belongs to a word.
    #[inline(always)]
    fn block(&mut self, mask: u64) {
        if self.filled > BATCH - OF_BLOCK {
            self.flush();
        }
        let shifted = mask << 1 | self.inside;
        let (mut starts, mut ends) = (mask & !shifted, shifted & !mask);
        if self.inside == 1 && ends != 0 {
            self.word(self.start, self.at + ends.trailing_zeros() as usize);
            ends &= ends - 1;
        }
        while ends != 0 {
            let start = self.at + starts.trailing_zeros() as usize;
            self.word(start, self.at + ends.trailing_zeros() as usize);
            starts &= starts - 1;
            ends &= ends - 1;
        }
        if starts != 0 {
            self.start = self.at + starts.trailing_zeros() as usize;
        }
        self.inside = mask >> 63;
        self.at += 64;
    }

    #[inline]
    fn end(mut self) {
        if self.filled > BATCH - OF_BLOCK {
            self.flush();
        }
        if self.inside == 1 {
            self.word(self.start, self.text.len());
        }
        self.flush();
    }

    #[inline(always)]
    fn flush(&mut self) {
        (self.tell)(&self.batch[..self.filled.min(BATCH)]);
        self.filled = 0;
    }

    #[inline(always)]
    fn word(&mut self, start: usize, end: usize) {
        let slot = |x: u64| (x.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as u16;
        let word = letters(self.text, start, end - start);
        let pair = self.before.rotate_left(23).wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ word;
        // The masks change nothing: they say that no place is out of bounds. The first word has no
        // pair: its place is written over.
        self.batch[self.filled % BATCH] = slot(word);
        self.batch[(self.filled + 1) % BATCH] = slot(pair);
        self.filled += 1 + usize::from(self.before != 0);
        self.before = word;
    }
}

/// The first letters of a word, lower-cased, as one number.
#[inline]
fn letters(text: &[u8], start: usize, length: usize) -> u64 {
    let bytes = match text.get(start..start + 8) {
        Some(eight) => eight.try_into().unwrap_or_default(),
        None => {
            let mut bytes = [0; 8];
            let rest = &text[start..];
            bytes[..rest.len()].copy_from_slice(rest);
            bytes
        }
    };
    let kept = length.min(LETTERS) as u32;
    // The bit that tells lower case from upper is set in every digit too.
    u64::from_be_bytes(bytes) >> (64 - 8 * kept) | 0x2020_2020_2020 >> (48 - 8 * kept)
}

/// One bit for each of up to 64 bytes: set for ASCII letters and digits.
#[inline]
fn alphanumeric(block: &[u8]) -> u64 {
    sixty_four(block, |bytes| {
        let within = |x: u8x16, first: u8, count: u8| {
            let from_first = x - u8x16::splat(first);
            from_first.min(u8x16::splat(count - 1)).simd_eq(from_first)
        };
        let lower = bytes | u8x16::splat(0x20);
        within(lower, b'a', 26) | within(bytes, b'0', 10)
    })
}

/// The same: set where a byte is this one.
#[inline]
fn equal(block: &[u8], byte: u8) -> u64 {
    sixty_four(block, |bytes| bytes.simd_eq(u8x16::splat(byte)))
}

/// One bit for each byte, set where `of` sets the byte; none where there is no byte.
#[inline]
fn sixty_four(block: &[u8], of: impl Fn(u8x16) -> u8x16) -> u64 {
    let mut padded = [0; 64];
    let whole = <&[u8; 64]>::try_from(block).unwrap_or_else(|_| {
        padded[..block.len()].copy_from_slice(block);
        &padded
    });
    let (sixteens, _) = whole.as_chunks::<16>();
    let bits = |nth: usize| u64::from(of(u8x16::new(sixteens[nth])).to_bitmask()) << (16 * nth);
    bits(0) | bits(1) | bits(2) | bits(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<u16> {
        let mut found = Vec::new();
        slots(text.as_bytes(), |batch| found.extend_from_slice(batch));
        found
    }

    #[test]
    fn bytes_are_told_apart_as_one_by_one() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for shift in 0..70 {
            for (nth, block) in all[shift..].chunks(64).enumerate() {
                for (at, byte) in block.iter().enumerate() {
                    let set = alphanumeric(block) >> at & 1 == 1;
                    assert_eq!(set, byte.is_ascii_alphanumeric(), "{byte} at {at} of {nth}");
                    assert_eq!(equal(block, b'\\') >> at & 1 == 1, *byte == b'\\');
                }
            }
        }
    }

    #[test]
    fn words_are_found_across_blocks() {
        let words = ["a", "Bc", "deF7", "ghijkl", "Mnopqrs", "tuvwxyzABCDEFGHIJ0123456789"];
        let plain = of(&words.join(" ").to_lowercase());
        for gap in 1..80 {
            let found = of(&words.join(&"-".repeat(gap)));
            assert_eq!((found.len(), &found), (11, &plain), "{gap}");
        }
        assert_eq!(of(&"x".repeat(200)), of("xxxxxx"));
        assert_eq!(letters(b"AbC", 0, 3), letters(b"abcdefgh", 0, 3));
        assert_eq!(letters(b"abcdef9", 0, 7), letters(b"ABCDEF12", 0, 8));
    }

    #[test]
    fn an_escaped_letter_is_told() {
        let told = |json: &str| in_json(json.as_bytes(), |_| ());
        for hidden in [r"r\u006fbot", r"\u00e9\u0041", r"no JSON: \", r"nor \u00", r"nor \u00zz"] {
            assert_eq!(told(hidden), Told::Hidden, "{hidden}");
        }
        assert_eq!(told(r#"caf\u00e9 \\u0041 \"x\" \ud83d \u0020"#), Told::All);
    }

    proptest::proptest! {
        #[test]
        fn escapes_do_not_change_the_words(
            parts in proptest::collection::vec((0_usize..9, 0_usize..70), 0..40), ascii: bool,
        ) {
            let pieces = ["\n", "\"", "\\", "Robot", "é", "😀", "\u{1}", "nine9", "u0041 "];
            let dots = |gap: usize| ".".repeat(gap);
            let text: String = parts.iter().map(|(nth, gap)| pieces[*nth].to_owned() + &dots(*gap)).collect();
            let mut json = String::new();
            for c in text.chars() {
                match c {
                    c if ascii && !c.is_ascii() => {
                        c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| json += &format!("\\u{unit:04x}"));
                    }
                    c => {
                        let quoted = serde_json::to_string(&c).expect("a string");
                        json += &quoted[1..quoted.len() - 1];
                    }
                }
            }
            let mut found = Vec::new();
            let told = in_json(json.as_bytes(), |batch| found.extend_from_slice(batch));
            proptest::prop_assert_eq!((told, found), (Told::All, of(&text)), "{}", json);
        }
    }
}
