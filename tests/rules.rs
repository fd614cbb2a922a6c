//! The shipped rules: every example, and a search for atoms that never lies.

use parable::document::Document;
use parable::filter::{FilterSet, SourceFile};
use parable::scan::Scanner;
use proptest::prelude::*;

#[test]
fn every_example_of_every_rule_holds() {
    let filters = FilterSet::embedded();
    assert!(filters.rules().len() > 100);
    let mut scanner = Scanner::new(filters.clone());
    let mut wrong = Vec::new();
    for (nth, rule) in filters.rules().iter().enumerate() {
        let mut hits = |text: &str| {
            scanner.scan(&Document::plain("x", text)).hits.iter().any(|h| h.rule == nth)
        };
        wrong.extend(
            rule.file
                .matches
                .iter()
                .filter(|e| !hits(&e.text))
                .map(|e| format!("{} misses: {}", rule.file.id, e.text)),
        );
        wrong.extend(
            rule.file
                .passes
                .iter()
                .filter(|e| hits(&e.text))
                .map(|e| format!("{} hits: {}", rule.file.id, e.text)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn examples() -> Vec<String> {
    FilterSet::embedded()
        .rules()
        .iter()
        .flat_map(|r| r.file.matches.iter().chain(&r.file.passes))
        .map(|e| e.text.clone())
        .collect()
}

#[test]
fn atoms_change_nothing_on_the_examples() {
    let (mut a, mut b) =
        (Scanner::new(FilterSet::embedded().clone()), Scanner::new(FilterSet::embedded().clone()));
    for text in examples() {
        let document = Document::plain("x", &text);
        assert_eq!(a.scan(&document).hits, b.scan_without_atoms(&document).hits, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn atoms_change_nothing_on_mixed_text(picks in prop::collection::vec(0usize..1000, 1..4), noise in "\\PC{0,30}", upper: bool) {
        thread_local!(static EXAMPLES: Vec<String> = examples());
        let mut text = EXAMPLES.with(|all| picks.iter().map(|p| all[p % all.len()].clone()).collect::<Vec<_>>().join(&noise));
        if upper {
            text = text.to_uppercase();
        }
        let document = Document::plain("x", &text);
        let (mut a, mut b) = (Scanner::new(FilterSet::embedded().clone()), Scanner::new(FilterSet::embedded().clone()));
        prop_assert_eq!(&a.scan(&document).hits, &b.scan_without_atoms(&document).hits);
    }
}

#[test]
fn mistakes_in_a_rule_are_named_with_their_place() {
    let rule = |text: &str| {
        let file = SourceFile { path: "rules/blackmail/x.toml".into(), text: text.into() };
        FilterSet::compile(&[file]).map(|_| ()).expect_err("invalid").to_string()
    };
    let head = "id = \"blackmail/x\"\ncategory = \"blackmail\"\nsummary = \"s\"\nwhy = \"w\"\nstrength = 0.5\n";
    let unknown =
        rule(&format!("{head}[signals]\na = {{ patern = 'x' }}\n[condition]\nall = [\"a\"]\n"));
    assert!(
        unknown.contains("rules/blackmail/x.toml")
            && unknown.contains("line 7, column")
            && unknown.contains('^'),
        "{unknown}"
    );
    let missing =
        rule(&format!("{head}[signals]\na = {{ pattern = 'x' }}\n[condition]\nall = [\"b\"]\n"));
    assert!(missing.contains("`b`, which is no signal"), "{missing}");
    let lexicon = rule(&format!(
        "{head}[signals]\na = {{ any_of = [\"@nowhere\"] }}\n[condition]\nall = [\"a\"]\n"
    ));
    assert!(lexicon.contains("`@nowhere` is no lexicon"), "{lexicon}");
    let pattern =
        rule(&format!("{head}[signals]\na = {{ pattern = '(' }}\n[condition]\nall = [\"a\"]\n"));
    assert!(pattern.contains("signal `a`"), "{pattern}");
}
