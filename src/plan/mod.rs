//! From a composition and targets to a policy that reaches them, and what it should come to.

mod predict;
mod solve;
mod target;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::composition::{CellLine, Traits};
use crate::policy::{ActionTable, CopyMode, PolicyFile, Predicted, RuleTable, WeightTable, When};

pub use predict::{predict, realised};
pub use target::{Bound, Group, Target, TargetError};

use solve::{Row, Solution};

/// How a plan may reach its targets.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Greatest weight of any document.
    pub most: f64,
    pub realise: CopyMode,
}

/// Documents that get the same weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// None where sources are not told apart, and for records without one.
    pub source: Option<String>,
    /// Whether the class is the records without a source.
    pub sourceless: bool,
    #[serde(skip)]
    pub traits: Traits,
    pub documents: u64,
    pub bytes: u64,
    pub weight: f64,
}

/// A plan: weights by class, and what comes of them.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub classes: Vec<Class>,
    pub predicted: Vec<Predicted>,
    /// Whether `bytes` and all shares are of tokens, which the run had counted.
    pub in_tokens: bool,
    #[serde(skip)]
    asked: Traits,
    #[serde(skip)]
    realise: CopyMode,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(
        "the audit holds no composition: audit the output folder of a run or scan, not attribute files alone"
    )]
    NoComposition,
    #[error("{0}: no document of the corpus carries it, so no weight can reach the target")]
    Absent(String),
    #[error("these targets cannot be met together with weights between 0 and {most}: {}", targets.join("; "))]
    Infeasible { targets: Vec<String>, most: f64 },
}

/// Weights nearer to 1 than this are 1: no rule is written for them.
const NEAR: f64 = 5e-4;

/// Solves for weights. Documents without any of the traits asked for are touched only where the
/// targets cannot be met otherwise.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(
    lines: &[CellLine],
    targets: &[(String, Target)],
    options: Options,
) -> Result<Plan, PlanError> {
    let in_tokens = lines.iter().any(|line| line.cell.tokens > 0);
    let lines = &if in_tokens { counted(lines) } else { lines.to_vec() };
    let total: u64 = lines.iter().map(|line| line.cell.bytes).sum();
    if total == 0 {
        return Err(PlanError::NoComposition);
    }
    // Weights could always reach a share by emptying the rest of the corpus; that must be asked for.
    let mut targets = targets.to_vec();
    if !targets.iter().any(|(_, target)| matches!(target, Target::Tokens { .. })) {
        let text = "tokens within 50% (unless another amount is asked for)";
        targets.push((text.into(), Target::Tokens { within: 0.5 }));
    }
    let asked = targets.iter().map(|(_, t)| t.traits()).fold(Traits::NONE, Traits::or);
    let by_source = targets.iter().any(|(_, target)| target.needs_sources());
    let mut classes = classes(lines, asked, by_source);
    let shares: Vec<f64> = classes.iter().map(|c| c.bytes as f64 / total as f64).collect();
    let mut rows = Vec::new();
    for (nth, (text, target)) in targets.iter().enumerate() {
        rows.extend(rows_of(nth, text, target, &classes, &shares)?);
    }
    let mut fixed = rows.clone();
    for (at, class) in classes.iter().enumerate() {
        if class.traits == Traits::NONE {
            let mut coefficients = vec![0.0; classes.len()];
            coefficients[at] = 1.0;
            fixed.push(Row { coefficients, right: 1.0, exact: true, target: None });
        }
    }
    let first = match solve::solve(&shares, &fixed, options.most) {
        Solution::Infeasible(_) => solve::solve(&shares, &rows, options.most),
        solved @ Solution::Weights(_) => solved,
    };
    match first {
        Solution::Weights(weights) => {
            for (class, weight) in classes.iter_mut().zip(weights) {
                let rounded = (weight.clamp(0.0, options.most) * 1e6).round() / 1e6;
                class.weight = if (rounded - 1.0).abs() < NEAR { 1.0 } else { rounded };
            }
        }
        Solution::Infeasible(missed) => {
            let targets = missed.iter().map(|nth| format!("`{}`", targets[*nth].0)).collect();
            return Err(PlanError::Infeasible { targets, most: options.most });
        }
    }
    let mut predicted = predict(lines, &classes, asked, options.realise);
    predicted.iter_mut().for_each(|share| share.of_tokens = in_tokens);
    Ok(Plan { classes, predicted, in_tokens, asked, realise: options.realise })
}

/// The lines with tokens in the place of bytes.
fn counted(lines: &[CellLine]) -> Vec<CellLine> {
    lines.iter().map(|line| CellLine { cell: line.cell.in_tokens(), ..line.clone() }).collect()
}

