//! Two measurements side by side, by their ratios to decompression: seconds of different hours do
//! not compare.

use std::fmt::Write;

use super::report::Report;

/// A table of the ratios before and now, with what makes them hard to compare.
#[must_use]
pub fn compare(before: &Report, now: &Report) -> String {
    let mut out = String::new();
    for reason in differences(before, now) {
        let _ = writeln!(out, "note: {reason}");
    }
    let _ = writeln!(out, "{:<14} {:>9} {:>9} {:>8}", "x decode", "before", "now", "change");
    for (name, old, new) in pairs(before, now) {
        let change = 100.0 * (new / old - 1.0);
        let _ = writeln!(out, "{name:<14} {old:>9.2} {new:>9.2} {change:>+7.1}%");
    }
    out
}

fn differences(before: &Report, now: &Report) -> Vec<String> {
    let facts = [
        ("machine", format!("{:?}", before.machine), format!("{:?}", now.machine)),
        ("bytes of the corpus", before.corpus.bytes.to_string(), now.corpus.bytes.to_string()),
        ("model", before.model.clone(), now.model.clone()),
        ("filter set", before.filter_set.clone(), now.filter_set.clone()),
        ("gate", before.gate.clone(), now.gate.clone()),
        ("policy", before.policy.clone(), now.policy.clone()),
    ];
    let differs = facts.into_iter().filter(|(_, old, new)| old != new);
    differs.map(|(name, old, new)| format!("another {name}: {old} before, {new} now")).collect()
}

/// Name and ratio of every step and whole pass that both have.
fn pairs(before: &Report, now: &Report) -> Vec<(String, f64, f64)> {
    let ratios = |report: &Report| -> Vec<(String, f64)> {
        let yard = report.steps.first().map_or(1.0, |step| step.cpu_s_per_gb);
        let steps = report.steps.iter().map(|step| (step.name.clone(), step.ratio));
        let passes = report
            .threads
            .iter()
            .map(|pass| (format!("{} -j{}", pass.verb, pass.threads), pass.cpu_s_per_gb / yard));
        steps.chain(passes).collect()
    };
    let old = ratios(before);
    ratios(now)
        .into_iter()
        .filter_map(|(name, new)| {
            let (_, old) = old.iter().find(|(other, _)| *other == name)?;
            Some((name, *old, new))
        })
        .collect()
}
