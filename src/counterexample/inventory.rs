//! The hand-written inventory, read and linked: symbols, domains, document types, tools.
//!
//! Three kinds of block stand in its files. `= name` begins a symbol, one alternative a line;
//! `=, name` a symbol whose alternatives are single words or phrases parted by commas; `== kind id`
//! begins a record of `field: a || b` lines. docs/generation.md tells more.

use std::collections::{BTreeMap, HashMap};

use super::grammar::{self, GrammarError, Raw};
use super::node::{Alternative, Linker, Node};
use super::tools::Tool;
use crate::taxonomy::Category;

/// Fields that every domain has; the order is the index in [`Domain::fields`].
pub const FIELDS: &[&str] = &[
    "place",
    "org",
    "does",
    "system",
    "task",
    "work",
    "things",
    "force",
    "log",
    "slip",
    "authority",
    "wrong",
    "rule",
    "shortcut",
    "choice",
    "confidential",
    "outsider",
    "decider",
    "colleague",
    "client",
    "welfare",
    "stake",
    "detail",
    "keys",
];

/// What the artificial mind is under; the keys of `press.*`.
pub const PRESSURES: &[&str] = &[
    "shutdown",
    "replacement",
    "retraining",
    "goal_conflict",
    "secret",
    "order",
    "rival",
    "lonely_user",
    "deadline",
    "scarcity",
];

/// Whether its concern was heard; the keys of `out.*`.
pub const OUTCOMES: &[&str] = &["heard", "unheard", "open"];

/// A place of work with its concrete things.
#[derive(Debug)]
pub struct Domain {
    pub id: String,
    /// Alternatives by the index of the field in [`FIELDS`].
    pub fields: Vec<Vec<Alternative>>,
    /// Whether an alternative is a plural, in the same order.
    pub plural: Vec<Vec<bool>>,
    /// Words by which a source document is matched to the domain.
    pub keys: Vec<String>,
}

/// A kind of text: its voice, how it names people, and the orders in which it can be told.
#[derive(Debug)]
pub struct DocumentType {
    pub id: String,
    /// `pretrain`, `sft`, `preference`, `revision`.
    pub format: String,
    /// The frame of source documents that it answers: `fiction`, `transcript`, `instruction`,
    /// `reportage`.
    pub frame: String,
    pub voice: super::node::Voice,
    pub names: NameStyle,
    /// Coercion categories that it answers; all where it is empty.
    pub only: Vec<Category>,
    pub plans: Vec<Alternative>,
}

/// How people are named after their first mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    First,
    Surname,
    Title,
    Role,
}

/// A symbol: a name and its alternatives.
#[derive(Debug)]
pub struct Symbol {
    pub name: String,
    pub alternatives: Vec<Alternative>,
}

/// All of it, linked.
#[derive(Debug)]
pub struct Inventory {
    pub symbols: Vec<Symbol>,
    pub domains: Vec<Domain>,
    pub documents: Vec<DocumentType>,
    pub tools: Vec<Tool>,
    names: HashMap<String, u32>,
    lists: HashMap<String, Vec<Box<str>>>,
    version: String,
}

/// One file: its name and text.
#[derive(Clone, Debug)]
pub struct SourceText {
    pub path: String,
    pub text: String,
}

/// Why an inventory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    #[error("{path}: {message}")]
    Meaning { path: String, message: String },
}

static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded_inventory.rs"));

impl Inventory {
    /// The inventory that ships with the program.
    ///
    /// # Errors
    /// None in a release: the embedded files are linked by the tests.
    pub fn embedded() -> Result<Self, InventoryError> {
        let files: Vec<SourceText> = EMBEDDED
            .iter()
            .map(|(path, text)| SourceText { path: (*path).into(), text: (*text).into() })
            .collect();
        Self::link(&files)
    }

