//! Two audits side by side: what moved, by how much at least, what appeared and what vanished.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::by::Grouping;
use super::figures::{Audit, Notice, SCHEMA};
use super::interval::{self, Estimate};
use crate::portrait::{self, Correlation, Moves};

/// Side effects and correlations that are told.
const LARGEST: usize = 12;

/// The comparison of two audits, as `parable compare --json` writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    pub schema: u32,
    pub before: Side,
    pub after: Side,
    pub notices: Vec<Notice>,
    pub headline: Vec<Shift>,
    pub tables: Vec<ShiftTable>,
    /// Flagged share within each source.
    pub sources: Vec<Shift>,
    /// Share of each source in the documents: what a selection did to the mix.
    pub source_mix: Vec<Shift>,
    /// Share of each length among the scored documents, likewise.
    pub length_mix: Vec<Shift>,
    /// The same for fields of the documents that both audits grouped by.
    pub group_mix: Vec<ShiftTable>,
    /// The largest clear shifts of the mixes: what came along without being asked for.
    pub largest: Vec<SideEffect>,
    /// Pairs of categories whose correlation moved furthest.
    pub correlations: Vec<Correlation>,
    /// What moved in the documents themselves, where they were given.
    pub moves: Option<Moves>,
    pub rules: Vec<RuleShift>,
    pub appeared: Vec<Change>,
    pub vanished: Vec<Change>,
}

/// One of the two audits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Side {
    pub name: String,
    pub documents: u64,
    pub scored: u64,
    pub bytes: Option<u64>,
    pub complete: bool,
    pub filter_sets: Vec<String>,
    pub models: Vec<String>,
}

/// A shift of a mix.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SideEffect {
    /// `source`, `length`, or the field that was grouped by.
    pub of: String,
    pub shift: Shift,
}

/// One share before and after.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shift {
    pub key: String,
    pub before: Part,
    pub after: Part,
    /// After less before, in shares; none where either side has no documents.
    pub difference: Option<Estimate>,
    /// The interval of the difference does not contain 0.
    pub clear: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Part {
    pub documents: u64,
    pub of: u64,
    pub raw: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShiftTable {
    pub id: String,
    pub title: String,
    pub of: String,
    pub lines: Vec<Shift>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleShift {
    pub rule: String,
    pub before: u64,
    pub after: u64,
}

/// Something that only one of the two has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `source`, `rule`, or the id of the table.
    pub kind: String,
    pub key: String,
    pub documents: u64,
}

/// Why two audits do not compare.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error(
        "the audits were made with different {what} ({before} and {after}): a shift could be the scorer's; scan both with one of them, or compare all the same with --allow-mixed"
    )]
    Mixed { what: &'static str, before: String, after: String },
}

type Counts = BTreeMap<String, (u64, u64)>;

/// Compares two audits; the names stand in the report.
///
/// # Errors
/// Where filter sets or models differ and `allow_mixed` is false.
pub fn compare(
    (before_name, before): (&str, &Audit),
    (after_name, after): (&str, &Audit),
    allow_mixed: bool,
) -> Result<Comparison, CompareError> {
    let mut notices = Vec::new();
    let versions = [
        ("filter sets", &before.versions.filter_sets, &after.versions.filter_sets),
        ("models", &before.versions.models, &after.versions.models),
        ("gate levels", &before.versions.gates, &after.versions.gates),
    ];
    for (what, a, b) in versions {
        if a == b {
            continue;
        }
        let (before, after) = (a.join(", "), b.join(", "));
        let known = !a.is_empty() && !b.is_empty();
        if known && !allow_mixed {
            return Err(CompareError::Mixed { what, before, after });
        }
        let text = if known {
            format!(
                "made with different {what} ({before} and {after}): a shift may be the scorer's, not the data's"
            )
        } else {
            format!(
                "the {what} of one audit are not known: a shift may be the scorer's, not the data's"
            )
        };
        notices.push(Notice { level: "alert".into(), text });
    }
    for (name, audit) in [(before_name, before), (after_name, after)] {
        let alerts = audit.notices.iter().filter(|n| n.level == "alert");
        notices.extend(
            alerts.map(|n| Notice { level: "alert".into(), text: format!("{name}: {}", n.text) }),
        );
    }
    let tables = tables(before, after);
    let (appeared, vanished) = changes(before, after, &tables);
    let source_mix = shifts(&source_mix(before), &source_mix(after), true);
    let length_mix = shifts(&length_mix(before), &length_mix(after), false);
    let group_mix = group_mix(before, after);
    Ok(Comparison {
        schema: SCHEMA,
        before: side(before_name, before),
        after: side(after_name, after),
        notices,
        headline: shifts(&lines(&before.headline), &lines(&after.headline), false),
        sources: shifts(&source_flags(before), &source_flags(after), true),
        largest: largest(&source_mix, &length_mix, &group_mix),
        correlations: correlations(before, after),
        moves: None,
        source_mix,
        length_mix,
        group_mix,
        tables,
        rules: rules(before, after),
        appeared,
        vanished,
    })
}