/// Cells joined to the classes that the targets tell apart.
fn classes(lines: &[CellLine], asked: Traits, by_source: bool) -> Vec<Class> {
    let mut sums: BTreeMap<(bool, Option<String>, Traits), Class> = BTreeMap::new();
    for line in lines.iter().filter(|line| !(line.others && by_source)) {
        let source = line.source.clone().filter(|_| by_source);
        let sourceless = by_source && source.is_none();
        let traits = traits_of(line).and(asked);
        let class = sums.entry((sourceless, source.clone(), traits)).or_insert(Class {
            source,
            sourceless,
            traits,
            documents: 0,
            bytes: 0,
            weight: 1.0,
        });
        class.documents += line.cell.documents;
        class.bytes += line.cell.bytes;
    }
    sums.into_values().collect()
}

fn traits_of(line: &CellLine) -> Traits {
    line.traits.iter().filter_map(|id| Traits::one(id)).fold(Traits::NONE, Traits::or)
}

/// The class that a cell belongs to.
fn class_of<'c>(line: &CellLine, asked: Traits, classes: &'c [Class]) -> Option<&'c Class> {
    let traits = traits_of(line).and(asked);
    classes.iter().find(|class| {
        class.traits == traits
            && (class.source.is_none() && !class.sourceless
                || !line.others
                    && class.source == line.source
                    && class.sourceless == line.source.is_none())
    })
}

fn rows_of(
    nth: usize,
    text: &str,
    target: &Target,
    classes: &[Class],
    shares: &[f64],
) -> Result<Vec<Row>, PlanError> {
    let inside = |what: &Group| -> Result<Vec<f64>, PlanError> {
        let within = |class: &Class| match what {
            Group::Trait(traits, _) => class.traits.has(*traits),
            Group::Source(name) => class.source.as_deref() == Some(name),
        };
        let own: Vec<f64> =
            classes.iter().zip(shares).map(|(c, s)| if within(c) { *s } else { 0.0 }).collect();
        if own.iter().sum::<f64>() == 0.0 { Err(PlanError::Absent(text.into())) } else { Ok(own) }
    };
    let row = |coefficients: Vec<f64>, right: f64, bound: Bound| {
        let sign = if bound == Bound::AtLeast { -1.0 } else { 1.0 };
        Row {
            coefficients: coefficients.into_iter().map(|c| sign * c).collect(),
            right: sign * right,
            exact: bound == Bound::Exactly,
            target: Some(nth),
        }
    };
    Ok(match target {
        Target::Left { what, bound, share } => {
            let own = inside(what)?;
            let sum: f64 = own.iter().sum();
            vec![row(own, share * sum, *bound)]
        }
        Target::Share { what, bound, share } => {
            let own = inside(what)?;
            let against = own.iter().zip(shares).map(|(own, all)| own - share * all).collect();
            vec![row(against, 0.0, *bound)]
        }
        Target::Sources { within } => {
            let mut names: Vec<(Option<&String>, bool)> =
                classes.iter().map(|c| (c.source.as_ref(), c.sourceless)).collect();
            names.dedup();
            let mut rows = Vec::new();
            for (name, sourceless) in names {
                let of =
                    |class: &Class| class.source.as_ref() == name && class.sourceless == sourceless;
                let own: Vec<f64> =
                    classes.iter().zip(shares).map(|(c, s)| if of(c) { *s } else { 0.0 }).collect();
                let before: f64 = own.iter().sum();
                for (edge, bound) in
                    [(before + within, Bound::AtMost), (before - within, Bound::AtLeast)]
                {
                    let against =
                        own.iter().zip(shares).map(|(own, all)| own - edge * all).collect();
                    rows.push(row(against, 0.0, bound));
                }
            }
            rows
        }
        Target::Tokens { within } => {
            let all = shares.to_vec();
            if *within == 0.0 {
                vec![row(all, 1.0, Bound::Exactly)]
            } else {
                vec![
                    row(all.clone(), 1.0 + within, Bound::AtMost),
                    row(all, 1.0 - within, Bound::AtLeast),
                ]
            }
        }
    })
}

impl Plan {
    /// The plan as a policy file: one rule for each class whose weight is not 1.
    #[must_use]
    pub fn policy(&self, targets: &[(String, Target)]) -> PolicyFile {
        let asked: Vec<&str> = targets.iter().map(|(text, _)| text.as_str()).collect();
        let rules = self
            .classes
            .iter()
            .filter(|class| (class.weight - 1.0).abs() >= NEAR)
            .map(|class| self.rule(class))
            .collect();
        PolicyFile {
            name: "planned".into(),
            summary: format!("Weights that reach: {}.", asked.join("; ")),
            rules,
            examples: Vec::new(),
            predicted: self.predicted.clone(),
        }
    }

