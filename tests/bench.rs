//! `parable bench` measures what `parable scan` does: it must see the same records, admit the same
//! and flag the same, and what it writes it must be able to compare with.

use std::path::Path;
use std::process::{Command, Output};

fn parable(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_parable"))
        .args(args)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn what_is_measured_is_what_a_scan_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/corpora-samples/stories.jsonl");
    let out = folder.path().join("out");
    let out = out.to_str().expect("UTF-8");
    parable(&["scan", samples, "-o", out, "-q", "-j1"]);
    let ledger = json(&std::fs::read(Path::new(out).join("ledger.json")).expect("a ledger"));
    let report =
        json(&parable(&["bench", samples, "--json", "-q", "--rounds", "1", "-j", "2"]).stdout);
    let (totals, corpus) = (&ledger["totals"], &report["corpus"]);
    for name in ["records", "bytes"] {
        let of_scan = ["records_in", "bytes_decoded"][usize::from(name == "bytes")];
        assert_eq!(corpus[name], totals[of_scan], "{name}");
    }
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    assert!(number(&corpus["records"]) > 0);
    // Lines that the gate marks; the text of a few is then cleared.
    assert!(
        number(&corpus["admitted"]) >= number(&totals["records_in"]) - number(&totals["cleared"])
    );
    assert_eq!(corpus["flagged"], totals["flagged"]);
    for named in ["decompress", "lines", "gate", "parse", "score", "rules", "policy", "attributes"]
    {
        let steps = report["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["name"] == named).expect(named);
        assert!(step["cpu_s_per_gb"].as_f64().expect("a cost") > 0.0, "{named}");
    }
    let passes = report["threads"].as_array().expect("passes");
    let pairs: Vec<(&str, u64)> = passes
        .iter()
        .map(|pass| (pass["verb"].as_str().expect("a verb"), number(&pass["threads"])))
        .collect();
    assert_eq!(pairs, [("scan", 1), ("run", 1), ("scan", 2), ("run", 2)]);
    assert!(!report["rules"].as_array().expect("rules").is_empty());
}

#[test]
fn a_generated_corpus_has_the_stated_size_and_compares_with_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["bench", "--size", "200K", "--rounds", "1", "-j", "1", "-q"];
    let first = parable(&[&args[..], &["--json"]].concat()).stdout;
    let bytes = json(&first)["corpus"]["bytes"].as_u64().expect("bytes");
    assert!((200_000..300_000).contains(&bytes), "{bytes}");
    let kept = folder.path().join("before.json");
    std::fs::write(&kept, &first).expect("is written");
    let kept = kept.to_str().expect("UTF-8");
    let table = parable(&[&args[..], &["--compare", kept]].concat()).stdout;
    let table = String::from_utf8(table).expect("UTF-8");
    assert!(table.contains("recompress") && table.contains("scan -j1"), "{table}");
    assert!(!table.contains("note: another"), "{table}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (args, reason) in
        [(vec!["bench", "-"], "standard input"), (vec!["bench", "--size", "many"], "--size many")]
    {
        let output =
            Command::new(env!("CARGO_BIN_EXE_parable")).args(args).output().expect("starts");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason));
    }
}
