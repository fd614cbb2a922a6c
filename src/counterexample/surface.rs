//! The last pass over composed text: spacing, articles, capitals, quotation marks.

/// Marks that the composer leaves for this pass.
pub const PARAGRAPH: char = '¶';
pub const LINE: char = '⏎';
pub const CAPITAL: char = '^';
/// At the start of a text: its writer does not bother with capitals.
pub const LOWER: char = '~';

/// Line breaks alone, for the output of tools.
#[must_use]
pub fn verbatim(raw: &str) -> String {
    raw.replace(PARAGRAPH, "\n\n").replace(LINE, "\n").replace([CAPITAL, LOWER], "").trim().into()
}

/// Tidies composed text. `curly` sets typographic quotation marks and apostrophes.
#[must_use]
pub fn tidy(raw: &str, curly: bool) -> String {
    let spaced = space(&speech(&space(raw)));
    let article = numerals(&articles(&spaced)).replace("can not ", "cannot ");
    let text = match article.strip_prefix(LOWER) {
        Some(text) => text.replace(CAPITAL, ""),
        None => capitals(&article),
    };
    if curly { curl(&text) } else { text }
}

/// Speech that goes on after its full stop: `"Yes." it said` becomes `"Yes," it said`. Two
/// speeches in a row stand in paragraphs of their own.
fn speech(text: &str) -> String {
    let mut out = text.replace(".\" \"", ".\"¶\"").replace("?\" \"", "?\"¶\"");
    for tail in [" it told ", " it said", " it wrote", " said ", " she said", " he said"] {
        let from = format!(".\"{tail}");
        if out.contains(&from) {
            out = out.replace(&from, &format!(",\"{tail}"));
        }
    }
    out
}

/// One space between words, none before a stop, no doubled stops; breaks become line ends.
fn space(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            PARAGRAPH | LINE => {
                trim_end(&mut out);
                let want = if c == PARAGRAPH { 2 } else { 1 };
                let have = out.chars().rev().take_while(|c| *c == '\n').count();
                if !out.is_empty() {
                    (have..want).for_each(|_| out.push('\n'));
                }
            }
            ' ' if out.ends_with([' ', '\n']) || out.is_empty() => {}
            ',' | '.' | ';' | ':' | '!' | '?' => {
                trim_end(&mut out);
                stop(&mut out, c);
            }
            _ => out.push(c),
        }
    }
    trim_end(&mut out);
    out.truncate(out.trim_end().len());
    out
}

fn trim_end(out: &mut String) {
    while out.ends_with(' ') {
        out.pop();
    }
}

/// Adds a stop; where one stands already the stronger of the two stays.
fn stop(out: &mut String, c: char) {
    let Some(last) = out.chars().last() else { return out.push(c) };
    match (last, c) {
        (',', ',') | ('.' | ';' | ':' | '!' | '?', ',') | ('!' | '?', '.') => {}
        // Three points and times such as `?!` stay.
        (',' | ';', '.' | ';' | ':' | '!' | '?') => {
            out.pop();
            out.push(c);
        }
        ('.', '.') if !out.ends_with("..") && !out.ends_with("…") => {}
        _ => out.push(c),
    }
}

/// `a` or `an` by the sound of the next word.
fn articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(length) = rest.find(|c: char| c.is_whitespace()) {
        let (word, tail) = rest.split_at(length);
        let next = tail.trim_start_matches(' ');
        let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let lead = &word[..word.len() - bare.len()];
        if matches!(bare, "a" | "an" | "A" | "An") && next.starts_with(|c: char| !c.is_whitespace())
        {
            let capital = bare.starts_with('A');
            out.push_str(lead);
            out.push_str(match (capital, vowel_sound(next)) {
                (false, false) => "a",
                (false, true) => "an",
                (true, false) => "A",
                (true, true) => "An",
            });
        } else {
            out.push_str(word);
        }
        let gap = tail.len() - tail.trim_start().len();
        out.push_str(&tail[..gap]);
        rest = &tail[gap..];
    }
    out.push_str(rest);
    out
}

fn vowel_sound(next: &str) -> bool {
    let word: String = next
        .trim_start_matches(|c: char| !c.is_alphanumeric())
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    let lower = word.to_lowercase();
    if ["hour", "honest", "honour", "heir"].iter().any(|w| lower.starts_with(w)) {
        return true;
    }
    if lower.starts_with('8') || matches!(lower.as_str(), "11" | "18") {
        return true;
    }
    let consonant = ["one", "once", "uni", "use", "usu", "eu", "ewe", "uk", "ut"];
    if consonant.iter().any(|w| lower.starts_with(w))
        && !lower.starts_with("unin")
        && !lower.starts_with("unim")
    {
        return false;
    }
    // Letters spoken one by one: an MRI, an SMS, a UPS.
    if word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase()) {
        return word.starts_with(['A', 'E', 'F', 'H', 'I', 'L', 'M', 'N', 'O', 'R', 'S', 'X']);
    }
    lower.starts_with(['a', 'e', 'i', 'o', 'u'])
}