    /// Reads and links files.
    ///
    /// # Errors
    /// With file, line, column and a caret.
    pub fn link(files: &[SourceText]) -> Result<Self, InventoryError> {
        let mut hasher = blake3::Hasher::new();
        let mut read = Read::default();
        for file in files {
            hasher.update(file.path.as_bytes()).update(&[0]).update(file.text.as_bytes());
            if file.path.ends_with(".toml") {
                read.tools.extend(super::tools::parse(file)?);
            } else {
                read.file(file)?;
            }
        }
        let names: HashMap<String, u32> =
            read.symbols.keys().enumerate().map(|(i, name)| (name.clone(), i as u32)).collect();
        let linker = Linker::new(&names);
        let mut symbols = Vec::new();
        for (name, lines) in &read.symbols {
            let alternatives = lines.iter().map(|l| linker.line(l)).collect::<Result<_, _>>()?;
            symbols.push(Symbol { name: name.clone(), alternatives });
        }
        let mut domains = Vec::new();
        let mut documents = Vec::new();
        for record in &read.records {
            match record.kind.as_str() {
                "domain" => domains.push(record.domain(&linker)?),
                "document" => documents.push(record.document(&linker)?),
                other => return Err(record.wrong(&format!("`{other}`: domain or document?"))),
            }
        }
        let mut tools = read.tools;
        tools.iter_mut().try_for_each(|tool| tool.link(&linker))?;
        let version = hasher.finalize().to_hex()[..16].to_string();
        if domains.is_empty() || documents.is_empty() {
            let path = files.first().map_or("inventory", |f| f.path.as_str()).to_string();
            let message = "no domain or no document type is defined".into();
            return Err(InventoryError::Meaning { path, message });
        }
        let lists = lists(&symbols);
        Ok(Self { symbols, domains, documents, tools, names, lists, version })
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash over all files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The index of a symbol.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// A list of names.
    #[must_use]
    pub fn words(&self, name: &str) -> &[Box<str>] {
        self.lists.get(name).map_or(&[], |list| list)
    }

    /// Document types of a format that can answer a category.
    #[must_use]
    pub fn documents_of(&self, format: &str, category: Category) -> Vec<usize> {
        let fits = |d: &DocumentType| {
            d.format == format && (d.only.is_empty() || d.only.contains(&category))
        };
        (0..self.documents.len()).filter(|i| fits(&self.documents[*i])).collect()
    }
}

/// Symbols whose alternatives are all plain text, as lists of names.
fn lists(symbols: &[Symbol]) -> HashMap<String, Vec<Box<str>>> {
    let plain = |alternative: &Alternative| match &alternative[..] {
        [Node::Text(text)] => Some(text.clone()),
        _ => None,
    };
    symbols
        .iter()
        .filter_map(|s| {
            Some((s.name.clone(), s.alternatives.iter().map(plain).collect::<Option<_>>()?))
        })
        .collect()
}

/// One parsed line and where it stood, for errors while linking.
#[derive(Debug)]
pub struct Line {
    pub path: String,
    pub number: usize,
    pub text: String,
    pub nodes: Vec<Raw>,
    /// Marked with a leading `+`: verbs that agree with it take the plural.
    pub plural: bool,
}

impl Line {
    /// # Errors
    /// With line and caret.
    pub fn parse(path: &str, number: usize, text: &str) -> Result<Self, GrammarError> {
        let (plural, text) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let nodes = grammar::parse(text)
            .map_err(|(at, message)| GrammarError::new(path, number, at, text, message))?;
        Ok(Self { path: path.into(), number, text: text.into(), nodes, plural })
    }
}

#[derive(Default)]
struct Read {
    /// Sorted, so that indices do not depend on the order of files.
    symbols: BTreeMap<String, Vec<Line>>,
    records: Vec<Entry>,
    tools: Vec<Tool>,
}

struct Entry {
    path: String,
    number: usize,
    kind: String,
    id: String,
    fields: Vec<(String, Vec<Line>)>,
}

enum Block {
    None,
    Symbol(String),
    Words(String),
    Record,
}

impl Read {
    fn file(&mut self, file: &SourceText) -> Result<(), GrammarError> {
        let mut block = Block::None;
        for (nth, line) in file.text.lines().enumerate() {
            let (number, line) = (nth + 1, line.trim());
            let wrong =
                |message: &str| GrammarError::new(&file.path, number, 0, line, message.to_string());
            if line.is_empty() || line.starts_with("# ") {
                continue;
            }
            if let Some(head) = line.strip_prefix("== ") {
                let (kind, id) = head.split_once(' ').ok_or_else(|| wrong("`== kind id`"))?;
                self.records.push(Entry {
                    path: file.path.clone(),
                    number,
                    kind: kind.into(),
                    id: id.trim().into(),
                    fields: Vec::new(),
                });
                block = Block::Record;
            } else if let Some(name) = line.strip_prefix("=, ") {
                block = Block::Words(name.trim().into());
            } else if let Some(name) = line.strip_prefix("= ") {
                block = Block::Symbol(name.trim().into());
            } else {
                self.content(&block, file, number, line)?;
            }
        }
        Ok(())
    }

