//! Patterns written anew before they are compiled: the same matches at less cost, or more matches where
//! a rough look comes first. They work on the text of a pattern, as rule files have it.

/// A pattern that runs in linear time and matches, from the same place on, whatever `pattern`
/// matches: without look-around, with word characters of any script and without word boundaries,
/// which the two engines read differently.
pub fn loose(pattern: &str) -> Option<String> {
    let stripped = without_look_around(pattern);
    let (mut out, mut in_class) = (String::with_capacity(stripped.len() * 2), false);
    let mut chars = stripped.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next()? {
                'b' | 'B' if !in_class => {}
                'w' if !in_class => out.push_str("(?-i:[0-9A-Za-z_[^\\x00-\\x7F]])"),
                'W' if !in_class => out.push_str("[^0-9A-Za-z_]"),
                // A reference to a group, possessive or atomic groups: not for a linear engine.
                '0'..='9' | 'k' | 'G' | 'K' => return None,
                escaped => {
                    out.push('\\');
                    out.push(escaped);
                }
            }
            continue;
        }
        in_class = if in_class { c != ']' } else { c == '[' };
        out.push(c);
    }
    Some(out)
}

/// The pattern with `\b` and `\w` reading ASCII only, outside of character classes. The Unicode
/// `\b` makes the automaton give up at every byte that is not ASCII and hands the text to an engine
/// that is some fifty times slower; the rules are written for words in ASCII letters.
pub fn ascii_words(pattern: &str) -> String {
    let (mut out, mut in_class) = (String::with_capacity(pattern.len() * 2), false);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(kind @ ('b' | 'B' | 'w')) if !in_class => {
                    out.push_str("(?-u:\\");
                    out.push(kind);
                    out.push(')');
                }
                escaped => {
                    out.push('\\');
                    out.extend(escaped);
                }
            },
            _ => {
                in_class = if in_class { c != ']' } else { c == '[' };
                out.push(c);
            }
        }
    }
    out
}

/// The pattern with case unfolded in every class that holds `\w` and no other letters: such a class
/// holds both cases of each letter already, and to find that out takes a fifth of the time of compiling
/// all rules.
pub fn unfolded(pattern: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(pattern.len() * 2), pattern);
    while let Some(at) = rest.find(['\\', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let length = match from.strip_prefix('[') {
            None => from.chars().take(2).map(char::len_utf8).sum(),
            Some(_) => {
                let length = class_length(from);
                let mixed = |c: char| c.is_alphabetic() || matches!(c, '[' | '&' | '~');
                let class = &from[..length];
                let other = class.replace("\\w", "");
                let alone = !other[1..].contains(mixed) && !class.contains("\\\\");
                if other.len() < length && alone {
                    out.push_str("(?-i:");
                    out.push_str(class);
                    out.push(')');
                    rest = &from[length..];
                    continue;
                }
                length
            }
        };
        out.push_str(&from[..length]);
        rest = &from[length..];
    }
    out + rest
}

/// Bytes of the class that a text begins with.
fn class_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    chars.next_if(|(_, c)| *c == '^');
    chars.next_if(|(_, c)| *c == ']');
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            ']' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The pattern with its look-arounds taken out. What is left matches more, never less, so atoms
/// that it needs are needed by the whole pattern too.
pub fn without_look_around(pattern: &str) -> String {
    let bytes = pattern.as_bytes();
    let (mut out, mut i, mut in_class) = (String::new(), 0, false);
    while i < bytes.len() {
        let rest = &pattern[i..];
        if bytes[i] == b'\\' {
            let end = pattern.ceil_char_boundary((i + 2).min(bytes.len()));
            out.push_str(&pattern[i..end]);
            i = end;
            continue;
        }
        let opens = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|o| rest.starts_with(o));
        if opens && !in_class {
            i += closing(rest);
            continue;
        }
        in_class = if in_class { bytes[i] != b']' } else { bytes[i] == b'[' };
        let end = pattern.ceil_char_boundary(i + 1);
        out.push_str(&pattern[i..end]);
        i = end;
    }
    out
}

/// Length of the group that `text` begins with.
fn closing(text: &str) -> usize {
    let (mut depth, mut skip, mut in_class) = (0usize, false, false);
    for (i, b) in text.bytes().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        match b {
            b'\\' => skip = true,
            b'[' if !in_class => in_class = true,
            b']' if in_class => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_with_all_letters_needs_no_folding() {
        let cases = [
            (r"(?i)a[\w’'-]{2}\[b", r"(?i)a(?-i:[\w’'-]){2}\[b"),
            (r"(?i)[^]\w\]]x[k-s]", r"(?i)(?-i:[^]\w\]])x[k-s]"),
            (r"(?i)[\wa][\W][^.!?\n]", r"(?i)[\wa][\W][^.!?\n]"),
            (r"(?i)[\w[^x]][\w--[0]][\\w]", r"(?i)[\w[^x]][\w--[0]][\\w]"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(unfolded(pattern), expected);
            assert_eq!(regex_syntax::parse(pattern), regex_syntax::parse(expected), "{pattern}");
        }
    }
}
