//! The gate's quick search against the plain automaton, on text made to be hard for it, on generated
//! lines and on every example text of the rules.

use std::sync::LazyLock;

use proptest::prelude::*;

use parable::bench;
use parable::filter::FilterSet;
use parable::scan::{Gate, GateLevel};

/// Both searches, made once: an automaton takes a while.
static GATES: LazyLock<(Gate, Gate)> = LazyLock::new(|| {
    let filters = FilterSet::embedded();
    (Gate::new(filters, GateLevel::Named), Gate::by_automaton(filters, GateLevel::Named))
});

/// Number of each line of `block` that has a mark.
fn marked(gate: &Gate, block: &[u8]) -> Vec<usize> {
    let mut marks = Vec::new();
    gate.marks(block, &mut marks);
    assert!(marks.is_sorted(), "{marks:?}");
    marks.iter().map(|at| block[..*at].iter().filter(|b| **b == b'\n').count()).collect()
}

fn agree(block: &[u8]) -> Result<(), TestCaseError> {
    let (windows, automaton) = &*GATES;
    let lines = marked(windows, block);
    prop_assert_eq!(&lines, &marked(automaton, block), "{}", block.escape_ascii());
    // What a line is told does not depend on the lines beside it.
    let alone: Vec<usize> = (block.split(|b| *b == b'\n').enumerate())
        .filter(|(_, line)| windows.admits(line))
        .map(|(nth, _)| nth)
        .collect();
    prop_assert_eq!(&lines, &alone, "{}", block.escape_ascii());
    prop_assert_eq!(windows.admits(block), automaton.admits(block));
    Ok(())
}

/// Terms whole, cut, in capitals, glued and torn, between bytes of all kinds.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let filters = FilterSet::embedded();
    let mut terms: Vec<&'static str> = filters.lexicon("artificial_agents");
    terms.extend(filters.lexicon("gate_hints"));
    let term = (prop::sample::select(terms), 0..4_u8, 0..6_usize).prop_map(|(term, shape, cut)| {
        let term = term.trim_end_matches('*');
        let cut = cut.min(term.chars().count().saturating_sub(1));
        match shape {
            0 => term.to_string(),
            1 => term.to_uppercase(),
            2 => term.chars().skip(cut).collect(),
            _ => term.chars().rev().skip(cut).collect::<String>().chars().rev().collect(),
        }
    });
    let glue = prop::sample::select(vec![
        " ", "", "\n", "\\n", "\\\\n", "\\u00", "\\u2019", ".", "-", "s", "x", "7", "’", "é",
        "\r\n", "\t", "  ", "\"", "\\\"", "\0", "K", "ſ",
    ]);
    let piece = prop_oneof![
        4 => term.prop_map(String::into_bytes),
        4 => glue.prop_map(|glue| glue.as_bytes().to_vec()),
        1 => "[a-z ]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_searches_mark_the_same_lines(block in hostile()) {
        agree(&block)?;
    }

    #[test]
    fn far_from_the_start_too(lead in 0..9_000_usize, block in hostile()) {
        let mut text = b"so it goes ".repeat(lead / 11 + 1);
        text.truncate(lead);
        text.extend(block);
        agree(&text)?;
    }
}

#[test]
fn both_agree_on_generated_lines_however_they_are_cut() {
    let lines = bench::sample(1 << 20, 3, FilterSet::embedded());
    agree(&lines).expect("agree");
    let gate = &GATES.0;
    let whole = marked(gate, &lines);
    let count = lines.iter().filter(|b| **b == b'\n').count();
    assert!(whole.len() > count / 50 && whole.len() < count / 2, "{} of {count}", whole.len());
    for size in [700, 4_096, 100_000] {
        let (mut from, mut first, mut cut) = (0, 0, Vec::new());
        while from < lines.len() {
            let aim = (from + size).min(lines.len());
            let rest = lines[aim..].iter().position(|b| *b == b'\n');
            let end = rest.map_or(lines.len(), |i| aim + i + 1);
            let block = &lines[from..end];
            cut.extend(marked(gate, block).iter().map(|nth| first + nth));
            first += block.iter().filter(|b| **b == b'\n').count();
            from = end;
        }
        assert_eq!(cut, whole, "blocks of {size} bytes");
    }
}

/// The atoms are written by hand, so a rule can hit a text that the gate clears. How many of the
/// rules' own examples that are is known and may not grow.
#[test]
fn most_examples_that_rules_must_hit_are_admitted() {
    let rules = FilterSet::embedded().rules();
    let texts: Vec<(&str, &str)> = rules
        .iter()
        .flat_map(|rule| rule.file.matches.iter().map(|e| (rule.file.id.as_str(), e.text.as_str())))
        .collect();
    for (level, most) in [(GateLevel::Named, NAMED), (GateLevel::Fast, 0), (GateLevel::Off, 0)] {
        let gate = Gate::new(FilterSet::embedded(), level);
        let cleared: Vec<&str> = texts
            .iter()
            .filter(|(_, text)| !gate.admits(text.as_bytes()))
            .map(|(id, _)| *id)
            .collect();
        let allowed = texts.len() * most / 100;
        assert!(
            cleared.len() <= allowed,
            "{level:?}: {} of {}: {cleared:?}",
            cleared.len(),
            texts.len()
        );
    }
}

/// Percent of the examples that the level `named` may clear.
const NAMED: usize = 14;