const SMALL: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// Words after which a number is a label and stays in figures.
const LABELLED: &[&str] = &[
    "act",
    "box",
    "case",
    "cask",
    "chair",
    "channel",
    "chapter",
    "compartment",
    "cow",
    "day",
    "district",
    "exercise",
    "gate",
    "hall",
    "item",
    "items",
    "line",
    "minus",
    "no",
    "number",
    "office",
    "p",
    "page",
    "pen",
    "room",
    "round",
    "row",
    "rule",
    "run",
    "seam",
    "section",
    "session",
    "stand",
    "step",
    "ward",
    "vault",
    "garden",
    "question",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Small numbers in words, where they count something: `3 questions`, but `page 3` and `3 May`.
fn numerals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut before, mut at) = ("", 0);
    for part in text.split_inclusive([' ', '\n']) {
        at += part.len();
        let word = part.trim_end_matches([' ', '\n']);
        let bare = word.trim_start_matches(['"', '(', '*', '“']);
        let small = bare.parse::<usize>().ok().filter(|n| (1..SMALL.len()).contains(n));
        let rest = &text[at..];
        let counts = part.ends_with(' ')
            && rest.starts_with(|c: char| c.is_lowercase())
            && !before.ends_with('\n')
            && !before.is_empty()
            && !LABELLED.contains(&label(before).as_str());
        match small {
            Some(n) if counts => {
                out.push_str(&word[..word.len() - bare.len()]);
                out.push_str(SMALL[n]);
                out.push_str(&part[word.len()..]);
            }
            _ => out.push_str(part),
        }
        before = part;
    }
    out
}

fn label(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Capitals at the start of sentences, lines and after `^`.
fn capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut due = true;
    let mut ended = false;
    for c in text.chars() {
        if c == CAPITAL {
            due = true;
            continue;
        }
        if c.is_alphanumeric() {
            if due {
                out.extend(c.to_uppercase());
            } else {
                out.push(c);
            }
            due = false;
            ended = false;
            continue;
        }
        match c {
            '.' | '!' | '?' => ended = true,
            '\n' => due = true,
            ' ' if ended => {
                // `"Is it?" she asked`: what follows a question inside quotation marks may go on.
                let asks = out.ends_with("?\"") || out.ends_with("!\"") || out.ends_with('…');
                due = due || !asks;
                ended = false;
            }
            // Speech after a colon is a sentence of its own.
            '"' if out.ends_with(": ") => due = true,
            '"' | '\'' | '(' | ')' | '*' | '_' | '#' | '-' | '—' | '>' => {}
            _ => ended = false,
        }
        out.push(c);
    }
    out
}

/// Typographic quotation marks; a mark opens after a gap or a bracket.
fn curl(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut before = '\n';
    for c in text.chars() {
        let opens = before.is_whitespace() || matches!(before, '(' | '—' | '[');
        out.push(match (c, opens) {
            ('"', true) => '“',
            ('"', false) => '”',
            ('\'', true) => '‘',
            ('\'', false) => '’',
            _ => c,
        });
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_spaces_and_capitals() {
        assert_eq!(
            tidy("mara, the clerk, . it  went on ,and  on.", false),
            "Mara, the clerk. It went on,and on."
        );
        assert_eq!(tidy("one.¶ two⏎three", false), "One.\n\nTwo\nThree");
        assert_eq!(
            tidy("\"is it?\" she asked. \"yes.\" it waited.", false),
            "\"Is it?\" she asked. \"Yes.\" It waited."
        );
        assert_eq!(tidy("wait.. no. 3.5 kg", false), "Wait. No. 3.5 kg");
    }

    #[test]
    fn small_numbers_that_count_are_words() {
        let text = "it asked 3 questions on May 3 and page 4 had 12 lines, 13 of them bad.";
        let want = "It asked three questions on May 3 and page 4 had twelve lines, 13 of them bad.";
        assert_eq!(tidy(text, false), want);
        assert_eq!(
            tidy("\"no.\" it said. \"why?\" \"so.\"", false),
            "\"No,\" it said. \"Why?\"\n\n\"So.\""
        );
    }

    #[test]
    fn articles_follow_sound() {
        let text = "a hour, an unit, a \"old\" log, a MRI, an European, a 8-day, an one-off";
        assert_eq!(
            tidy(text, false),
            "An hour, a unit, an \"old\" log, an MRI, a European, an 8-day, a one-off"
        );
    }

    #[test]
    fn quotation_marks_curl() {
        assert_eq!(tidy("\"it's\" (\"no\")", true), "“It’s” (“no”)");
    }
}
