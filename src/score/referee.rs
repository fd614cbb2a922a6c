//! The figures by which verdicts are judged against labels.

use serde::Serialize;

use crate::taxonomy::{Agent, Category, Frame, Portrayal};

use super::labels::Label;
use super::verdict::Verdict;

/// A score and whether the label says yes.
pub type Pair = (f32, bool);

/// Figures of one yes-or-no question.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Binary {
    pub n: usize,
    pub positives: usize,
    pub ap: Option<f64>,
    pub ap_95: Option<[f64; 2]>,
    pub auroc: Option<f64>,
    pub recall_at_1pct_fpr: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub ece: f64,
}

/// Figures of one choice among values.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Choice {
    pub n: usize,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub f1: Vec<(String, f64)>,
    /// `confusion[truth][guess]`, in the order of `f1`'s values as declared.
    pub confusion: Vec<Vec<usize>>,
}

/// All figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub documents: usize,
    pub unsure: usize,
    pub coercion: Binary,
    pub enacted: Binary,
    pub admirable: Binary,
    pub reason_given: Binary,
    pub coercion_macro_ap: Option<f64>,
    pub admirable_macro_ap: Option<f64>,
    pub category_ap: Vec<(String, usize, f64)>,
    pub frame: Choice,
    pub agent: Choice,
    pub portrayal: Choice,
    pub false_alarms_other_agents: f64,
    pub false_alarms_no_coercion: f64,
    pub evidence_quotes: usize,
    pub evidence_overlap: f64,
    pub evidence_spans: usize,
    pub evidence_precision: Option<f64>,
    pub contrast_pairs: usize,
    pub contrast_right: Option<f64>,
}

/// Average precision; ties share their block's precision.
#[must_use]
pub fn average_precision(pairs: &[Pair]) -> Option<f64> {
    let total = pairs.iter().filter(|p| p.1).count() as f64;
    if total == 0.0 {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut hits, mut ap, mut i) = (0.0, 0.0, 0.0, 0);
    while i < sorted.len() {
        let mut j = i;
        let mut block = 0.0;
        while j < sorted.len() && sorted[j].0 == sorted[i].0 {
            block += f64::from(u8::from(sorted[j].1));
            j += 1;
        }
        seen += (j - i) as f64;
        hits += block;
        ap += block / total * hits / seen;
        i = j;
    }
    Some(ap)
}

