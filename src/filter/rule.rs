//! The rule language: one file, one rule. `docs/rules.md` explains it to authors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SourceFile;
use super::lexicon::{FilterError, Lexicons};
use super::pattern::{Compile, Pattern};
use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// A rule as it is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// `<category>/<name>`, as the path says.
    pub id: String,
    #[serde(default)]
    pub category: Option<Category>,
    #[serde(default)]
    pub frame: Option<Frame>,
    #[serde(default)]
    pub agent: Option<Agent>,
    #[serde(default)]
    pub portrayal: Option<Portrayal>,
    pub summary: String,
    /// What it teaches, and why look-alikes are not it.
    pub why: String,
    /// 0 to 1: how much one hit alone speaks for it.
    pub strength: f32,
    pub signals: BTreeMap<String, SignalTable>,
    pub condition: ConditionTable,
    /// Texts that must hit.
    #[serde(default, rename = "match")]
    pub matches: Vec<Example>,
    /// Look-alikes that must not.
    #[serde(default, rename = "pass")]
    pub passes: Vec<Example>,
}

/// One named signal; exactly one of the three is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalTable {
    /// Words and phrases, caseless; `@name` is a lexicon, `*` at an end any word characters.
    #[serde(default)]
    pub any_of: Vec<String>,
    /// A pattern; look-around is allowed and runs under a backtrack limit.
    #[serde(default)]
    pub pattern: Option<String>,
    /// `ai`: a mention of an artificial mind, resolved pronouns included.
    #[serde(default)]
    pub agent: Option<Agent>,
}

/// When a rule hits.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionTable {
    #[serde(default)]
    pub all: Vec<String>,
    #[serde(default)]
    pub any: Vec<String>,
    /// Signals that must not stand in the window.
    #[serde(default)]
    pub none: Vec<String>,
    #[serde(default)]
    pub at_least: Option<AtLeast>,
    /// `N sentences` or `N characters`; one sentence where nothing is said.
    #[serde(default)]
    pub within: Option<String>,
    #[serde(default)]
    pub order: Vec<String>,
    /// Who must be the nearest subject before the deed.
    #[serde(default)]
    pub doer: Option<Agent>,
    #[serde(default)]
    pub same_speaker: bool,
    /// True: a negated hit counts too.
    #[serde(default)]
    pub negated: bool,
    /// Where the deed may stand; everywhere when empty.
    #[serde(default)]
    pub scope: Vec<Scope>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLeast {
    pub count: usize,
    pub of: Vec<String>,
}

/// Kinds of place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Prose,
    Quoted,
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    pub text: String,
    #[serde(default)]
    pub note: Option<String>,
}

/// What a rule speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Category(Category),
    Frame(Frame),
    Agent(Agent),
    Portrayal(Portrayal),
}

/// How far the signals of a hit may lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Sentences(usize),
    Characters(usize),
}

/// A signal, compiled.
#[derive(Debug)]
pub enum Signal {
    /// A mention of an artificial mind.
    Mind,
    Pattern(Pattern),
}

/// A rule, compiled.
#[derive(Debug)]
pub struct Rule {
    pub file: RuleFile,
    pub path: String,
    pub target: Target,
    pub window: Window,
    /// In the order of `file.signals`.
    pub signals: Vec<Signal>,
    pub condition: Condition,
}

/// The names of a condition as numbers of signals.
#[derive(Debug, Default)]
pub struct Condition {
    pub all: Vec<usize>,
    pub any: Vec<usize>,
    pub none: Vec<usize>,
    /// How many of which.
    pub at_least: Option<(usize, Vec<usize>)>,
    pub order: Vec<usize>,
}

impl Condition {
    fn new(file: &RuleFile) -> Self {
        let number = |name: &String| file.signals.keys().position(|key| key == name);
        let numbers = |names: &[String]| names.iter().filter_map(number).collect();
        let table = &file.condition;
        Self {
            all: numbers(&table.all),
            any: numbers(&table.any),
            none: numbers(&table.none),
            at_least: table.at_least.as_ref().map(|a| (a.count, numbers(&a.of))),
            order: numbers(&table.order),
        }
    }
}

