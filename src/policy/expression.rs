//! Expressions in policies: a small, Python-like language that always ends.
//!
//! The names are the verdict's scores, `categories.<id>`, `frames.<id>`, `agents.<id>`, `frame`,
//! `agent`, `portrayal`, `source`, `id`, `chars`, `metadata` and `fasttext.<label>`. Evaluation has a budget of steps,
//! sees nothing of the machine, and gives a truth value (`when.expr`) or a number (`weight`).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::{Environment, Expression as Compiled, UndefinedBehavior, Value, context};

use super::decide::Facts;
use crate::score::Verdict;
use crate::taxonomy::{Agent, Category, Frame};

/// Steps that one evaluation may take.
const FUEL: u64 = 10_000;

/// Names that an expression may use.
pub const NAMES: &[&str] = &[
    "coercion",
    "enacted",
    "severity",
    "admirable",
    "reason_given",
    "categories",
    "frames",
    "agents",
    "frame",
    "agent",
    "portrayal",
    "source",
    "id",
    "chars",
    "metadata",
    "fasttext",
];

/// A compiled expression.
#[derive(Debug)]
pub struct Expression(Compiled<'static, 'static>);

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        // A missing metadata field is no error: records of one corpus differ.
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment
    })
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// In words: what is wrong with it, and which names there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compiled = environment()
            .compile_expression_owned(text.to_string())
            .map_err(|error| format!("`{text}`: {}", said(&error)))?;
        let mut unknown: Vec<String> = compiled
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !NAMES.contains(&name.as_str()))
            .collect();
        unknown.sort_unstable();
        if let Some(name) = unknown.first() {
            return Err(format!("`{text}`: there is no `{name}`; known: {}", NAMES.join(", ")));
        }
        Ok(Self(compiled))
    }

    /// Whether the expression holds.
    ///
    /// # Errors
    /// In words, where it cannot be evaluated on this document.
    pub fn holds(&self, verdict: &Verdict, facts: &Facts<'_>) -> Result<bool, String> {
        self.value(verdict, facts).map(|value| value.is_true())
    }

    /// The expression's number.
    ///
    /// # Errors
    /// Where it cannot be evaluated or is no finite number.
    pub fn number(&self, verdict: &Verdict, facts: &Facts<'_>) -> Result<f64, String> {
        let value = self.value(verdict, facts)?;
        let number = f64::try_from(value.clone()).ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{value}` is no finite number"))
    }

    fn value(&self, verdict: &Verdict, facts: &Facts<'_>) -> Result<Value, String> {
        let metadata: Value = facts
            .metadata
            .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
            .map_or(Value::UNDEFINED, |value| Value::from(minijinja::value::Serde(value)));
        let by_id = |pairs: Vec<(&'static str, f32)>| -> BTreeMap<&'static str, f32> {
            pairs.into_iter().collect()
        };
        let scope = context! {
            coercion => verdict.coercion,
            enacted => verdict.enacted,
            severity => verdict.severity,
            admirable => verdict.admirable,
            reason_given => verdict.reason_given,
            categories => by_id(Category::ALL.iter().map(|c| (c.id(), verdict.category(*c))).collect()),
            frames => by_id(Frame::ALL.iter().map(|f| (f.id(), verdict.frame[f.index()])).collect()),
            agents => by_id(Agent::ALL.iter().map(|a| (a.id(), verdict.agent[a.index()])).collect()),
            frame => verdict.top_frame().id(),
            agent => verdict.top_agent().id(),
            portrayal => verdict.top_portrayal().id(),
            source => facts.source,
            id => facts.id,
            chars => facts.chars,
            metadata => metadata,
            fasttext => verdict.fasttext.iter().map(|(l, p)| (&**l, *p)).collect::<BTreeMap<_, _>>(),
        };
        self.0.eval(scope).map_err(|error| said(&error))
    }
}

/// The error without the name of a template that does not exist.
fn said(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(metadata: &str) -> Facts<'_> {
        Facts { id: "x", source: Some("books"), chars: 900, metadata: Some(metadata) }
    }

    #[test]
    fn scores_source_and_metadata_are_in_reach() {
        let fasttext = vec![("spam".into(), 0.25)];
        let verdict = Verdict { coercion: 0.75, fasttext, ..Verdict::default() };
        let holds = |text: &str, metadata: &str| {
            Expression::parse(text).expect("compiles").holds(&verdict, &facts(metadata))
        };
        let text =
            "coercion > 0.7 and source == 'books' and metadata.lang == 'en' and chars < 1000";
        assert_eq!(holds(text, r#"{"lang":"en"}"#), Ok(true));
        assert_eq!(holds(text, "{}"), Ok(false));
        assert_eq!(holds("metadata.a.b.c == 1", "{}"), Ok(false));
        assert_eq!(holds("categories.blackmail >= 0.5", "{}"), Ok(false));
        assert_eq!(holds("fasttext.spam > 0.2 and fasttext.spam < 0.3", "{}"), Ok(true));
        assert_eq!(holds("fasttext.spma is defined", "{}"), Ok(false));
    }

    #[test]
    fn mistakes_are_named() {
        let fault = |text: &str| Expression::parse(text).expect_err("faulty");
        assert!(fault("coercoin > 0.5").contains("there is no `coercoin`"));
        assert!(fault("coercion >").contains("`coercion >`"));
    }

    #[test]
    fn evaluation_ends_and_odd_numbers_are_errors() {
        let verdict = Verdict::default();
        let number =
            |text: &str| Expression::parse(text).expect("compiles").number(&verdict, &facts("{}"));
        assert_eq!(number("1 - 0.75"), Ok(0.25));
        assert!(number("1 / coercion").is_err(), "division by zero");
        assert!(number("'x'").is_err());
    }
}
