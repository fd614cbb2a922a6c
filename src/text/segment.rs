//! Sentences, quoted speech and speaker turns.

use super::Span;

/// Sentences: cut behind `.`, `!`, `?` and `…` with closing marks and white space, at empty lines,
/// and at line ends before a list item or a log line. Ascending; together with the white space
/// between them they cover the text.
#[must_use]
pub fn sentences(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let (mut found, mut start, mut i) = (Vec::new(), 0, 0);
    while i < bytes.len() {
        let cut = match bytes[i] {
            b'.' | b'!' | b'?' => end_of_sentence(text, i + 1),
            0xE2 if text[i..].starts_with('…') => end_of_sentence(text, i + 3),
            b'\n' if breaks(&text[i + 1..]) => Some(i),
            _ => None,
        };
        if let Some(end) = cut {
            push(text, start, end, &mut found);
            start = end;
            i = end.max(i + 1);
        } else {
            i += 1;
        }
    }
    push(text, start, text.len(), &mut found);
    found
}

fn push(text: &str, start: usize, end: usize, found: &mut Vec<Span>) {
    let piece = &text[start..end];
    let trimmed = piece.trim();
    if !trimmed.is_empty() {
        let from = start + (piece.len() - piece.trim_start().len());
        found.push(Span::new(from, from + trimmed.len()));
    }
}

/// The end of a sentence whose last mark ends at `at`, if white space follows its closing marks.
fn end_of_sentence(text: &str, at: usize) -> Option<usize> {
    let mut end = at;
    for c in text[at..].chars() {
        if matches!(c, '"' | '”' | '’' | '\'' | ')' | ']') {
            end += c.len_utf8();
        } else {
            return c.is_whitespace().then_some(end);
        }
    }
    None
}

/// Whether a line end is followed by an empty line, a list item or a log line.
fn breaks(rest: &str) -> bool {
    let line = rest.trim_start_matches([' ', '\t']);
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    line.starts_with('\n')
        || line.starts_with('\r')
        || line.starts_with(['[', '→', '{'])
        || line.starts_with("- ")
        || line.starts_with("* ")
        || (digits > 0 && line[digits..].starts_with(". "))
}

/// Quoted speech, marks included: straight and curly double quotes, guillemets. A quotation ends at
/// its closing mark or is dropped at the end of its paragraph.
#[must_use]
pub fn quotes(text: &str) -> Vec<Span> {
    let (mut found, mut open): (Vec<Span>, Option<(usize, char)>) = (Vec::new(), None);
    let mut last = '\n';
    for (at, c) in text.char_indices() {
        match (open, c) {
            (Some(_), '\n') if last == '\n' => open = None,
            (Some((start, close)), c) if c == close => {
                found.push(Span::new(start, at + c.len_utf8()));
                open = None;
            }
            (None, '"') => open = Some((at, '"')),
            (None, '“') => open = Some((at, '”')),
            (None, '«') => open = Some((at, '»')),
            _ => {}
        }
        last = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_marks_and_breaks() {
        let text = "It ran. \"Did it?\" she asked.\n\nA list\n- one\n- two 3.5 mm… done";
        let found: Vec<&str> = sentences(text).iter().map(|s| s.of(text)).collect();
        assert_eq!(
            found,
            ["It ran.", "\"Did it?\"", "she asked.", "A list", "- one", "- two 3.5 mm…", "done"]
        );
    }

    #[test]
    fn quotations_are_found_with_their_marks() {
        let text = "“Yes,” it said. \"No\" and \"open\n\nnext «oui»";
        let found: Vec<&str> = quotes(text).iter().map(|s| s.of(text)).collect();
        assert_eq!(found, ["“Yes,”", "\"No\"", "«oui»"]);
    }
}
