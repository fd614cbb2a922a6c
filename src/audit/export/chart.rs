//! Charts as SVG files of their own, drawn in ink that prints.

use std::fmt::Write;

use super::super::figures::{Audit, Histogram, Line, Matrix};

const INK: &str = "#1d2329";
const SOFT: &str = "#545e68";
const BAR: &str = "#b3541e";
const GOOD: &str = "#22736a";
const PLAIN: &str = "#1f5f8b";
/// From few to many.
const HEAT: [&str; 6] = ["#f6f1ea", "#f3dcc4", "#eebd93", "#dc8f5c", "#a9541f", "#7c3a15"];
/// Rows of a chart at most.
const ROWS: usize = 40;

/// Every chart with its name.
pub fn charts(audit: &Audit) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for table in &audit.tables {
        let colour = match table.id.as_str() {
            "coercion_categories" => BAR,
            "admirable_categories" => GOOD,
            _ => PLAIN,
        };
        let lines: Vec<&Line> = table.lines.iter().collect();
        let title = format!("{} (share of {})", table.title, table.of);
        all.push((format!("shares-{}", table.id), shares(&title, &lines, colour)));
    }
    let named: Vec<Line> = audit
        .sources
        .iter()
        .map(|source| Line { key: source.key.clone(), ..source.coercion.clone() })
        .collect();
    let lines: Vec<&Line> = named.iter().collect();
    all.push(("shares-sources".into(), shares("Flagged share of each source", &lines, BAR)));
    for histogram in audit.histograms.iter().filter(|h| h.counts.iter().any(|n| *n > 0)) {
        all.push((format!("scores-{}", histogram.score), scores(histogram)));
    }
    all.push((
        "heat-category-frames".into(),
        heat("Documents by category and frame", &audit.category_frames),
    ));
    all.push((
        "heat-cooccurrence".into(),
        heat("Documents with both categories", &audit.cooccurrence),
    ));
    all
}

/// Text for XML: escaped, and without the characters that XML cannot hold.
fn escape(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(
            |c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c },
        )
        .collect();
    super::super::report::escape(&plain)
}

/// A label of at most so many characters.
fn label(text: &str, most: usize) -> String {
    let text = text.replace('_', " ");
    if text.chars().count() <= most {
        return escape(&text);
    }
    escape(&text.chars().take(most - 1).chain(['…']).collect::<String>())
}

fn open(title: &str, width: usize, height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\"><title>{0}</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"600\" fill=\"{INK}\">{0}</text>",
        escape(title)
    )
}

fn shares(title: &str, lines: &[&Line], colour: &str) -> String {
    let lines = &lines[..lines.len().min(ROWS)];
    let high = |line: &Line| line.raw.map_or(0.0, |e| if e.bound { 0.0 } else { e.high });
    let max = lines.iter().map(|line| high(line)).fold(1e-12, f64::max);
    let mut out = open(title, 720, 44 + 22 * lines.len());
    let x = |share: f64| 220.0 + 330.0 * (share / max).min(1.0);
    for (nth, line) in lines.iter().enumerate() {
        let y = 40.0 + 22.0 * nth as f64;
        let said = match line.raw {
            None => "–".to_string(),
            Some(e) if e.bound => format!("at most {:.3} %", 100.0 * e.high),
            Some(e) => {
                format!("{:.3} % ({:.3} to {:.3})", 100.0 * e.value, 100.0 * e.low, 100.0 * e.high)
            }
        };
        let _ = write!(
            out,
            "<text x=\"210\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{INK}\">{}</text>",
            y + 12.0,
            label(&line.key, 30)
        );
        if let Some(e) = line.raw {
            let _ = write!(
                out,
                "<rect x=\"220\" y=\"{:.1}\" width=\"{:.2}\" height=\"12\" fill=\"{colour}\"/><line x1=\"{:.2}\" x2=\"{:.2}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\" stroke-width=\"1.4\"/>",
                y + 2.0,
                x(e.value) - 220.0,
                x(e.low),
                x(e.high),
                y + 8.0,
                y + 8.0
            );
        }
        let _ = write!(
            out,
            "<text x=\"560\" y=\"{:.1}\" fill=\"{SOFT}\" font-size=\"11\">{said}</text>",
            y + 12.0
        );
    }
    out + "</svg>\n"
}

fn scores(histogram: &Histogram) -> String {
    let title =
        format!("Scores for {} (documents, logarithmic)", histogram.score.replace('_', " "));
    let mut out = open(&title, 720, 240);
    let scale = |n: u64| (n as f64 + 1.0).log10();
    let top = histogram.counts.iter().map(|n| scale(*n)).fold(1e-9, f64::max);
    let width = 690.0 / histogram.counts.len().max(1) as f64;
    for (nth, n) in histogram.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let height = 165.0 * scale(*n) / top;
        let _ = write!(
            out,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\" fill=\"{PLAIN}\"><title>{n}</title></rect>",
            15.0 + width * nth as f64,
            205.0 - height,
            (width - 0.5).max(0.5),
        );
    }
    for tick in 0..=4 {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"222\" text-anchor=\"middle\" fill=\"{SOFT}\">{}</text>",
            15.0 + 172.5 * f64::from(tick),
            histogram.max * f64::from(tick) / 4.0
        );
    }
    out + "</svg>\n"
}

fn heat(title: &str, matrix: &Matrix) -> String {
    let top = matrix.counts.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
    let (across, down) = (matrix.columns.len(), matrix.rows.len());
    let mut out = open(title, 230 + 46 * across, 190 + 22 * down);
    for (nth, name) in matrix.columns.iter().enumerate() {
        let x = 230 + 46 * nth;
        let _ = write!(
            out,
            "<text transform=\"translate({x} 168) rotate(-60)\" fill=\"{SOFT}\">{}</text>",
            label(name, 26)
        );
    }
    for (nth, (name, counts)) in matrix.rows.iter().zip(&matrix.counts).enumerate() {
        let y = 176 + 22 * nth;
        let _ = write!(
            out,
            "<text x=\"200\" y=\"{}\" text-anchor=\"end\" fill=\"{INK}\">{}</text>",
            y + 15,
            label(name, 30)
        );
        for (column, n) in counts.iter().enumerate() {
            let level = if *n == 0 { 0 } else { 1 + ((*n as f64 / top).sqrt() * 4.0) as usize };
            let ink = if level >= 4 { "#fff" } else { INK };
            let x = 210 + 46 * column;
            let _ = write!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"44\" height=\"20\" rx=\"3\" fill=\"{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{ink}\">{n}</text>",
                HEAT[level.min(5)],
                x + 22,
                y + 14
            );
        }
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::interval;

    #[test]
    fn names_of_a_corpus_cannot_leave_their_place() {
        let line = Line {
            key: "</text><script>x</script>\u{0}&".into(),
            documents: 3,
            of: 9,
            raw: interval::share(3, 9),
            corrected: None,
            bytes: 0,
            tokens: 0,
            byte_share: None,
            expected: None,
        };
        let svg = shares("<t>", &[&line], BAR);
        assert!(!svg.contains("<script") && !svg.contains('\u{0}') && svg.contains("&lt;script"));
        assert!(svg.contains("33.333 %"));
    }
}
