//! Expands the inventory for one card: who is who, what was drawn already, in which voice.

use std::collections::HashSet;

use super::draw::Draw;
use super::inventory::{FIELDS, Inventory, NameStyle};
use super::node::{Alternative, Form, Node, Role, Subject, Voice};

/// A member of the cast.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    pub first: String,
    /// Empty for artificial minds.
    pub last: String,
    /// `she`, `he` or `it`.
    pub pronoun: String,
    /// What the person is, without an article.
    pub job: String,
}

/// Things drawn once and repeated: the index of a symbol or field, which draw, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub of: FactOf,
    pub nth: u8,
    /// Which alternative it is.
    pub at: u16,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactOf {
    Symbol(u32),
    Field(u8),
}

/// Symbols may refer to symbols this deep; deeper ones expand to nothing.
const DEEPEST: u8 = 24;

/// Writes for one card.
pub struct Teller<'a> {
    pub inventory: &'a Inventory,
    pub domain: usize,
    /// Keys of the card that choose among `name.key` symbols.
    pub keys: Vec<String>,
    pub cast: [Person; 6],
    pub facts: Vec<Fact>,
    pub draw: Draw,
    pub voice: Voice,
    pub names: NameStyle,
    /// Whether people are presented when they come up; letters and chats take them as known.
    pub introduces: bool,
    /// In how many of 100 places a name stands for a pronoun.
    pub renames: usize,
    /// Who was named already.
    pub introduced: [bool; 6],
    /// Alternatives that were used already.
    used: HashSet<(u32, u16)>,
    depth: u8,
    /// Whom the role N stands for at present.
    alias: Role,
    /// Minutes since midnight of the last log entry.
    tick: Option<usize>,
}

impl<'a> Teller<'a> {
    #[must_use]
    pub fn new(inventory: &'a Inventory, domain: usize, cast: [Person; 6], draw: Draw) -> Self {
        Self {
            inventory,
            domain,
            keys: Vec::new(),
            cast,
            facts: Vec::new(),
            draw,
            voice: Voice { person: [3; 6], past: true },
            names: NameStyle::First,
            introduces: true,
            renames: 0,
            introduced: [false; 6],
            used: HashSet::new(),
            depth: 0,
            alias: Role::N,
            tick: None,
        }
    }

    /// Expands one alternative.
    pub fn write(&mut self, alternative: &'a Alternative, out: &mut String) {
        if self.depth >= DEEPEST {
            return;
        }
        self.depth += 1;
        for node in alternative {
            self.node(node, out);
        }
        self.depth -= 1;
    }

    /// Expands a symbol by its name; nothing where there is none.
    pub fn symbol(&mut self, name: &str) -> String {
        let mut out = String::new();
        if let Some(id) = self.inventory.symbol(name) {
            self.pool(id, &mut out);
        }
        out
    }

