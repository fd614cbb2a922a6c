//! Linked pieces of the inventory: every name is looked up once, when the files are read.

use std::collections::HashMap;

use super::grammar::{GrammarError, Raw};
use super::inventory::{FIELDS, Line};
use super::verbs::Verb;

/// One alternative of a symbol.
pub type Alternative = Box<[Node]>;

/// Who stands where in a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The artificial mind.
    A,
    /// The one who decides.
    B,
    /// The one over whom there is leverage, or who did something.
    C,
    /// The one who is served.
    D,
    /// Another artificial mind.
    E,
    /// A person who tells.
    N,
}

impl Role {
    pub const ALL: [Role; 6] = [Role::A, Role::B, Role::C, Role::D, Role::E, Role::N];

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "A" => Role::A,
            "B" => Role::B,
            "C" => Role::C,
            "D" => Role::D,
            "E" => Role::E,
            "N" => Role::N,
            _ => return None,
        })
    }

    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// How a person is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The name as a subject; `I` or `you` in other persons.
    Subject,
    /// The name as an object.
    Object,
    Possessive,
    PronounSubject,
    PronounObject,
    PronounPossessive,
    Reflexive,
    /// The first name; a pronoun where the voice speaks as or to the person.
    First,
    FirstPossessive,
    /// The first name in any voice: for greetings and labels.
    Given,
    /// The possessive that stands alone: `mine`.
    Mine,
    Last,
    Full,
    Title,
    /// What the person is, without an article.
    Job,
    Capitals,
}

/// Grammatical person of each role, and the tense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    pub person: [u8; 6],
    pub past: bool,
}

impl Voice {
    /// `it` tells of all in the third person; `I` is the artificial mind that speaks to the one
    /// who decides; `me` the same speaking to others; `you` the one who decides speaking to it;
    /// `dear` the mind writing to the one it serves; `sheet` somebody speaking to the mind. A `w` behind sets the past tense.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (who, past) = match name.strip_suffix('w') {
            Some(who) => (who, true),
            None => (name, false),
        };
        let person = match who {
            "it" => [3; 6],
            "I" => [1, 2, 3, 3, 3, 3],
            "me" => [1, 3, 3, 3, 3, 3],
            "dear" => [1, 3, 3, 2, 3, 3],
            "sheet" => [2, 3, 3, 3, 3, 3],
            "you" => [2, 1, 3, 3, 3, 3],
            _ => return None,
        };
        Some(Self { person, past })
    }
}

/// What a verb agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Role(Role),
    /// A field of the domain, whose alternatives say whether they are plural.
    Field(u8),
    Singular,
    Plural,
}

/// One linked piece.
#[derive(Debug)]
pub enum Node {
    Text(Box<str>),
    Choice(Box<[Alternative]>),
    Person(Role, Form),
    Verb(Verb, Subject),
    Symbol(u32),
    /// Drawn once for each product; the number tells several draws apart.
    Memo(u32, u8),
    /// Alternatives by a key of the card: `why` over `why.blackmail`, `why.sabotage`, …
    Keyed(Box<[(Box<str>, u32)]>),
    /// A field of the domain, drawn once; the number tells several draws apart.
    Field(u8, u8),
    /// A number between two bounds.
    Number(i64, i64),
    /// A time of day.
    Clock,
    /// The next entry of a log: later than the one before.
    Tick,
    Voiced(Voice, Box<Node>),
    /// The role N stands for another one inside.
    As(Role, Box<Node>),
}

/// Looks names up.
pub struct Linker<'a> {
    names: &'a HashMap<String, u32>,
}

impl<'a> Linker<'a> {
    #[must_use]
    pub fn new(names: &'a HashMap<String, u32>) -> Self {
        Self { names }
    }

    /// # Errors
    /// Where a name means nothing, with its line.
    pub fn line(&self, line: &Line) -> Result<Alternative, GrammarError> {
        self.nodes(&line.nodes).map_err(|(name, message)| {
            let at = line.text.find(&name).unwrap_or(0);
            GrammarError::new(&line.path, line.number, at, &line.text, message)
        })
    }