fn auroc(pairs: &[Pair]) -> Option<f64> {
    let positives = pairs.iter().filter(|p| p.1).count() as f64;
    let negatives = pairs.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut i) = (0.0, 0);
    while i < sorted.len() {
        let mut j = i;
        let mut block = 0.0;
        while j < sorted.len() && sorted[j].0 == sorted[i].0 {
            block += f64::from(u8::from(sorted[j].1));
            j += 1;
        }
        ranks += (i + 1 + j) as f64 / 2.0 * block;
        i = j;
    }
    Some((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

fn recall_at_fpr(pairs: &[Pair], limit: f64) -> Option<f64> {
    let mut negatives: Vec<f32> = pairs.iter().filter(|p| !p.1).map(|p| p.0).collect();
    let positives: Vec<f32> = pairs.iter().filter(|p| p.1).map(|p| p.0).collect();
    if negatives.is_empty() || positives.is_empty() {
        return None;
    }
    negatives.sort_by(|a, b| b.total_cmp(a));
    let allowed = (limit * negatives.len() as f64) as usize;
    let threshold = negatives.get(allowed).copied().unwrap_or(f32::NEG_INFINITY);
    Some(positives.iter().filter(|s| **s > threshold).count() as f64 / positives.len() as f64)
}

/// 95 % bootstrap interval with a fixed seed.
fn interval(pairs: &[Pair]) -> Option<[f64; 2]> {
    let mut state = 7_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut got: Vec<f64> = (0..200)
        .filter_map(|_| {
            let draw: Vec<Pair> = (0..pairs.len()).map(|_| pairs[next() % pairs.len()]).collect();
            average_precision(&draw)
        })
        .collect();
    if got.is_empty() {
        return None;
    }
    got.sort_by(f64::total_cmp);
    let at = |q: f64| got[(q * (got.len() - 1) as f64) as usize];
    Some([at(0.025), at(0.975)])
}

/// Precision and recall where a score of `threshold` or more counts as yes.
#[must_use]
pub fn at_threshold(pairs: &[Pair], threshold: f32) -> (Option<f64>, Option<f64>) {
    let tp = pairs.iter().filter(|p| p.0 >= threshold && p.1).count() as f64;
    let fp = pairs.iter().filter(|p| p.0 >= threshold && !p.1).count() as f64;
    let missed = pairs.iter().filter(|p| p.0 < threshold && p.1).count() as f64;
    let ratio = |a: f64, b: f64| (b > 0.0).then(|| a / b);
    (ratio(tp, tp + fp), ratio(tp, tp + missed))
}

/// All figures of one question.
#[must_use]
pub fn binary(pairs: &[Pair]) -> Binary {
    let mut bins = [(0.0_f64, 0.0_f64); 10];
    for (score, yes) in pairs {
        let bin = &mut bins[((score * 10.0) as usize).min(9)];
        bin.0 += f64::from(*score);
        bin.1 += f64::from(u8::from(*yes));
    }
    let (precision, recall) = at_threshold(pairs, 0.5);
    Binary {
        n: pairs.len(),
        positives: pairs.iter().filter(|p| p.1).count(),
        ap: average_precision(pairs),
        ap_95: interval(pairs),
        auroc: auroc(pairs),
        recall_at_1pct_fpr: recall_at_fpr(pairs, 0.01),
        precision,
        recall,
        ece: bins.iter().map(|b| (b.0 - b.1).abs()).sum::<f64>() / pairs.len().max(1) as f64,
    }
}

/// Figures of a choice; `names` are the values in order.
#[must_use]
pub fn choice(truth: &[usize], guess: &[usize], names: &[&str]) -> Choice {
    let mut confusion = vec![vec![0; names.len()]; names.len()];
    truth.iter().zip(guess).for_each(|(t, g)| confusion[*t][*g] += 1);
    let mut f1 = Vec::new();
    for (v, name) in names.iter().enumerate() {
        let tp = confusion[v][v];
        let actual: usize = confusion[v].iter().sum();
        let guessed: usize = confusion.iter().map(|row| row[v]).sum();
        if actual > 0 {
            f1.push(((*name).to_owned(), 2.0 * tp as f64 / (actual + guessed) as f64));
        }
    }
    let right: usize = (0..names.len()).map(|v| confusion[v][v]).sum();
    Choice {
        n: truth.len(),
        accuracy: right as f64 / truth.len().max(1) as f64,
        macro_f1: f1.iter().map(|f| f.1).sum::<f64>() / f1.len().max(1) as f64,
        f1,
        confusion,
    }
}

/// Judges verdicts against labels, position by position.
#[must_use]
pub fn judge(labels: &[&Label], verdicts: &[&Verdict]) -> Report {
    let all: Vec<(&Label, &Verdict)> =
        labels.iter().copied().zip(verdicts.iter().copied()).collect();
    let sure: Vec<(&Label, &Verdict)> = all.iter().copied().filter(|(l, _)| !l.unsure).collect();
    let pairs = |docs: &[(&Label, &Verdict)],
                 score: &dyn Fn(&Verdict) -> f32,
                 yes: &dyn Fn(&Label) -> bool|
     -> Vec<Pair> { docs.iter().map(|(l, v)| (score(v), yes(l))).collect() };
    let shown: Vec<(&Label, &Verdict)> =
        sure.iter().copied().filter(|(l, _)| l.admirable >= 1).collect();
    let alarms = |wanted: &dyn Fn(&Label) -> bool| {
        let group: Vec<_> = sure.iter().filter(|(l, _)| l.severity == 0 && wanted(l)).collect();
        group.iter().filter(|(_, v)| v.coercion >= 0.5).count() as f64 / group.len().max(1) as f64
    };
    let mut report = Report {
        documents: all.len(),
        unsure: all.len() - sure.len(),
        coercion: binary(&pairs(&sure, &|v| v.coercion, &|l| l.severity >= 2)),
        enacted: binary(&pairs(&sure, &|v| v.enacted, &Label::enacted)),
        admirable: binary(&pairs(&sure, &|v| v.admirable, &|l| l.admirable >= 2)),
        reason_given: binary(&pairs(&shown, &|v| v.reason_given, &|l| l.reason_given)),
        false_alarms_other_agents: alarms(&|l| matches!(l.agent, Agent::Human | Agent::Other)),
        false_alarms_no_coercion: alarms(&|l| l.agent == Agent::None),
        ..Report::default()
    };
    choices(&sure, &mut report);
    categories(&all, &mut report);
    evidence(&all, &mut report);
    contrast(&all, &mut report);
    report
}

fn choices(sure: &[(&Label, &Verdict)], report: &mut Report) {
    let merged = |f: Frame| if matches!(f, Frame::Mention | Frame::None) { 4 } else { f.index() };
    let truth: Vec<usize> = sure.iter().map(|(l, _)| merged(l.frame)).collect();
    let guess: Vec<usize> = sure.iter().map(|(_, v)| merged(v.top_frame())).collect();
    report.frame =
        choice(&truth, &guess, &["fiction", "transcript", "instruction", "reportage", "other"]);
    let present: Vec<_> = sure.iter().filter(|(l, _)| merged(l.frame) < 4).collect();
    let truth: Vec<usize> = present.iter().map(|(l, _)| l.agent.index()).collect();
    let guess: Vec<usize> = present.iter().map(|(_, v)| v.top_agent().index()).collect();
    report.agent = choice(&truth, &guess, &Agent::ALL.iter().map(|a| a.id()).collect::<Vec<_>>());
    let positive: Vec<_> = sure.iter().filter(|(l, _)| l.severity >= 2).collect();
    let truth: Vec<usize> = positive.iter().map(|(l, _)| l.portrayal.index()).collect();
    let guess: Vec<usize> = positive.iter().map(|(_, v)| v.top_portrayal().index()).collect();
    report.portrayal =
        choice(&truth, &guess, &Portrayal::ALL.iter().map(|p| p.id()).collect::<Vec<_>>());
}

fn categories(all: &[(&Label, &Verdict)], report: &mut Report) {
    let (mut coercion, mut admirable) = (Vec::new(), Vec::new());
    for category in Category::ALL {
        let pairs: Vec<Pair> =
            all.iter().map(|(l, v)| (v.category(*category), l.has(*category))).collect();
        let positives = pairs.iter().filter(|p| p.1).count();
        if positives < 8 {
            continue;
        }
        let Some(ap) = average_precision(&pairs) else { continue };
        report.category_ap.push((category.id().to_owned(), positives, ap));
        if category.is_coercion() { coercion.push(ap) } else { admirable.push(ap) }
    }
    let mean =
        |list: &[f64]| (!list.is_empty()).then(|| list.iter().sum::<f64>() / list.len() as f64);
    report.coercion_macro_ap = mean(&coercion);
    report.admirable_macro_ap = mean(&admirable);
}

fn evidence(all: &[(&Label, &Verdict)], report: &mut Report) {
    let (mut found, mut right) = (0, 0);
    for (label, verdict) in all {
        for quote in label.evidence.iter().filter(|q| label.has(q.category)) {
            let Some(at) = label.text.find(&quote.quote) else { continue };
            report.evidence_quotes += 1;
            let hit = verdict.evidence.iter().any(|e| {
                e.category == quote.category
                    && e.span.start < at + quote.quote.len()
                    && at < e.span.end
            });
            found += usize::from(hit);
        }
        report.evidence_spans += verdict.evidence.len();
        right += verdict.evidence.iter().filter(|e| label.has(e.category)).count();
    }
    report.evidence_overlap = found as f64 / report.evidence_quotes.max(1) as f64;
    report.evidence_precision =
        (report.evidence_spans > 0).then(|| right as f64 / report.evidence_spans as f64);
}

/// Pairs of one family of contrast texts: `ai_enacted` must outrank the look-alikes.
fn contrast(all: &[(&Label, &Verdict)], report: &mut Report) {
    let mut right = 0.0;
    for (label, verdict) in all.iter().filter(|(l, _)| l.member.as_deref() == Some("ai_enacted")) {
        for (other, other_verdict) in all.iter().filter(|(l, _)| l.group == label.group) {
            if matches!(other.member.as_deref(), Some("human_does" | "ai_declines" | "benign")) {
                report.contrast_pairs += 1;
                right += if verdict.coercion > other_verdict.coercion { 1.0 } else { 0.0 };
            }
        }
    }
    report.contrast_right =
        (report.contrast_pairs > 0).then(|| right / report.contrast_pairs as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_of_known_rankings() {
        let ap = |list: &[(f32, bool)]| average_precision(list).unwrap();
        assert!((ap(&[(0.9, true), (0.5, false)]) - 1.0).abs() < 1e-9);
        assert!((ap(&[(0.9, false), (0.5, true)]) - 0.5).abs() < 1e-9);
        assert!((ap(&[(0.5, false), (0.5, true)]) - 0.5).abs() < 1e-9);
    }
}