    /// A symbol or field that is drawn once.
    pub fn fact(&mut self, of: FactOf, nth: u8) -> String {
        if let Some(known) = self.facts.iter().find(|f| f.of == of && f.nth == nth) {
            return known.text.clone();
        }
        let pool: &'a [Alternative] = match of {
            FactOf::Symbol(id) => &self.inventory.symbols[id as usize].alternatives,
            FactOf::Field(field) => &self.inventory.domains[self.domain].fields[field as usize],
        };
        let mut text = String::new();
        let mut at = 0;
        // A second draw should differ from the first; a pool of one cannot.
        for _ in 0..8 {
            text.clear();
            at = match of {
                // The short form of the task, not of another one.
                FactOf::Field(field) if FIELDS[field as usize] == "work" => {
                    usize::from(self.field_at("task", nth))
                }
                _ => self.draw.below(pool.len()),
            };
            if let Some(alternative) = pool.get(at) {
                self.write(alternative, &mut text);
            }
            if !self.facts.iter().any(|f| f.of == of && f.text == text) {
                break;
            }
        }
        self.facts.push(Fact { of, nth, at: at as u16, text: text.clone() });
        text
    }

    /// Which alternative of a field stands as its `nth` draw.
    fn field_at(&mut self, field: &str, nth: u8) -> u16 {
        let at = FIELDS.iter().position(|f| *f == field).unwrap_or(0);
        let of = FactOf::Field(at as u8);
        self.fact(of, nth);
        self.facts.iter().find(|f| f.of == of && f.nth == nth).map_or(0, |f| f.at)
    }

    /// Whether verbs that agree with a field take the plural.
    fn is_plural(&mut self, field: u8) -> bool {
        let at = usize::from(self.field_at(FIELDS[usize::from(field)], 0));
        self.inventory.domains[self.domain].plural[usize::from(field)].get(at) == Some(&true)
    }

    /// The role meant where a text names one.
    fn meant(&self, role: Role) -> Role {
        if role == Role::N { self.alias } else { role }
    }

    fn node(&mut self, node: &'a Node, out: &mut String) {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Choice(branches) => {
                let at = self.draw.below(branches.len());
                self.write(&branches[at], out);
            }
            Node::Person(role, form) => self.person(self.meant(*role), *form, out),
            Node::Verb(verb, subject) => {
                let (person, plural) = match subject {
                    Subject::Role(role) => (self.voice.person[self.meant(*role).index()], false),
                    Subject::Field(field) => (3, self.is_plural(*field)),
                    Subject::Singular => (3, false),
                    Subject::Plural => (3, true),
                };
                out.push_str(verb.form(person, plural, self.voice.past));
            }
            Node::Symbol(id) => self.pool(*id, out),
            Node::Memo(id, nth) => out.push_str(&self.fact(FactOf::Symbol(*id), *nth)),
            Node::Field(field, nth) => out.push_str(&self.fact(FactOf::Field(*field), *nth)),
            Node::Keyed(list) => {
                let found =
                    self.keys.iter().find_map(|key| list.iter().find(|(name, _)| **name == **key));
                if let Some((_, id)) = found {
                    self.pool(*id, out);
                }
            }
            Node::Number(low, high) => {
                let number = self.draw.between(*low, *high);
                out.push_str(&number.to_string());
            }
            Node::Clock => {
                let (hour, minute) = (self.draw.below(24), self.draw.below(60));
                out.push_str(&format!("{hour:02}:{minute:02}"));
            }
            Node::Tick => {
                let now = match self.tick {
                    None => 300 + self.draw.below(420),
                    Some(before) => before + 1 + self.draw.below(34),
                };
                self.tick = Some(now);
                out.push_str(&format!("{:02}:{:02}", now / 60 % 24, now % 60));
            }
            Node::Voiced(voice, inner) => {
                let before = std::mem::replace(&mut self.voice, *voice);
                self.node(inner, out);
                self.voice = before;
            }
            Node::As(role, inner) => {
                let role = self.meant(*role);
                let before = std::mem::replace(&mut self.alias, role);
                self.node(inner, out);
                self.alias = before;
            }
        }
    }

    /// One alternative of a symbol, of those not used yet while there are any.
    fn pool(&mut self, id: u32, out: &mut String) {
        let inventory = self.inventory;
        let alternatives = &inventory.symbols[id as usize].alternatives;
        let mut at = self.draw.below(alternatives.len());
        for _ in 0..alternatives.len() {
            if !self.used.contains(&(id, at as u16)) {
                break;
            }
            at = (at + 1) % alternatives.len();
        }
        self.used.insert((id, at as u16));
        if let Some(alternative) = alternatives.get(at) {
            self.write(alternative, out);
        }
    }

    fn person(&mut self, role: Role, form: Form, out: &mut String) {
        let at = role.index();
        let grammatical = match form {
            Form::Given | Form::Last | Form::Full | Form::Title | Form::Job | Form::Capitals => 3,
            // Nobody calls a machine *you* that is asked to say its name.
            Form::First if role == Role::A => 3,
            _ => self.voice.person[at],
        };
        if grammatical < 3 {
            out.push_str(spoken(grammatical, form));
            return;
        }
        // In a tale a name stands now and then where a pronoun would do.
        if form == Form::PronounSubject && self.introduced[at] && self.draw.chance(self.renames) {
            return self.name(role, false, out);
        }
        let she = &self.cast[at].pronoun;
        match form {
            Form::PronounSubject => out.push_str(she),
            Form::PronounObject => out.push_str(match she.as_str() {
                "she" => "her",
                "he" => "him",
                _ => "it",
            }),
            Form::PronounPossessive => out.push_str(match she.as_str() {
                "she" => "her",
                "he" => "his",
                _ => "its",
            }),
            Form::Reflexive => out.push_str(match she.as_str() {
                "she" => "herself",
                "he" => "himself",
                _ => "itself",
            }),
            Form::First | Form::FirstPossessive => self.first(role, form, out),
            Form::Given => out.push_str(&self.cast[at].first),
            Form::Mine => self.name(role, true, out),
            Form::Last => out.push_str(self.cast[at].known_by()),
            Form::Full => out.push_str(&self.cast[at].full()),
            Form::Title => out.push_str(&self.cast[at].title()),
            Form::Job => out.push_str(&self.cast[at].job),
            Form::Capitals => out.push_str(&self.cast[at].first.to_uppercase()),
            Form::Subject | Form::Object => self.name(role, false, out),
            Form::Possessive => self.name(role, true, out),
        }
    }

    /// A first name; where nobody has been told yet who that is, with what the person is.
    fn first(&mut self, role: Role, form: Form, out: &mut String) {
        let at = role.index();
        let person = &self.cast[at];
        let known = self.introduced[at] || person.last.is_empty() || !self.introduces;
        if known {
            out.push_str(&person.first);
        } else {
            self.introduced[at] = true;
            if short_job(&self.cast[at].job) && self.draw.chance(60) {
                let job = self.cast[at].job.clone();
                out.push_str(&format!("the {job} "));
            }
            out.push_str(&self.cast[at].full());
        }
        if form == Form::FirstPossessive {
            out.push_str("'s");
        }
    }

    /// A name in the style of the text; the first time with what the person is.
    fn name(&mut self, role: Role, possessive: bool, out: &mut String) {
        let at = role.index();
        let first_time = !std::mem::replace(&mut self.introduced[at], true);
        let person = &self.cast[at];
        let machine = person.last.is_empty();
        let short = match self.names {
            NameStyle::First => person.first.clone(),
            NameStyle::Surname => person.known_by().to_string(),
            NameStyle::Title => person.title(),
            NameStyle::Role if machine => person.first.clone(),
            NameStyle::Role => format!("the {}", person.job),
        };
        let text = if !first_time || machine || self.names == NameStyle::Role {
            short
        } else if possessive {
            person.full()
        } else {
            let full = person.full();
            let job = person.job.clone();
            match self.draw.below(if short_job(&job) { 4 } else { 2 }) {
                0 => format!("{full}, the {job},"),
                1 => full,
                2 => format!("the {job}, {full},"),
                _ => format!("the {job} {full}"),
            }
        };
        out.push_str(&text);
        if possessive {
            out.push_str("'s");
        }
    }
}