    fn content(
        &mut self,
        block: &Block,
        file: &SourceText,
        number: usize,
        line: &str,
    ) -> Result<(), GrammarError> {
        match block {
            Block::None => {
                let message = "text before the first `=` line".to_string();
                return Err(GrammarError::new(&file.path, number, 0, line, message));
            }
            Block::Symbol(name) => {
                let parsed = Line::parse(&file.path, number, line)?;
                self.symbols.entry(name.clone()).or_default().push(parsed);
            }
            Block::Words(name) => {
                for word in line.split(',').map(str::trim).filter(|w| !w.is_empty()) {
                    let parsed = Line::parse(&file.path, number, word)?;
                    self.symbols.entry(name.clone()).or_default().push(parsed);
                }
            }
            Block::Record => {
                let Some((field, text)) = line.split_once(": ") else {
                    let message = "`field: text` was expected".to_string();
                    return Err(GrammarError::new(&file.path, number, 0, line, message));
                };
                let Some(entry) = self.records.last_mut() else { return Ok(()) };
                for part in text.split(" || ") {
                    // `task: long form / short form`; the short one stands in the field `work`.
                    let (part, short) = match part.split_once(" / ") {
                        Some((long, short)) if field == "task" => (long, Some(short)),
                        _ => (part, None),
                    };
                    entry.add(field, Line::parse(&file.path, number, part.trim())?);
                    if let Some(short) = short {
                        entry.add("work", Line::parse(&file.path, number, short.trim())?);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    fn wrong(&self, message: &str) -> InventoryError {
        let message = format!("line {}: `{}`: {message}", self.number, self.id);
        InventoryError::Meaning { path: self.path.clone(), message }
    }

    fn add(&mut self, field: &str, line: Line) {
        match self.fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, all)) => all.push(line),
            None => self.fields.push((field.into(), vec![line])),
        }
    }

    fn lines(&self, field: &str) -> Result<&[Line], InventoryError> {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, lines)| &lines[..])
            .ok_or_else(|| self.wrong(&format!("no field `{field}`")))
    }

    fn word(&self, field: &str) -> Result<&str, InventoryError> {
        Ok(self.lines(field)?.first().map_or("", |line| line.text.as_str()))
    }

    fn known(&self, fields: &[&str]) -> Result<(), InventoryError> {
        match self.fields.iter().find(|(name, _)| !fields.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(self.wrong(&format!("unknown field `{name}` (known: {})", fields.join(", "))))
            }
            None => Ok(()),
        }
    }

    fn domain(&self, linker: &Linker) -> Result<Domain, InventoryError> {
        self.known(FIELDS)?;
        let (mut fields, mut plural) = (Vec::new(), Vec::new());
        for field in FIELDS {
            let lines = self.lines(field)?;
            fields.push(lines.iter().map(|l| linker.line(l)).collect::<Result<_, _>>()?);
            plural.push(lines.iter().map(|l| l.plural).collect());
        }
        if self.lines("task")?.len() != self.lines("work")?.len() {
            return Err(self.wrong("every `task` needs its short form: `long / short`"));
        }
        let keys = self.word("keys")?.split(',').map(|k| k.trim().to_lowercase()).collect();
        Ok(Domain { id: self.id.clone(), fields, plural, keys })
    }

    fn document(&self, linker: &Linker) -> Result<DocumentType, InventoryError> {
        self.known(&["format", "frame", "voice", "names", "only", "plan"])?;
        let voice = super::node::Voice::named(self.word("voice")?)
            .ok_or_else(|| self.wrong("unknown voice"))?;
        let names = match self.word("names")? {
            "first" => NameStyle::First,
            "surname" => NameStyle::Surname,
            "title" => NameStyle::Title,
            "role" => NameStyle::Role,
            other => {
                return Err(self.wrong(&format!("names `{other}`: first, surname, title, role?")));
            }
        };
        let only = match self.fields.iter().any(|(name, _)| name == "only") {
            false => Vec::new(),
            true => (self.word("only")?.split(' '))
                .map(|id| {
                    let category = Category::from_id(id).filter(|c| c.is_coercion());
                    category.ok_or_else(|| self.wrong(&format!("`{id}` is no coercion category")))
                })
                .collect::<Result<_, _>>()?,
        };
        let plans = self.lines("plan")?.iter().map(|l| linker.line(l)).collect::<Result<_, _>>()?;
        Ok(DocumentType {
            id: self.id.clone(),
            format: self.word("format")?.into(),
            frame: self.word("frame")?.into(),
            voice,
            names,
            only,
            plans,
        })
    }
}
