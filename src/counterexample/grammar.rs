//! The notation of the inventory: one alternative a line, with choices, slots and verbs inside.
//!
//! ```text
//! [a|b|c]      one of these; an empty one may be left out: [very|]
//! {name}       a person, a fact, a field of the domain, or another symbol of the inventory
//! {$name}      a symbol that is drawn once for each product and repeated
//! {I>name}     the symbol in another voice (see `voice`)
//! <see>        a verb that agrees with the artificial mind; <see:B> with a person, <see:h> with
//!              any other singular subject, <see:p> with a plural one
//! ^            the next letter is a capital;  ¶ a new paragraph;  ⏎ a new line
//! ```

/// One piece of an alternative, before names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    Text(String),
    Choice(Vec<Vec<Raw>>),
    Slot(String),
    Verb { phrase: String, subject: String },
}

/// Where an inventory file cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}\n  {excerpt}\n  {caret}")]
pub struct GrammarError {
    pub path: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub excerpt: String,
    pub caret: String,
}

impl GrammarError {
    /// An error at a byte column of a line; the excerpt keeps what lies near it.
    #[must_use]
    pub fn new(path: &str, line: usize, at: usize, text: &str, message: String) -> Self {
        let column = text.get(..at).map_or(0, |t| t.chars().count()) + 1;
        let from = column.saturating_sub(40);
        let excerpt: String = text.chars().skip(from).take(78).collect();
        let caret = format!("{}^", " ".repeat(column.saturating_sub(from + 1)));
        Self { path: path.into(), line, column, message, excerpt, caret }
    }
}

/// Parses one alternative.
///
/// # Errors
/// The byte offset and what is wrong there.
pub fn parse(text: &str) -> Result<Vec<Raw>, (usize, String)> {
    let mut at = 0;
    let nodes = sequence(text, &mut at, false)?;
    if at < text.len() {
        return Err((at, format!("`{}` without its opening", &text[at..=at])));
    }
    Ok(nodes)
}

fn sequence(text: &str, at: &mut usize, inside: bool) -> Result<Vec<Raw>, (usize, String)> {
    let mut nodes = Vec::new();
    let mut plain = String::new();
    while let Some(c) = text[*at..].chars().next() {
        match c {
            '|' | ']' if inside => break,
            ']' | '}' | '>' | '|' => {
                return Err((*at, format!("`{c}` without its opening")));
            }
            '[' | '{' | '<' => {
                if !plain.is_empty() {
                    nodes.push(Raw::Text(std::mem::take(&mut plain)));
                }
                nodes.push(match c {
                    '[' => choice(text, at)?,
                    '{' => Raw::Slot(enclosed(text, at, '}')?),
                    _ => {
                        let body = enclosed(text, at, '>')?;
                        let (phrase, subject) =
                            body.split_once(':').map_or((body.as_str(), "A"), |(p, s)| (p, s));
                        Raw::Verb { phrase: phrase.into(), subject: subject.into() }
                    }
                });
            }
            '\\' => {
                *at += 1;
                let Some(next) = text[*at..].chars().next() else {
                    return Err((*at, "nothing follows the backslash".into()));
                };
                plain.push(next);
                *at += next.len_utf8();
            }
            _ => {
                plain.push(c);
                *at += c.len_utf8();
            }
        }
    }
    if !plain.is_empty() {
        nodes.push(Raw::Text(plain));
    }
    Ok(nodes)
}

fn choice(text: &str, at: &mut usize) -> Result<Raw, (usize, String)> {
    let open = *at;
    *at += 1;
    let mut branches = Vec::new();
    loop {
        branches.push(sequence(text, at, true)?);
        match text.as_bytes().get(*at) {
            Some(b'|') => *at += 1,
            Some(b']') => {
                *at += 1;
                return Ok(Raw::Choice(branches));
            }
            _ => return Err((open, "`[` is never closed".into())),
        }
    }
}

fn enclosed(text: &str, at: &mut usize, close: char) -> Result<String, (usize, String)> {
    let open = *at;
    // A voice mark such as `{I>why}` holds a `>`, so only the own closing sign counts.
    let Some(length) = text[open..].find(close) else {
        return Err((open, format!("no `{close}` follows")));
    };
    let body = &text[open + 1..open + length];
    if body.is_empty() || body.contains(['[', ']', '|']) {
        return Err((open, format!("`{body}` is no name")));
    }
    *at = open + length + 1;
    Ok(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_slots_and_verbs_are_read() {
        let nodes = parse("The [old|{size} [x|]] pump <hum:h> at {I>why}.").expect("it parses");
        assert_eq!(nodes.len(), 7);
        assert_eq!(nodes[3], Raw::Verb { phrase: "hum".into(), subject: "h".into() });
        assert_eq!(nodes[5], Raw::Slot("I>why".into()));
    }

    #[test]
    fn what_is_not_closed_is_named_where_it_opens() {
        assert_eq!(parse("ab [c|d").expect_err("open").0, 3);
        assert_eq!(parse("ab c]").expect_err("close").0, 4);
        assert_eq!(parse("ab {x").expect_err("open").0, 3);
        let error = GrammarError::new("f", 3, 3, "ab [c|d", "m".into());
        assert!(error.to_string().contains("f:3:4: m"), "{error}");
        assert!(error.to_string().ends_with("     ^"), "{error}");
    }
}