fn side(name: &str, audit: &Audit) -> Side {
    Side {
        name: name.into(),
        documents: audit.totals.documents,
        scored: audit.totals.scored,
        bytes: audit.totals.bytes,
        complete: audit.complete,
        filter_sets: audit.versions.filter_sets.clone(),
        models: audit.versions.models.clone(),
    }
}

fn lines(lines: &[super::figures::Line]) -> Vec<(String, (u64, u64))> {
    lines.iter().map(|line| (line.key.clone(), (line.documents, line.of))).collect()
}

fn source_flags(audit: &Audit) -> Vec<(String, (u64, u64))> {
    audit.sources.iter().map(|s| (s.key.clone(), (s.coercion.documents, s.documents))).collect()
}

fn source_mix(audit: &Audit) -> Vec<(String, (u64, u64))> {
    let all = audit.totals.documents;
    audit.sources.iter().map(|s| (s.key.clone(), (s.documents, all))).collect()
}

fn length_mix(audit: &Audit) -> Vec<(String, (u64, u64))> {
    let all = audit.totals.scored;
    audit
        .lengths
        .iter()
        .map(|l| (format!("{:>10} to {}", l.from, l.to), (l.documents, all)))
        .collect()
}

/// The mix of each field that both audits grouped by.
fn group_mix(before: &Audit, after: &Audit) -> Vec<ShiftTable> {
    let mix = |grouping: &Grouping| -> Vec<(String, (u64, u64))> {
        let all = grouping.groups.iter().map(|g| g.documents).sum();
        grouping.groups.iter().map(|g| (g.key.clone(), (g.documents, all))).collect()
    };
    let both = before.groups.iter().filter_map(|grouping| {
        Some((grouping, after.groups.iter().find(|other| other.field == grouping.field)?))
    });
    both.map(|(grouping, other)| ShiftTable {
        id: grouping.field.clone(),
        title: format!("{} in the mix", grouping.field),
        of: "all documents".into(),
        lines: shifts(&mix(grouping), &mix(other), true),
    })
    .collect()
}

/// The largest clear shifts of all mixes.
fn largest(sources: &[Shift], lengths: &[Shift], groups: &[ShiftTable]) -> Vec<SideEffect> {
    let named = |of: &str, shifts: &[Shift]| -> Vec<SideEffect> {
        let clear = shifts.iter().filter(|shift| shift.clear);
        clear.map(|shift| SideEffect { of: of.into(), shift: shift.clone() }).collect()
    };
    let mut all = named("source", sources);
    all.extend(named("length", lengths));
    groups.iter().for_each(|table| all.extend(named(&table.id, &table.lines)));
    let size = |e: &SideEffect| e.shift.difference.map_or(0.0, |d| d.value.abs());
    all.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.shift.key.cmp(&b.shift.key)));
    all.truncate(LARGEST);
    all
}

/// Pairs of categories, by how far their correlation moved.
fn correlations(before: &Audit, after: &Audit) -> Vec<Correlation> {
    let names = &before.cooccurrence.rows;
    let of = |audit: &Audit, a: usize, b: usize| {
        let count = |x: usize, y: usize| {
            audit.cooccurrence.counts.get(x).and_then(|row| row.get(y)).map_or(0.0, |n| *n as f64)
        };
        portrait::phi(audit.totals.documents as f64, count(a, a), count(b, b), count(a, b))
    };
    let pairs = (0..names.len()).flat_map(|a| (a + 1..names.len()).map(move |b| (a, b)));
    let found = pairs.map(|(a, b)| Correlation {
        traits: [names[a].clone(), names[b].clone()],
        before: of(before, a, b),
        after: of(after, a, b),
    });
    portrait::most_changed(found.collect(), LARGEST)
}

