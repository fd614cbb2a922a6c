//! Corpus text on its way to a terminal and into a report.

use parable::audit::report::{escape, review};
use parable::cli::harmless;

pub fn pages(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    terminal(&text);
    markup(&text);
    block(&text);
}

/// Nothing that a terminal acts on is left, and every other character is.
fn terminal(text: &str) {
    let shown = harmless(text);
    assert_eq!(shown.chars().count(), text.chars().count());
    for c in shown.chars() {
        assert!(c == '\n' || c == '\t' || !c.is_control(), "{c:?}");
        assert!(!matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'), "{c:?}");
    }
    assert_eq!(harmless(&shown), shown);
}

/// No tag and no attribute can begin or end in escaped text, and nothing is lost.
fn markup(text: &str) {
    let escaped = escape(text);
    assert!(!escaped.contains(['<', '>', '"', '\'']));
    let back = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(escaped, |text, (from, to)| text.replace(from, to));
    assert_eq!(back, text);
}

/// The data block of a page ends where its author ends it and holds the text unchanged.
fn block(text: &str) {
    let page = review::page(&[], text, text);
    let quiet = review::page(&[], "v", "c");
    let (head, rest) = page.split_once("id=\"data\">").expect("a data block");
    let (data, tail) = rest.split_once("</script>").expect("its end");
    let (_, rest) = quiet.split_once("id=\"data\">").expect("a data block");
    let (_, quiet_tail) = rest.split_once("</script>").expect("its end");
    // Only the nonce depends on what the page holds.
    assert_eq!(tail.len(), quiet_tail.len(), "the text stands in the block alone");
    assert!(!head.contains("{{") && !data.contains(['<', '>', '&']));
    let value: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&value["versions"], &value["command"]), (&text.into(), &text.into()));
}