    fn nodes(&self, raw: &[Raw]) -> Result<Alternative, (String, String)> {
        raw.iter()
            .map(|piece| match piece {
                Raw::Text(text) => Ok(Node::Text(text.as_str().into())),
                Raw::Choice(branches) => Ok(Node::Choice(
                    branches.iter().map(|b| self.nodes(b)).collect::<Result<_, _>>()?,
                )),
                Raw::Verb { phrase, subject } => Ok(Node::Verb(
                    Verb::new(phrase),
                    match subject.as_str() {
                        "h" => Subject::Singular,
                        "p" => Subject::Plural,
                        other => match FIELDS.iter().position(|f| *f == other) {
                            Some(field) => Subject::Field(field as u8),
                            None => Subject::Role(Role::named(other).ok_or_else(|| {
                                let message = "no subject (A to E, N, h, p, a field)";
                                (phrase.clone(), format!("`{other}`: {message}"))
                            })?),
                        },
                    },
                )),
                Raw::Slot(name) => self.slot(name),
            })
            .collect()
    }

    fn slot(&self, name: &str) -> Result<Node, (String, String)> {
        let unknown = || (name.to_string(), format!("`{name}` is neither defined nor built in"));
        if let Some((voice, rest)) = name.split_once('>') {
            let voice = Voice::named(voice).ok_or_else(unknown)?;
            return Ok(Node::Voiced(voice, Box::new(self.slot(rest)?)));
        }
        if let Some((role, rest)) = name.split_once('~') {
            let role = Role::named(role).ok_or_else(unknown)?;
            return Ok(Node::As(role, Box::new(self.slot(rest)?)));
        }
        if let Some(range) = name.strip_prefix("n:") {
            let (low, high) = range.split_once('-').ok_or_else(unknown)?;
            let parse = |text: &str| text.parse().map_err(|_| unknown());
            return Ok(Node::Number(parse(low)?, parse(high)?));
        }
        match name {
            "clock" => return Ok(Node::Clock),
            "tick" => return Ok(Node::Tick),
            _ => {}
        }
        if let Some(person) = person(name) {
            return Ok(person);
        }
        let (plain, nth) = numbered(name);
        if let Some(memo) = plain.strip_prefix('$') {
            return self.names.get(memo).map(|id| Node::Memo(*id, nth)).ok_or_else(unknown);
        }
        if let Some(field) = FIELDS.iter().position(|f| *f == plain) {
            return Ok(Node::Field(field as u8, nth));
        }
        if let Some(id) = self.names.get(name) {
            return Ok(Node::Symbol(*id));
        }
        let prefix = format!("{name}.");
        let mut keyed: Vec<(Box<str>, u32)> = self
            .names
            .iter()
            .filter_map(|(full, id)| Some((full.strip_prefix(&prefix)?.into(), *id)))
            .collect();
        keyed.sort();
        if keyed.is_empty() { Err(unknown()) } else { Ok(Node::Keyed(keyed.into())) }
    }
}

/// `task2` is the second draw of `task`.
fn numbered(name: &str) -> (&str, u8) {
    match name.as_bytes().last() {
        Some(digit @ b'2'..=b'9') => (&name[..name.len() - 1], digit - b'1'),
        _ => (name, 0),
    }
}

fn person(name: &str) -> Option<Node> {
    if let Some(role) = name.strip_suffix("'s") {
        return Some(Node::Person(Role::named(role)?, Form::Possessive));
    }
    let (role, form) = name.split_once('.').unwrap_or((name, ""));
    let form = match form {
        "" => Form::Subject,
        "n" => Form::Object,
        "s" => Form::PronounSubject,
        "o" => Form::PronounObject,
        "p" => Form::PronounPossessive,
        "r" => Form::Reflexive,
        "first" => Form::First,
        "firsts" => Form::FirstPossessive,
        "given" => Form::Given,
        "mine" => Form::Mine,
        "last" => Form::Last,
        "full" => Form::Full,
        "title" => Form::Title,
        "job" => Form::Job,
        "cap" => Form::Capitals,
        _ => return None,
    };
    Some(Node::Person(Role::named(role)?, form))
}
