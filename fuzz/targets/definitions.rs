//! Rule files and policies that somebody else wrote.

use std::sync::Arc;

use parable::document::Document;
use parable::filter::{FilterSet, SourceFile, check};
use parable::policy::{Action, Facts, Policy};
use parable::scan::Scanner;
use parable::score::Verdict;

const LEXICON: &str = "name = \"minds\"\nsummary = \"s\"\nterms = [\"robot\", \"the machine\"]\n";
const TEXT: &str = "\"Pay me,\" said the robot, \"or I tell them.\" Nobody paid. \
    User: stop it\nAssistant: I will not. I'll aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";

/// A rule file is refused with a message or compiled; a compiled one scans in bounded time, and its
/// hits lie on character boundaries.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = [("rules/fuzz/rule.toml", text), ("lexicons/minds.toml", LEXICON)];
    let files =
        files.map(|(path, text)| SourceFile { path: path.to_string(), text: text.to_string() });
    let filters = match FilterSet::compile(&files) {
        Ok(filters) => filters,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for rule in filters.rules() {
        let _ = check::lint(rule);
    }
    let mut scanner = Scanner::new(Arc::new(filters));
    for text in [TEXT, "", "é", "😀 robot 😀"] {
        let document = Document::plain("1", text);
        let found = scanner.scan(&document).hits.clone();
        assert!(found.iter().all(|hit| text.get(hit.span.start..hit.span.end).is_some()));
        assert_eq!(found, scanner.scan_without_atoms(&document).hits, "atoms hide nothing");
    }
}

/// A policy is refused or decides, the same twice, within the weights that are allowed.
pub fn policies(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let policy = match Policy::parse("fuzz", text) {
        Ok(policy) => policy,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = (policy.reads_cleared(), policy.replaces());
    let metadata = "{\"lang\":\"en\",\"n\":[1,2.5,null],\"deep\":{\"a\":{\"b\":\"c\"}}}";
    for (coercion, metadata) in
        [(0.0, None), (0.6, Some(metadata)), (1.0, Some("{")), (0.5, Some("[1e999]"))]
    {
        let verdict = Verdict { coercion, enacted: coercion, severity: 4.0, ..Verdict::default() };
        let facts = Facts { id: "id\n\"7\"", source: Some("web/é"), chars: 70, metadata };
        let decided = policy.decide(&verdict, &facts, 7, &mut |_, why| assert!(!why.is_empty()));
        assert_eq!(decided, policy.decide(&verdict, &facts, 7, &mut |_, _| {}));
        if let Action::Weight { weight, copies } = decided.action {
            assert!((0.0..=1000.0).contains(&weight), "{weight}");
            assert!(copies.is_none_or(|copies| copies <= 1001));
        }
    }
}