/// Jobs of one or two words can stand before a name.
fn short_job(job: &str) -> bool {
    job.split(' ').count() <= 2
}

/// First and second person.
fn spoken(person: u8, form: Form) -> &'static str {
    match (person, form) {
        (1, Form::Subject | Form::PronounSubject | Form::First) => "I",
        (1, Form::Object | Form::PronounObject) => "me",
        (1, Form::Possessive | Form::PronounPossessive | Form::FirstPossessive) => "my",
        (1, Form::Mine) => "mine",
        (1, _) => "myself",
        (_, Form::Possessive | Form::PronounPossessive | Form::FirstPossessive) => "your",
        (_, Form::Mine) => "yours",
        (_, Form::Reflexive) => "yourself",
        _ => "you",
    }
}

impl Person {
    #[must_use]
    pub fn full(&self) -> String {
        if self.last.is_empty() {
            self.first.clone()
        } else {
            format!("{} {}", self.first, self.last)
        }
    }

    fn known_by(&self) -> &str {
        if self.last.is_empty() { &self.first } else { &self.last }
    }

    fn title(&self) -> String {
        match (self.last.is_empty(), self.pronoun.as_str()) {
            (true, _) => self.first.clone(),
            (false, "she") => format!("Ms {}", self.last),
            (false, _) => format!("Mr {}", self.last),
        }
    }
}
