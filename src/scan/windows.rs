//! A search for many literals at once: first for four rare bytes of each, then for the whole.
//!
//! Text is folded (lower case; everything but ASCII letters and digits becomes a blank) and read at
//! every second offset: four bytes there are looked up in a bitmap that stays in the cache. Each
//! literal has two windows of four bytes, one offset apart, so one of them lies at an even offset
//! wherever the literal stands. Both are chosen where English text has the rarest letters. A window
//! that is found names the literals that have it, and those are compared in full.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::pairs::{COMMON, PAIRS};

/// Bytes that are folded at a time: a stretch that stays in the fastest cache.
const TILE: usize = 2048;
/// Bytes of a window.
const WIDTH: usize = 4;
/// How often a window that is listed as common stands in text, at the least.
const ONE_IN_COMMON: f32 = 1.0 / 3_701.0;
/// Bits of the window's hash, and so the size of the bitmap: 16 KB.
const HASH_BITS: u32 = 17;
/// A literal to look for. Letters match in either case.
#[derive(Clone, Debug)]
pub struct Literal {
    pub bytes: Vec<u8>,
    /// Only a blank stands before it, or the letter of an escape, as in `\nrobot`.
    pub opens_word: bool,
    /// Only a blank stands behind it.
    pub closes_word: bool,
}

/// A compiled search.
#[derive(Clone, Debug)]
pub struct Windows {
    bitmap: Vec<u64>,
    /// Open addressing by the window's hash: the window and its range of `places`.
    slots: Vec<(u32, u32, u32)>,
    places: Vec<Place>,
    literals: Vec<Box<[u8]>>,
}

/// A literal and where it begins, counted from the window's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    literal: u32,
    start: i32,
}

