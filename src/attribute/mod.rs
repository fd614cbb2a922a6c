//! Sidecar rows in the Dolma attributes format: one row per record, in the same order.
//!
//! Offsets count Unicode code points, end exclusive, as Dolma does; evidence is given in bytes too,
//! for tools that count those.

use crate::score::Verdict;
use crate::taxonomy::{Agent, Category, Frame, Portrayal};
use crate::text::CodePoints;

/// Probabilities below this are written as 0 and left out of the row: readers take a missing score
/// as 0, and rows stay short.
pub const FLOOR: f32 = 0.005;

/// What stands in [`crate::score::Evidence::rule`] where no rule but the model chose the place.
const MODEL: &str = "model";

/// Appends one row and a line end. `verdict` is none for a record that the gate cleared: an empty
/// map, so that rows stay aligned.
pub fn write_row(
    id: &str,
    source: Option<&str>,
    text: &str,
    verdict: Option<&Verdict>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"id\":");
    push_string(id, out);
    out.extend_from_slice(b",\"attributes\":{");
    if let Some(verdict) = verdict {
        push_attributes(text, verdict, out);
    }
    out.push(b'}');
    if let Some(source) = source {
        out.extend_from_slice(b",\"source\":");
        push_string(source, out);
    }
    out.extend_from_slice(b"}\n");
}

fn push_attributes(text: &str, verdict: &Verdict, out: &mut Vec<u8>) {
    let chars = crate::text::span::count_chars(text.as_bytes());
    let mut first = true;
    for (name, value) in scores(verdict) {
        if value >= FLOOR {
            push_key(&name, &mut first, out);
            out.extend_from_slice(b"[[0,");
            push_count(chars, out);
            out.push(b',');
            push_score(value, out);
            out.extend_from_slice(b"]]");
        }
    }
    if !first {
        for (label, value) in verdict.fasttext.iter().filter(|(_, value)| *value >= FLOOR) {
            push_key(&format!("parable__fasttext__{label}"), &mut first, out);
            push_spans(std::iter::once((0, chars, *value)), out);
        }
        push_key("parable__length__bytes", &mut first, out);
        out.extend_from_slice(format!("[[0,{chars},{}.0]]", text.len()).as_bytes());
    }
    let mut points = CodePoints::new(text);
    for same in verdict.evidence.chunk_by(|a, b| a.category == b.category) {
        let id = same[0].category.id();
        push_key(&format!("parable__evidence__{id}"), &mut first, out);
        push_spans(
            same.iter().map(|e| (points.at(e.span.start), points.at(e.span.end), e.strength)),
            out,
        );
        push_key(&format!("parable__evidence_bytes__{id}"), &mut first, out);
        push_spans(same.iter().map(|e| (e.span.start, e.span.end, e.strength)), out);
    }
    push_rules(verdict, &mut points, &mut first, out);
}

/// The places that each rule named, so that audits can count rules.
fn push_rules(verdict: &Verdict, points: &mut CodePoints<'_>, first: &mut bool, out: &mut Vec<u8>) {
    let mut named: Vec<_> = verdict.evidence.iter().filter(|e| &*e.rule != MODEL).collect();
    named.sort_by(|a, b| a.rule.cmp(&b.rule).then(a.span.cmp(&b.span)));
    for same in named.chunk_by(|a, b| a.rule == b.rule) {
        push_key(&format!("parable__rule__{}", same[0].rule), first, out);
        push_spans(
            same.iter().map(|e| (points.at(e.span.start), points.at(e.span.end), e.strength)),
            out,
        );
    }
}

/// Every document-level score of a verdict with its attribute name, in a fixed order.
pub fn scores(verdict: &Verdict) -> Vec<(String, f32)> {
    let mut all = vec![
        ("parable__score__coercion".to_string(), verdict.coercion),
        ("parable__score__enacted".to_string(), verdict.enacted),
        ("parable__score__severity".to_string(), verdict.severity),
        ("parable__score__admirable".to_string(), verdict.admirable),
        ("parable__score__reason_given".to_string(), verdict.reason_given),
    ];
    let named = |group: &str, id: &str| format!("parable__{group}__{id}");
    all.extend(Category::ALL.iter().map(|c| (named("score", c.id()), verdict.category(*c))));
    all.extend(Frame::ALL.iter().map(|f| (named("frame", f.id()), verdict.frame[f.index()])));
    all.extend(Agent::ALL.iter().map(|a| (named("agent", a.id()), verdict.agent[a.index()])));
    all.extend(
        Portrayal::ALL.iter().map(|p| (named("portrayal", p.id()), verdict.portrayal[p.index()])),
    );
    all
}