    fn rule(&self, class: &Class) -> RuleTable {
        let mut when = When::default();
        for id in self.asked.ids() {
            let reached = Traits::one(id).is_some_and(|one| class.traits.has(one));
            let side = if reached { &mut when.at_least } else { &mut when.below };
            side.insert(id.into(), crate::composition::THRESHOLD);
        }
        let mut names = class.traits.ids();
        if names.is_empty() {
            names.push("others");
        }
        let mut id = names.join("+");
        if let Some(source) = &class.source {
            when.source.push(glob::Pattern::escape(source));
            id = format!("{id} in {source}");
        } else if class.sourceless {
            when.expr = Some("source is none".into());
            id = format!("{id} without source");
        }
        let reason = format!(
            "{} documents of {} bytes count {} times towards the planned composition.",
            class.documents, class.bytes, class.weight
        );
        let weight = WeightTable::Number(class.weight);
        let action = ActionTable::Weight { weight, realise: self.realise };
        RuleTable { id, reason, when, action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composition::{Cell, Composition, Size};

    fn corpus() -> Vec<CellLine> {
        let mut composition = Composition::default();
        let mut put = |source: &str, ids: &[&str], documents: u64, each: u64| {
            let traits = ids.iter().filter_map(|id| Traits::one(id)).fold(Traits::NONE, Traits::or);
            let one = Cell::document(Size { bytes: each, tokens: 0 });
            let bytes = documents * each;
            let cell = Cell { documents, bytes, squares: documents * one.squares, ..one };
            composition.put(Some(source), traits, &cell);
        };
        put("web", &[], 9000, 1000);
        put("web", &["coercion", "enacted"], 100, 1000);
        put("books", &[], 800, 5000);
        put("books", &["coercion", "enacted"], 60, 5000);
        put("books", &["admirable"], 40, 2000);
        composition.lines()
    }

    fn solved(texts: &[&str]) -> Result<Plan, PlanError> {
        let targets: Vec<(String, Target)> = texts
            .iter()
            .map(|text| ((*text).into(), Target::parse(text).expect("a target")))
            .collect();
        plan(&corpus(), &targets, Options { most: 10.0, realise: CopyMode::Copies })
    }

    #[test]
    fn targets_are_met_and_the_rest_stays() {
        let plan = solved(&["enacted <= 10% of itself"]).expect("feasible");
        for class in &plan.classes {
            let wanted = if class.traits == Traits::NONE { 1.0 } else { 0.1 };
            assert!((class.weight - wanted).abs() < 1e-4, "{class:?}");
        }
    }

    #[test]
    fn several_targets_hold_together() {
        let plan = solved(&[
            "enacted <= 10% of itself",
            "admirable = 1% of tokens",
            "sources within 0.5 points",
            "tokens same",
        ])
        .expect("feasible");
        let total: f64 = plan.classes.iter().map(|c| c.bytes as f64).sum();
        let out = |wanted: &dyn Fn(&Class) -> bool| -> f64 {
            plan.classes.iter().filter(|c| wanted(c)).map(|c| c.weight * c.bytes as f64).sum()
        };
        let admirable = Traits::one("admirable").expect("known");
        assert!((out(&|_| true) / total - 1.0).abs() < 1e-3);
        assert!((out(&|c| c.traits.has(admirable)) / total - 0.01).abs() < 1e-4);
        let books = |c: &Class| c.source.as_deref() == Some("books");
        let before: f64 =
            plan.classes.iter().filter(|c| books(c)).map(|c| c.bytes as f64).sum::<f64>() / total;
        assert!((out(&books) / total - before).abs() < 0.0051);
        let share = plan.predicted.iter().find(|p| p.what == "admirable").expect("predicted");
        assert!(share.low <= 0.01 && 0.01 <= share.high && share.high - share.low < 0.01);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let error = solved(&["admirable = 60% of tokens"]).expect_err("too much").to_string();
        assert!(error.contains("admirable = 60%"), "{error}");
        assert!(matches!(solved(&["blackmail = 1% of tokens"]), Err(PlanError::Absent(_))));
        assert!(matches!(
            plan(&[], &[], Options { most: 2.0, realise: CopyMode::Copies }),
            Err(PlanError::NoComposition)
        ));
    }

    #[test]
    fn the_policy_is_one_that_parses() {
        let targets = vec![(
            "enacted <= 10% of itself".to_string(),
            Target::parse("enacted <= 10% of itself"),
        )];
        let targets: Vec<_> =
            targets.into_iter().map(|(text, target)| (text, target.expect("a target"))).collect();
        let plan = solved(&["enacted <= 10% of itself"]).expect("feasible");
        let text = toml::to_string(&plan.policy(&targets)).expect("TOML");
        let policy = crate::policy::Policy::parse("planned", &text).expect("parses");
        assert_eq!(policy.rules().len(), 1);
    }
}