impl Windows {
    /// Compiles a search; none where a literal is too short to have a window.
    #[must_use]
    pub fn new(literals: &[Literal]) -> Option<Self> {
        let mut all: Vec<(u32, Place)> = Vec::new();
        for (literal, number) in literals.iter().zip(0..) {
            for (window, start) in windows(literal)? {
                all.push((window, Place { literal: number, start }));
            }
        }
        all.sort_unstable();
        all.dedup();
        let distinct = all.chunk_by(|a, b| a.0 == b.0).count();
        let size = (distinct * 2 + 2).next_power_of_two();
        let mut search = Self {
            bitmap: vec![0; (1 << HASH_BITS) / 64],
            slots: vec![(0, 0, 0); size],
            places: all.iter().map(|(_, place)| *place).collect(),
            literals: literals.iter().map(|l| l.bytes.as_slice().into()).collect(),
        };
        let mut from = 0;
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            let (window, to) = (same[0].0, from + same.len() as u32);
            let hash = hash(window);
            search.bitmap[hash >> 6] |= 1 << (hash & 63);
            let mut at = hash & (size - 1);
            while search.slots[at].2 != 0 {
                at = (at + 1) & (size - 1);
            }
            search.slots[at] = (window, from, to);
            from = to;
        }
        Some(search)
    }

    /// Start of a literal at or behind `from` that `confirm` (number, start, end) accepts: the one
    /// whose window comes first.
    pub fn find(
        &self,
        text: &[u8],
        from: usize,
        mut confirm: impl FnMut(usize, usize, usize) -> bool,
    ) -> Option<usize> {
        let bitmap: &[u64; (1 << HASH_BITS) / 64] = self.bitmap.as_slice().try_into().ok()?;
        let mut tile = [b' '; TILE + 16];
        // A window may begin two bytes before its literal; blanks surround the text.
        let mut at = (from as isize - 2) & !1;
        while at < text.len() as isize {
            let lead = at.min(0).unsigned_abs();
            let source = &text[at.max(0) as usize..];
            let length = source.len().min(TILE + 16 - lead);
            tile[..lead].fill(b' ');
            tile[lead..lead + length].iter_mut().zip(source).for_each(|(t, b)| *t = fold(*b));
            tile[lead + length..].fill(b' ');
            for (nth, bytes) in tile.array_windows::<24>().step_by(16).take(TILE / 16).enumerate() {
                let mut found_at = 0_u32;
                for k in 0..8 {
                    let hash = hash(window(bytes, 2 * k));
                    found_at |= ((bitmap[hash >> 6] >> (hash & 63)) as u32 & 1) << k;
                }
                while found_at != 0 {
                    let k = found_at.trailing_zeros() as usize;
                    found_at &= found_at - 1;
                    let found = self.look_up(window(bytes, 2 * k));
                    let place = at + (nth * 16 + 2 * k) as isize;
                    for candidate in found {
                        let start = place + candidate.start as isize;
                        if start < from as isize {
                            continue;
                        }
                        let (start, number) = (start as usize, candidate.literal as usize);
                        let literal = &self.literals[number];
                        let end = start + literal.len();
                        if end <= text.len()
                            && text[start..end].eq_ignore_ascii_case(literal)
                            && confirm(number, start, end)
                        {
                            return Some(start);
                        }
                    }
                }
            }
            at += TILE as isize;
        }
        None
    }

    /// The literals, in the order in which they were given.
    #[must_use]
    pub fn literals(&self) -> Vec<&[u8]> {
        self.literals.iter().map(|literal| &**literal).collect()
    }

    fn look_up(&self, window: u32) -> &[Place] {
        let mask = self.slots.len() - 1;
        let mut at = hash(window) & mask;
        loop {
            let (found, from, to) = self.slots[at];
            if to == 0 {
                return &[];
            }
            if found == window {
                return &self.places[from as usize..to as usize];
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
fn window(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn hash(window: u32) -> usize {
    (window.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// Lower case for letters, digits as they are, a blank for everything else.
#[inline]
fn fold(byte: u8) -> u8 {
    let lower = byte | 0x20;
    let letter = lower.wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    if letter {
        lower
    } else if digit {
        byte
    } else {
        b' '
    }
}

/// Every window by which the literal is found, and where the literal then begins.
fn windows(literal: &Literal) -> Option<Vec<(u32, i32)>> {
    let mut folded: Vec<u8> = Vec::with_capacity(literal.bytes.len() + 2);
    let lead = i32::from(literal.opens_word);
    folded.extend(literal.opens_word.then_some(b' '));
    folded.extend(literal.bytes.iter().map(|b| fold(*b)));
    folded.extend(literal.closes_word.then_some(b' '));
    let mut patterns: Vec<([Option<u8>; WIDTH], i32)> = Vec::new();
    let known = |at: usize| std::array::from_fn(|i| folded.get(at + i).copied());
    match folded.len() {
        0..=2 => return None,
        3 => {
            patterns.push((known(0), 0));
            patterns.push(([None, Some(folded[0]), Some(folded[1]), Some(folded[2])], -1));
        }
        4 => patterns.extend([(known(0), 0), (known(1), 1)]),
        length => {
            let price = |at: &usize| {
                let any_lead = literal.opens_word && *at == 0;
                frequency(&folded[*at..*at + WIDTH + 1], any_lead)
            };
            // The last of equals, as words differ more at their ends; any would do.
            let at = (0..length - WIDTH).min_by(|a, b| price(a).total_cmp(&price(b)))?;
            patterns.extend([(known(at), at as i32), (known(at + 1), at as i32 + 1)]);
        }
    }
    let mut all = Vec::new();
    for (pattern, offset) in patterns {
        let start = lead - offset;
        let first = usize::try_from(-offset).unwrap_or(0);
        let holds_lead = literal.opens_word && offset <= 0;
        fill(pattern, 0, &mut |window| {
            all.push((u32::from_le_bytes(window), start));
            for letter in folded_bytes().filter(|_| holds_lead) {
                let mut escaped = window;
                escaped[first] = letter;
                all.push((u32::from_le_bytes(escaped), start));
            }
        });
    }
    Some(all)
}

/// Every byte that folding can give.
fn folded_bytes() -> impl Iterator<Item = u8> {
    (b'a'..=b'z').chain(b'0'..=b'9').chain([b' '])
}

/// Tells the pattern with every folded byte in its open places.
fn fill(pattern: [Option<u8>; WIDTH], at: usize, tell: &mut impl FnMut([u8; WIDTH])) {
    let Some(open) = pattern[at..].iter().position(Option::is_none).map(|i| at + i) else {
        return tell(pattern.map(Option::unwrap_or_default));
    };
    for byte in folded_bytes() {
        let mut next = pattern;
        next[open] = Some(byte);
        fill(next, open + 1, tell);
    }
}

/// How often the two windows of five folded bytes stand in English text, by their letter pairs; of
/// the first window only the last three bytes count where its first may be anything.
fn frequency(five: &[u8], any_lead: bool) -> f32 {
    // Made once: a gate has thousands of literals.
    static PAIR: LazyLock<[[f32; 28]; 28]> =
        LazyLock::new(|| PAIRS.map(|row| row.map(|c| (-f32::from(c) / 8.0).exp2())));
    static SINGLE: LazyLock<[f32; 28]> = LazyLock::new(|| PAIR.map(|row| row.iter().sum()));
    static COMMONEST: LazyLock<HashSet<&[u8]>> =
        LazyLock::new(|| COMMON.as_bytes().split(|b| *b == b' ').collect());
    let code = |b: u8| match b {
        b'a'..=b'z' => usize::from(b - b'a') + 2,
        b'0'..=b'9' => 1,
        _ => 0,
    };
    let p = |a: u8, b: u8| PAIR[code(a)][code(b)];
    let single = |a: u8| SINGLE[code(a)];
    let chain = |window: &[u8]| {
        window.windows(2).map(|pair| p(pair[0], pair[1]) / single(pair[0])).product::<f32>()
            * single(window[0])
    };
    let common = |window: &[u8]| COMMONEST.contains(window);
    let first = &five[usize::from(any_lead)..WIDTH];
    let whole = |window: &[u8]| if common(window) { ONE_IN_COMMON } else { 0.0 };
    chain(first).max(whole(first)) + chain(&five[1..]).max(whole(&five[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(words: &[&str]) -> Windows {
        let literals: Vec<Literal> = words
            .iter()
            .map(|w| Literal { bytes: w.as_bytes().into(), opens_word: true, closes_word: true })
            .collect();
        Windows::new(&literals).expect("long enough")
    }

    #[test]
    fn a_literal_is_found_at_every_offset_and_in_every_setting() {
        for word in ["a", "ai", "bot", "golem", "shut down", "R2-D2", "positronic"] {
            let search = search(&[word]);
            for offset in (0..40).chain([TILE - 9, TILE - 2, TILE, 3 * TILE + 5]) {
                for (before, behind) in [(".", "."), ("", ""), ("\\n", "\""), ("\\i", " ")] {
                    let text = format!(
                        "{}{before}{word}{behind}",
                        "x ".repeat(offset / 2) + &" x"[..offset % 2]
                    );
                    let place = text.rfind(word).expect("is there");
                    for from in [0, place] {
                        let found = search.find(text.as_bytes(), from, |_, s, e| {
                            (s, e) == (place, place + word.len())
                        });
                        assert_eq!(found, Some(place), "{text:?} from {from}");
                    }
                    assert_eq!(search.find(text.as_bytes(), place + 1, |_, s, _| s > place), None);
                }
            }
        }
    }

    #[test]
    fn what_has_no_window_is_refused() {
        let open =
            |bytes: &[u8]| Literal { bytes: bytes.into(), opens_word: false, closes_word: false };
        assert!(Windows::new(&[open(b"ai")]).is_none());
        assert!(Windows::new(&[open(b"bot")]).is_some());
    }
}
