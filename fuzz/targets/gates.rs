//! What decides that a record is not scored: it may save time and nothing else.

use std::cell::RefCell;
use std::sync::LazyLock;

use parable::document::Document;
use parable::filter::FilterSet;
use parable::scan::{Gate, GateLevel};
use parable::score::Judge;

/// Both searches of the gate by names, made once: an automaton takes a while.
static GATES: LazyLock<(Gate, Gate)> = LazyLock::new(|| {
    let filters = FilterSet::embedded();
    (Gate::new(filters, GateLevel::Named), Gate::by_automaton(filters, GateLevel::Named))
});

thread_local! {
    static JUDGE: RefCell<Judge> = RefCell::new(Judge::embedded());
}

/// Bytes of a text that is scored here.
const SCORED: usize = 4 << 10;

pub fn gates(data: &[u8]) {
    searches(data);
    let [escapes, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    hidden(text, *escapes);
    if text.len() <= SCORED {
        sifted(text);
    }
}

/// The quick search marks the lines that the plain automaton marks.
fn searches(block: &[u8]) {
    let (quick, plain) = &*GATES;
    let marked = |gate: &Gate| -> Vec<usize> {
        let mut marks = Vec::new();
        gate.marks(block, &mut marks);
        assert!(marks.is_sorted());
        marks.iter().map(|at| block[..*at].iter().filter(|b| **b == b'\n').count()).collect()
    };
    assert_eq!(marked(quick), marked(plain));
    assert_eq!(quick.admits(block), plain.admits(block));
}

/// A text is judged alike in every spelling that JSON has for it: the gate by names admits it
/// undecoded too, and the sieve says the same of it or wants it decoded.
fn hidden(text: &str, escapes: u8) {
    let gate = &GATES.0;
    let named = gate.admits(text.as_bytes());
    let plain = serde_json::to_string(text).expect("a string");
    let mut spelled = String::from("\"");
    for (nth, c) in text.chars().enumerate() {
        let must = c < ' ' || c == '"' || c == '\\';
        if must || (escapes >> (nth % 8)) & 1 == 1 {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                spelled.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            spelled.push(c);
        }
    }
    spelled.push('"');
    for json in [plain, spelled] {
        let back: String = serde_json::from_str(&json).expect("JSON");
        assert_eq!(back, text);
        assert!(!named || gate.admits(json.as_bytes()), "{json}");
        JUDGE.with_borrow(|judge| {
            let level = GateLevel::Fast;
            let undecoded = judge.admits_json(&json[1..json.len() - 1], level);
            let decoded = judge.admits(&Document::plain("1", text), level);
            assert!(undecoded.is_none_or(|admits| admits == decoded), "{json}");
        });
    }
}

/// The sieve clears a text or leaves its verdict as it is, and evidence lies in the text.
fn sifted(text: &str) {
    JUDGE.with_borrow_mut(|judge| {
        let document = Document::plain("1", text);
        let verdict = judge.judge(&document);
        assert!(verdict.evidence.iter().all(|e| text.get(e.span.start..e.span.end).is_some()));
        for score in [verdict.coercion, verdict.enacted, verdict.admirable, verdict.reason_given] {
            assert!((0.0..=1.0).contains(&score), "{score}");
        }
        assert_eq!(judge.sift(&document, GateLevel::Off).as_ref(), Some(&verdict));
        for level in [GateLevel::Fast, GateLevel::Wide] {
            let sifted = judge.sift(&document, level);
            assert!(sifted.is_none_or(|sifted| sifted == verdict), "{level:?}");
        }
    });
}
