//! One HTML file that needs nothing but a browser: data, style and script inside, no request
//! anywhere.
//!
//! Corpus text is hostile. It reaches the page in one way only: as JSON inside a data block, in
//! which `<`, `>`, `&` and the line separators are escaped, and from there through `textContent`.
//! The content security policy allows the page's own style and script by a nonce that depends on
//! everything in the page, and nothing else.

pub mod review;

use std::fmt::Write;

use base64::Engine;

use super::compare::Comparison;
use super::examples::Example;
use super::figures::Audit;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const CHARTS: &str = include_str!("charts.js");
const PARTS: &str = include_str!("parts.js");
const AUDIT: &str = include_str!("audit.js");
const COMPARE: &str = include_str!("compare.js");
const REVIEW: &str = include_str!("review.js");

/// Sources and shards that the page shows; `audit.json` has all.
const SHOWN: usize = 120;
/// Bytes of examples in the page.
const EXAMPLES: usize = 1_800_000;

/// The report on one audit.
#[must_use]
pub fn audit_page(figures: &Audit, examples: &[Example], command: &str) -> String {
    let mut figures = figures.clone();
    let (sources, shards) = (figures.sources.len(), figures.shards.len());
    figures.sources.truncate(SHOWN);
    figures.groups.iter_mut().for_each(|grouping| grouping.groups.truncate(SHOWN));
    figures.shards.truncate(SHOWN);
    figures.rules.truncate(SHOWN);
    // The composition is for planning; no chart shows it.
    figures.composition = crate::composition::Composition::default();
    let mut room = EXAMPLES;
    let fitting: Vec<&Example> = examples
        .iter()
        .take_while(|example| {
            let bytes = serde_json::to_string(example).map_or(usize::MAX, |text| text.len());
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        })
        .collect();
    let data = serde_json::json!({
        "audit": figures,
        "examples": fitting,
        "command": command,
        "all": { "sources": sources, "shards": shards },
    });
    page("audit", AUDIT, &data, &fallback(&figures))
}

/// The report on two audits.
#[must_use]
pub fn compare_page(shifts: &Comparison, command: &str) -> String {
    let mut shifts = shifts.clone();
    for list in [&mut shifts.sources, &mut shifts.source_mix] {
        list.truncate(SHOWN);
    }
    shifts.group_mix.iter_mut().for_each(|table| table.lines.truncate(SHOWN));
    shifts.rules.truncate(SHOWN);
    shifts.appeared.truncate(SHOWN);
    shifts.vanished.truncate(SHOWN);
    let data = serde_json::json!({ "comparison": shifts, "command": command });
    page("comparison", COMPARE, &data, "")
}

/// Assembles a page of a kind from the script that draws it and the data that it draws.
fn page(kind: &str, script: &str, data: &serde_json::Value, fallback: &str) -> String {
    let data = in_script(&data.to_string());
    let script = format!("{CHARTS}\n{PARTS}\n{script}");
    let mut hasher = blake3::Hasher::new();
    for part in [kind, &data, STYLE, &script, fallback] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let nonce = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(&hasher.finalize().as_bytes()[..18]);
    // One walk over the template: nothing that is put in is looked at again.
    let mut out = String::with_capacity(PAGE.len() + data.len() + script.len() + STYLE.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        out.push_str(match name {
            "nonce" => &nonce,
            "kind" => kind,
            "style" => STYLE,
            "script" => &script,
            "data" => &data,
            "fallback" => fallback,
            _ => "",
        });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// JSON that may stand inside a script element: no `<` can end it or open a comment.
fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            _ => out.push(c),
        }
    }
    out
}

/// Text for HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The headline in plain HTML, for readers without scripts.
fn fallback(figures: &Audit) -> String {
    let mut out = String::new();
    for notice in &figures.notices {
        let _ = write!(
            out,
            "<p><strong>{}</strong> {}</p>",
            escape(&notice.level),
            escape(&notice.text)
        );
    }
    out.push_str("<table><caption>Shares of all documents</caption><thead><tr><th>What<th>Documents<th>Share<th>From<th>To</thead><tbody>");
    for line in &figures.headline {
        let (value, low, high) =
            line.raw.map_or((0.0, 0.0, 1.0), |raw| (raw.value, raw.low, raw.high));
        let _ = write!(
            out,
            "<tr><th>{}<td>{}<td>{:.4}&nbsp;%<td>{:.4}&nbsp;%<td>{:.4}&nbsp;%",
            escape(&line.key),
            line.documents,
            100.0 * value,
            100.0 * low,
            100.0 * high
        );
    }
    out.push_str("</tbody></table>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_can_end_its_block_or_fill_a_slot() {
        let data = serde_json::json!({"x": "</script><script>alert(1)</script><!-- {{script}} \u{2028}&amp;"});
        let page = page("audit", AUDIT, &data, "");
        assert!(!page.contains("alert(1)</script>"));
        let block = page.split_once("id=\"data\">").expect("a data block").1;
        let block = block.split_once("</script>").expect("its end").0;
        let back: serde_json::Value = serde_json::from_str(block).expect("JSON");
        assert_eq!(back, data);
    }

    #[test]
    fn every_slot_of_the_page_is_filled_and_the_policy_is_strict() {
        let page = page("audit", AUDIT, &serde_json::json!({}), "");
        assert!(!page.contains("{{"), "a slot is left");
        assert!(page.contains("default-src 'none'"));
        for word in ["http://", "https://", "@import", "url("] {
            let found = page.replace("http://www.w3.org/2000/svg", "").contains(word);
            assert!(!found, "{word} in the page");
        }
    }
}