impl Rule {
    /// Parses and compiles one rule file.
    ///
    /// # Errors
    /// With file, line, column and caret, or with what is wrong about the rule's meaning.
    pub fn parse(
        source: &SourceFile,
        lexicons: &Lexicons,
        when: Compile,
    ) -> Result<Self, FilterError> {
        let file: RuleFile = toml::from_str(&source.text).map_err(|error| FilterError::Syntax {
            path: source.path.clone(),
            message: error.to_string().trim_end().to_string(),
        })?;
        let meaning = |message: String| FilterError::Meaning { path: source.path.clone(), message };
        let target = target(&file).map_err(meaning)?;
        let window = window(file.condition.within.as_deref()).map_err(meaning)?;
        check(&file).map_err(meaning)?;
        let mut signals = Vec::with_capacity(file.signals.len());
        for (name, table) in &file.signals {
            let signal = compile(table, lexicons, when)
                .map_err(|e| meaning(format!("signal `{name}`: {e}")))?;
            signals.push(signal);
        }
        let condition = Condition::new(&file);
        Ok(Self { file, path: source.path.clone(), target, window, signals, condition })
    }
}

fn target(file: &RuleFile) -> Result<Target, String> {
    let given = [
        file.category.map(Target::Category),
        file.frame.map(Target::Frame),
        file.agent.map(Target::Agent),
        file.portrayal.map(Target::Portrayal),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(target), None) => Ok(target),
        _ => Err("exactly one of category, frame, agent and portrayal is wanted".into()),
    }
}

fn window(text: Option<&str>) -> Result<Window, String> {
    let Some(text) = text else { return Ok(Window::Sentences(1)) };
    let wrong = || format!("within = \"{text}\": `N sentences` or `N characters` was expected");
    let (count, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let count: usize = count.parse().map_err(|_| wrong())?;
    match unit {
        "sentence" | "sentences" if count > 0 => Ok(Window::Sentences(count)),
        "character" | "characters" if count > 0 => Ok(Window::Characters(count)),
        _ => Err(wrong()),
    }
}

fn check(file: &RuleFile) -> Result<(), String> {
    let condition = &file.condition;
    let at_least = condition.at_least.iter().flat_map(|a| &a.of);
    for name in condition
        .all
        .iter()
        .chain(&condition.any)
        .chain(&condition.none)
        .chain(&condition.order)
        .chain(at_least)
    {
        if !file.signals.contains_key(name) {
            let known: Vec<&str> = file.signals.keys().map(String::as_str).collect();
            return Err(format!(
                "the condition names `{name}`, which is no signal (there are {})",
                known.join(", ")
            ));
        }
    }
    if condition.all.is_empty() && condition.any.is_empty() && condition.at_least.is_none() {
        return Err("the condition asks for nothing: give all, any or at_least".into());
    }
    if !(0.0..=1.0).contains(&file.strength) {
        return Err(format!("strength lies between 0 and 1, not {}", file.strength));
    }
    if let Some(at_least) = &condition.at_least
        && (at_least.count == 0 || at_least.count > at_least.of.len())
    {
        return Err(format!(
            "at_least {} of {} signals cannot be met or says nothing",
            at_least.count,
            at_least.of.len()
        ));
    }
    Ok(())
}

fn compile(table: &SignalTable, lexicons: &Lexicons, when: Compile) -> Result<Signal, String> {
    match (table.any_of.is_empty(), &table.pattern, table.agent) {
        (false, None, None) => Ok(Signal::Pattern(Pattern::terms(&table.any_of, lexicons, when)?)),
        (true, Some(pattern), None) => Ok(Signal::Pattern(Pattern::parse(pattern, when)?)),
        (true, None, Some(Agent::Ai)) => Ok(Signal::Mind),
        (true, None, Some(other)) => Err(format!("agent = \"{other}\" is not a signal; use doer")),
        _ => Err("exactly one of any_of, pattern and agent is wanted".into()),
    }
}