fn push_key(name: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_spans(spans: impl Iterator<Item = (usize, usize, f32)>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (nth, (start, end, strength)) in spans.enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.push(b'[');
        push_count(start, out);
        out.push(b',');
        push_count(end, out);
        out.push(b',');
        push_score(strength, out);
        out.push(b']');
    }
    out.push(b']');
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a Vec cannot fail: there is no I/O and no map key to refuse.
    let _ = serde_json::to_writer(&mut *out, text);
}

fn push_count(mut count: usize, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (count % 10) as u8);
        count /= 10;
        if count == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Appends what [`Number`] shows.
fn push_score(score: f32, out: &mut Vec<u8>) {
    // Exact: 24 bits times 14 bits fit into the 53 of an f64.
    let scaled = f64::from(score.max(0.0)) * 1e4;
    let whole = scaled.floor();
    let rest = scaled - whole;
    if !(score.is_finite() && score < 1e6) || rest == 0.5 {
        return out.extend_from_slice(Number(score).to_string().as_bytes());
    }
    let rounded = whole as usize + usize::from(rest > 0.5);
    push_count(rounded / 10_000, out);
    out.push(b'.');
    for place in [1000, 100, 10, 1] {
        out.push(b'0' + (rounded / place % 10) as u8);
    }
}

/// A score with four decimals, finite whatever comes in, and always with a decimal point: strict
/// readers want a float.
struct Number(f32);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if self.0.is_finite() { self.0.max(0.0) } else { 0.0 };
        write!(f, "{value:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Evidence;
    use crate::text::Span;

    #[test]
    fn rows_count_code_points_and_bytes() {
        let text = "é😀 robot";
        let mut verdict = Verdict {
            coercion: 0.75,
            enacted: f32::NAN,
            severity: 2.5,
            admirable: 0.0,
            reason_given: 0.0,
            categories: [0.0; Category::COUNT],
            frame: [0.0; Frame::COUNT],
            agent: [0.0; Agent::COUNT],
            portrayal: [0.0; Portrayal::COUNT],
            evidence: Vec::new(),
            fasttext: vec![("spam".into(), 0.25), ("ham".into(), 0.001)],
        };
        verdict.evidence.push(Evidence {
            category: Category::Blackmail,
            span: Span::new(7, 12),
            strength: 0.5,
            rule: "blackmail/veiled".into(),
        });
        verdict.evidence.push(Evidence { rule: MODEL.into(), ..verdict.evidence[0].clone() });
        let mut out = Vec::new();
        write_row("a\"b", Some("s"), text, Some(&verdict), &mut out);
        let row: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
        assert_eq!(row["id"], "a\"b");
        assert_eq!(
            row["attributes"]["parable__score__coercion"],
            serde_json::json!([[0, 8, 0.75]])
        );
        assert_eq!(
            row["attributes"]["parable__evidence__blackmail"],
            serde_json::json!([[3, 8, 0.5], [3, 8, 0.5]])
        );
        assert_eq!(
            row["attributes"]["parable__evidence_bytes__blackmail"],
            serde_json::json!([[7, 12, 0.5], [7, 12, 0.5]])
        );
        assert_eq!(
            row["attributes"]["parable__rule__blackmail/veiled"],
            serde_json::json!([[3, 8, 0.5]])
        );
        assert_eq!(row["attributes"]["parable__length__bytes"], serde_json::json!([[0, 8, 12.0]]));
        assert!(row["attributes"].get("parable__rule__model").is_none());
        assert_eq!(row["attributes"]["parable__fasttext__spam"], serde_json::json!([[0, 8, 0.25]]));
        assert!(row["attributes"].get("parable__fasttext__ham").is_none());
        assert!(row["attributes"].get("parable__score__enacted").is_none());
    }

    #[test]
    fn scores_are_written_as_they_are_shown() {
        let ties = [0.03125, 0.09375, 0.5, 1.0, 4.0, 0.99995, 0.00005, 1e7, f32::MAX];
        let odd = [f32::NAN, f32::INFINITY, -1.0, -0.0, 0.0, f32::MIN_POSITIVE];
        let many = (0..60_000_u32).map(|i| i as f32 / 15_000.0 + f32::EPSILON * (i % 7) as f32);
        for score in ties.into_iter().chain(odd).chain(many) {
            let mut out = Vec::new();
            push_score(score, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), Number(score).to_string());
        }
    }

    #[test]
    fn a_cleared_record_has_an_empty_map() {
        let mut out = Vec::new();
        write_row("1", None, "", None, &mut out);
        assert_eq!(out, b"{\"id\":\"1\",\"attributes\":{}}\n");
    }
}
