//! Half-open ranges over a text.
//!
//! Inside the program every span counts **UTF-8 bytes** and lies on character boundaries. Other
//! tools count Unicode code points (Dolma) or bytes (datamap-rs); [`CodePoints`] converts at the
//! edge, in one forward walk.

/// A half-open byte range `start..end` of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end);
        Self { start, end }
    }

    #[must_use]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    #[must_use]
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    #[must_use]
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The text that the span covers.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// Converts byte offsets of one text into code-point offsets, in ascending order of the offsets.
///
/// Cost: one pass over the text for any number of ascending questions.
pub struct CodePoints<'a> {
    text: &'a str,
    byte: usize,
    chars: usize,
}

impl<'a> CodePoints<'a> {
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, byte: 0, chars: 0 }
    }

    /// Code points before byte offset `byte`. Offsets may come in any order; going backwards
    /// starts again from the front.
    pub fn at(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            self.byte = 0;
            self.chars = 0;
        }
        self.chars += count_chars(&self.text.as_bytes()[self.byte..byte]);
        self.byte = byte;
        self.chars
    }
}

/// Code points in valid UTF-8: every byte that is not a continuation byte begins one.
#[must_use]
pub fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count()
}

/// Sorts spans and merges those that touch or overlap.
pub fn merge(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    let mut kept = 0;
    for i in 0..spans.len() {
        let span = spans[i];
        if kept > 0 && span.start <= spans[kept - 1].end {
            spans[kept - 1].end = spans[kept - 1].end.max(span.end);
        } else {
            spans[kept] = span;
            kept += 1;
        }
    }
    spans.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_count_characters_not_bytes() {
        let text = "aé漢😀z";
        let mut points = CodePoints::new(text);
        let offsets: Vec<usize> = text.char_indices().map(|(i, _)| i).collect();
        for (nth, byte) in offsets.iter().enumerate() {
            assert_eq!(points.at(*byte), nth);
        }
        assert_eq!(points.at(0), 0);
        assert_eq!(points.at(text.len()), 5);
    }

    #[test]
    fn merging_joins_touching_and_overlapping_spans() {
        let mut spans = vec![Span::new(5, 7), Span::new(0, 2), Span::new(2, 4), Span::new(6, 9)];
        merge(&mut spans);
        assert_eq!(spans, [Span::new(0, 4), Span::new(5, 9)]);
    }
}