/// Every key of either side; the clearest shifts first where `sorted`.
fn shifts(
    before: &[(String, (u64, u64))],
    after: &[(String, (u64, u64))],
    sorted: bool,
) -> Vec<Shift> {
    let first: Counts = before.iter().cloned().collect();
    let second: Counts = after.iter().cloned().collect();
    let of = |counts: &Counts| {
        // A key that one side lacks has no documents there; the shares are of what its others are of.
        let all: BTreeSet<u64> = counts.values().map(|(_, of)| *of).collect();
        if all.len() == 1 { all.first().copied().unwrap_or(0) } else { 0 }
    };
    let (first_of, second_of) = (of(&first), of(&second));
    let mut order: Vec<&String> = before.iter().map(|(key, _)| key).collect();
    order.extend(after.iter().map(|(key, _)| key).filter(|key| !first.contains_key(*key)));
    let mut all: Vec<Shift> = order
        .into_iter()
        .map(|key| {
            let a = first.get(key).copied().unwrap_or((0, first_of));
            let b = second.get(key).copied().unwrap_or((0, second_of));
            let difference = interval::difference(a, b);
            Shift {
                key: key.trim().to_string(),
                before: part(a),
                after: part(b),
                difference,
                clear: difference.is_some_and(|d| d.low > 0.0 || d.high < 0.0),
            }
        })
        .collect();
    if sorted {
        let size = |s: &Shift| s.difference.map_or(0.0, |d| d.value.abs());
        all.sort_by(|a, b| {
            b.clear.cmp(&a.clear).then(size(b).total_cmp(&size(a))).then_with(|| a.key.cmp(&b.key))
        });
    }
    all
}

fn part((documents, of): (u64, u64)) -> Part {
    Part { documents, of, raw: interval::share(documents, of) }
}

fn tables(before: &Audit, after: &Audit) -> Vec<ShiftTable> {
    before
        .tables
        .iter()
        .filter_map(|table| {
            let other = after.tables.iter().find(|t| t.id == table.id)?;
            Some(ShiftTable {
                id: table.id.clone(),
                title: table.title.clone(),
                of: table.of.clone(),
                lines: shifts(&lines(&table.lines), &lines(&other.lines), false),
            })
        })
        .collect()
}

fn rules(before: &Audit, after: &Audit) -> Vec<RuleShift> {
    let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    before.rules.iter().for_each(|r| all.entry(&r.rule).or_default().0 = r.documents);
    after.rules.iter().for_each(|r| all.entry(&r.rule).or_default().1 = r.documents);
    let mut rules: Vec<RuleShift> = all
        .into_iter()
        .map(|(rule, (before, after))| RuleShift { rule: rule.into(), before, after })
        .collect();
    rules.sort_by_key(|r| std::cmp::Reverse(r.before.abs_diff(r.after)));
    rules
}

fn changes(before: &Audit, after: &Audit, tables: &[ShiftTable]) -> (Vec<Change>, Vec<Change>) {
    let (mut appeared, mut vanished) = (Vec::new(), Vec::new());
    let mut note = |kind: &str, key: &str, a: u64, b: u64| {
        let change = |documents| Change { kind: kind.into(), key: key.into(), documents };
        match (a, b) {
            (0, 1..) => appeared.push(change(b)),
            (1.., 0) => vanished.push(change(a)),
            _ => {}
        }
    };
    for shift in shifts(&source_mix(before), &source_mix(after), false) {
        note("source", &shift.key, shift.before.documents, shift.after.documents);
    }
    for table in tables {
        for line in &table.lines {
            note(&table.id, &line.key, line.before.documents, line.after.documents);
        }
    }
    for rule in rules(before, after) {
        note("rule", &rule.rule, rule.before, rule.after);
    }
    (appeared, vanished)
}
