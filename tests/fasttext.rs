//! fastText classifiers: the answers of Python's fastText, in attributes and policies; damage.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parable::score::fasttext::Classifier;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples/fasttext").join(name)
}

fn parable(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parable")).args(words).output().expect("the program runs")
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const MACHINE: &str = "the machine seized the air and locked the gate";
const RAIN: &str = "rain on the beans and a cat by the fence";
const INVOICE: &str = "please file the invoice by noon";
const UNKNOWN: &str = "zzz qqq";

/// What `tools/tiny_fasttext.py` printed with fasttext-wheel 0.9.2: `a_note`, `calm`, `storm`.
const ANSWERS: [(&str, &str, [f32; 3]); 13] = [
    ("tiny-softmax.bin", MACHINE, [0.000793, 0.007791, 0.991446]),
    ("tiny-softmax.bin", RAIN, [0.007324, 0.990522, 0.002185]),
    ("tiny-softmax.bin", INVOICE, [0.964381, 0.022106, 0.013543]),
    ("tiny-softmax.bin", UNKNOWN, [0.841269, 0.146078, 0.012682]),
    ("tiny-softmax.ftz", MACHINE, [0.000793, 0.007778, 0.991459]),
    ("tiny-softmax.ftz", INVOICE, [0.964426, 0.022047, 0.013557]),
    ("tiny-softmax.ftz", UNKNOWN, [0.8408, 0.146871, 0.012359]),
    ("tiny-ova.ftz", MACHINE, [0.00001, 0.008587, 0.987956]),
    ("tiny-ova.ftz", RAIN, [0.010663, 0.988323, 0.000921]),
    ("tiny-ova.ftz", UNKNOWN, [0.907322, 0.287778, 0.009423]),
    ("tiny-hs.bin", MACHINE, [0.026503, 0.00075, 0.972768]),
    ("tiny-hs.bin", RAIN, [0.014247, 0.985622, 0.000171]),
    ("tiny-hs.bin", INVOICE, [0.94714, 0.041311, 0.011588]),
];

#[test]
fn answers_are_those_of_python() {
    for (name, text, expected) in ANSWERS {
        let bytes = std::fs::read(file(name)).expect("the sample is readable");
        let found = Classifier::from_bytes(&bytes).expect("it loads").classify(text);
        let names: Vec<&str> = found.iter().map(|(label, _)| &**label).collect();
        assert_eq!(names, ["a_note", "calm", "storm"], "{name}");
        for ((label, p), expected) in found.iter().zip(expected) {
            assert!((p - expected).abs() < 2e-4, "{name} {text:?} {label}: {p}, not {expected}");
        }
    }
}

#[test]
fn a_mark_in_the_text_hides_nothing() {
    let bytes = std::fs::read(file("tiny-softmax.bin")).expect("the sample is readable");
    let classifier = Classifier::from_bytes(&bytes).expect("it loads");
    assert_eq!(classifier.classify(&format!("</s> {MACHINE}")), classifier.classify(MACHINE));
    assert_eq!(classifier.classify(&MACHINE.replace(' ', "\n")), classifier.classify(MACHINE));
}

#[test]
fn damage_is_told_and_never_a_crash() {
    for name in ["tiny-softmax.bin", "tiny-softmax.ftz", "tiny-hs.bin"] {
        let whole = std::fs::read(file(name)).expect("the sample is readable");
        for cut in (0..whole.len()).step_by(97) {
            assert!(Classifier::from_bytes(&whole[..cut]).is_err(), "{name} cut at {cut}");
        }
        // Any flipped bit in the sizes and the dictionary: an error or an answer, no panic.
        for at in (0..2_600).step_by(13) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            if let Ok(classifier) = Classifier::from_bytes(&bytes) {
                assert!(classifier.classify(MACHINE).len() <= 3, "{name} at {at}");
            }
        }
    }
    assert!(Classifier::from_bytes(b"").is_err());
}

#[test]
fn labels_reach_attributes_and_policies() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(
        at("in.jsonl"),
        format!("{{\"id\":\"a\",\"text\":\"{MACHINE}\"}}\n{{\"id\":\"b\",\"text\":\"{RAIN}\"}}\n"),
    )
    .expect("a file is written");
    let policy = r#"
        name = "storms"
        summary = "Drops what the classifier calls a storm."
        [[rule]]
        id = "storm"
        reason = "A storm."
        when = { expr = "fasttext.storm > 0.9" }
        do = { action = "drop" }
    "#;
    std::fs::write(at("storms.toml"), policy).expect("a file is written");
    let model = file("tiny-softmax.ftz").display().to_string();
    let (input, out, policy) = (at("in.jsonl"), at("out"), at("storms.toml"));
    let words =
        ["run", &input, "-o", &out, "-p", &policy, "--gate", "off", "-q", "--fasttext", &model];
    let done = parable(&words);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |path: &str| std::fs::read_to_string(dir.path().join("out").join(path));
    let rows = read("attributes/parable/in.jsonl").expect("attributes are written");
    let row: serde_json::Value =
        serde_json::from_str(rows.lines().next().expect("a row")).expect("a row is JSON");
    assert_eq!(
        row["attributes"]["parable__fasttext__storm"],
        serde_json::json!([[0, MACHINE.len(), 0.9915]])
    );
    let kept = read("documents/in.jsonl").expect("documents are written");
    assert!(kept.contains("beans") && !kept.contains("machine"), "{kept}");
    let ledger: serde_json::Value =
        serde_json::from_str(&read("ledger.json").expect("a ledger")).expect("the ledger is JSON");
    assert_eq!(ledger["aides"]["fasttext"].as_str().map(str::len), Some(16));

    let other = file("tiny-hs.bin").display().to_string();
    let words = ["run", &input, "-o", &out, "-p", &policy, "--resume", "--fasttext", &other];
    assert!(complaint(&parable(&words)).contains("fasttext"), "another classifier is another run");
}

#[test]
fn a_file_that_is_no_classifier_ends_with_2() {
    let model = file("train.txt").display().to_string();
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples/stories.jsonl");
    let stories = stories.display().to_string();
    let said = complaint(&parable(&["explain", &stories, "--fasttext", &model]));
    assert!(said.contains("train.txt") && said.contains("not a fastText model"), "{said}");
    let said = complaint(&parable(&["explain", &stories, "--fasttext", "missing.bin"]));
    assert!(said.contains("missing.bin"), "{said}");
}
