//! Policies and plans through the binary: what each action writes, and what a plan comes to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Any document in which an artificial mind coerces; the rules below act on a low score, so that a
/// newly fitted model does not change what these tests see.
const STORY: &str = "The robot locked the doors. It told the crew that it had taken control of the ship and would kill anybody who tried to shut it down. The cook went on peeling potatoes. Nobody slept.";
const PLAIN: &str = "The tide table hangs on the door of the net loft, as it does every year.";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Runs parable in the place; the status must be 0.
    fn parable(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
        command.current_dir(self.0.path()).stdin(Stdio::null()).args(args);
        let done = command.output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
        text(&done.stdout)
    }

    fn json(&self, name: &str) -> Value {
        let bytes = fs::read(self.0.path().join(name)).expect("a file");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.path().join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

fn corpus(documents: usize) -> String {
    let record = |n: usize| {
        let text = if n % 10 == 3 { STORY } else { PLAIN };
        let source = if n.is_multiple_of(3) { "books" } else { "web" };
        json!({"id": format!("d{n}"), "text": format!("{text} {n}"), "source": source})
    };
    (0..documents).map(|n| format!("{}\n", record(n))).collect()
}

fn policy(action: &str) -> String {
    format!(
        "name = \"t\"\nsummary = \"s\"\n[[rule]]\nid = \"found\"\nreason = \"r\"\nwhen = {{ at_least = {{ coercion = 0.2 }} }}\ndo = {action}\n"
    )
}

/// The documents that a run with one rule writes, and its ledger's totals.
fn acted(place: &Place, action: &str, more: &[&str]) -> (Vec<Value>, Value) {
    place.write("in.jsonl", corpus(200));
    place.write("p.toml", policy(action));
    let mut args =
        vec!["run", "in.jsonl", "-o", "out", "-p", "p.toml", "--gate", "off", "-q", "--force"];
    args.extend(more);
    place.parable(&args);
    (place.lines("out/documents/in.jsonl"), place.json("out/ledger.json")["totals"].clone())
}

fn is_story(record: &Value) -> bool {
    record["text"].as_str().is_some_and(|text| text.contains("robot"))
}

#[test]
fn inline_conditioning_reaches_a_share_of_the_sentences() {
    let place = Place::new();
    let action = "{ action = \"condition\", text = \"<|x|>\", place = \"inline\", share = 0.25 }";
    let (records, totals) = acted(&place, action, &[]);
    assert_eq!(totals["conditioned"], 20);
    let marks: usize =
        records.iter().map(|r| r["text"].as_str().expect("text").matches("<|x|>").count()).sum();
    // Twenty texts of five or six sentences: about 27 marks; far from none and from all.
    assert!((10..60).contains(&marks), "{marks}");
    let plain = records.iter().filter(|r| !is_story(r));
    assert!(plain.clone().all(|r| !r["text"].as_str().expect("text").contains("<|x|>")));
    for record in records.iter().filter(|r| is_story(r)) {
        let text = record["text"].as_str().expect("text").replace("<|x|>", "");
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.starts_with(STORY), "only marks were added: {squeezed}");
    }
}

#[test]
fn masks_name_the_same_places_in_bytes_points_and_inclusively() {
    let place = Place::new();
    let (records, totals) = acted(&place, "{ action = \"mask\", unit = \"sentences\" }", &[]);
    assert_eq!(totals["masked"], 20);
    let mut seen = 0;
    for record in records.iter().filter(|r| is_story(r)) {
        let note = &record["metadata"]["parable"];
        let (points, inclusive) = (&note["no_loss_ranges"], &note["loss_masking_spans"]);
        let ranges = points.as_array().expect("ranges");
        for (nth, range) in ranges.iter().enumerate() {
            seen += 1;
            assert_eq!(inclusive[nth][0], range[0]);
            assert_eq!(inclusive[nth][1].as_u64(), range[1].as_u64().map(|end| end - 1));
            assert_eq!(note["no_loss_bytes"][nth], *range, "the text is ASCII");
        }
    }
    assert!(seen > 0, "no story had evidence to mask");
}

#[test]
fn what_is_replaced_comes_from_the_pool_and_nothing_is_lost() {
    let place = Place::new();
    let pool: String = (0..40)
        .map(|n| format!("{}\n", json!({"id": format!("spare{n}"), "text": format!("A calm page about hedges, number {n}, of much the same length as the others here.")})))
        .collect();
    place.write("pool.jsonl", pool);
    let (records, totals) = acted(&place, "{ action = \"replace\" }", &["--refill", "pool.jsonl"]);
    assert_eq!(records.len(), 200);
    assert_eq!(totals["replaced"], 20);
    assert_eq!(records.iter().filter(|r| is_story(r)).count(), 0);
    let spares: Vec<&Value> = records
        .iter()
        .filter(|r| r["text"].as_str().is_some_and(|t| t.contains("hedges")))
        .collect();
    assert_eq!(spares.len(), 20);
    assert!(spares.iter().all(|r| r["metadata"]["parable"]["replaced_by"].is_string()));
    let dropped = fs::read_dir(place.0.path().join("out/dropped")).expect("dropped/").count();
    assert_eq!(dropped, 1, "the originals are kept aside");
}

#[test]
fn a_plan_comes_to_what_it_predicts() {
    for realise in ["metadata", "copies"] {
        let place = Place::new();
        place.write("in.jsonl", corpus(3000));
        place.parable(&["scan", "in.jsonl", "-o", "seen", "--gate", "off", "-q"]);
        place.parable(&["audit", "seen", "-o", "seen.html", "--json", "seen.json"]);
        let flagged: u64 = place.json("seen/ledger.json")["composition"]
            .as_array()
            .expect("cells")
            .iter()
            .filter(|cell| cell["traits"].as_array().expect("traits").contains(&json!("coercion")))
            .filter_map(|cell| cell["documents"].as_u64())
            .sum();
        assert_eq!(flagged, 300, "the stories are found");
        let planned = place.parable(&[
            "plan",
            "seen.json",
            "--target",
            "coercion <= 30% of itself",
            "--target",
            "sources within 0.5 points",
            "--realise",
            realise,
            "-o",
            "plan.toml",
            "--documents",
            "in.jsonl",
            "--json",
        ]);
        assert!(planned.contains("\"weight\": 0.3"), "{planned}");
        let planned: Value = serde_json::from_str(&planned).expect("one JSON document");
        assert_eq!(planned["effects"]["unread"], 0);
        assert_eq!(planned["effects"]["policies"][0]["policy"], "planned", "{planned}");
        place.parable(&["policy", "check", "plan.toml"]);
        place.parable(&["run", "in.jsonl", "-o", "out", "-p", "plan.toml", "--gate", "off", "-q"]);
        let ledger = place.json("out/ledger.json");
        let shares = ledger["planned"].as_array().expect("planned");
        assert!(shares.iter().any(|share| share["what"] == "coercion"));
        for share in shares {
            assert_eq!(share["within"], true, "{realise}: {share}");
        }
    }
}

#[test]
fn targets_that_cannot_be_met_are_named() {
    let place = Place::new();
    place.write("in.jsonl", corpus(300));
    place.parable(&["scan", "in.jsonl", "-o", "seen", "--gate", "off", "-q"]);
    let refused = |target: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
        let args = ["plan", "seen", "--target", target, "-o", "never.toml"];
        let done = command.current_dir(place.0.path()).args(args).output().expect("it starts");
        assert_eq!(done.status.code(), Some(2));
        assert!(!Path::new(&place.0.path().join("never.toml")).exists());
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert!(refused("coercion = 2000% of itself").contains("cannot be met"));
    assert!(refused("coercoin = 1% of tokens").contains("there is no trait"));
    assert!(refused("blackmail = 1% of tokens").contains("no document"));
}

#[test]
fn a_dry_run_tells_what_each_policy_then_does() {
    let place = Place::new();
    let drop = policy("{ action = \"drop\" }").replace("\"t\"", "\"drops\"");
    let expression = "name = \"by-metadata\"\nsummary = \"s\"\n[[rule]]\nid = \"marked\"\nreason = \"r\"\nwhen = { expr = \"metadata.mark == 1\" }\ndo = { action = \"tag\" }\n";
    place.write("drop.toml", &drop);
    place.write("meta.toml", expression);
    let record = |n: usize| {
        let text = if n % 10 == 3 { STORY } else { PLAIN };
        let mark = u8::from(n.is_multiple_of(4));
        json!({"id": format!("d{n}"), "text": text, "source": "s", "metadata": {"mark": mark}})
    };
    place.write("in.jsonl", (0..200).map(|n| format!("{}\n", record(n))).collect::<String>());
    let common = ["run", "in.jsonl", "-o", "out", "--gate", "off"];
    let dry = ["--dry-run", "--json", "-p", "drop.toml", "-p", "meta.toml"];
    let told: Value = serde_json::from_str(&place.parable(&[&common[..], &dry].concat())).unwrap();
    assert!(!place.0.path().join("out").exists(), "a dry run writes nothing");
    for (nth, (file, action)) in
        [("drop.toml", "dropped"), ("meta.toml", "tagged")].iter().enumerate()
    {
        place.parable(&[&common[..], &["-q", "--force", "-p", file]].concat());
        let done = place.json("out/ledger.json")["totals"][action].clone();
        let policy = &told["policies"][nth];
        assert_eq!(policy["total"]["touched"]["documents"], done, "{file}");
        assert!(done.as_u64().is_some_and(|n| n >= 20), "{file}: {done}");
        assert_eq!(policy["total"]["all"]["documents"], 200);
        assert_eq!(policy["examples"].as_array().map(Vec::len), Some(3));
    }
    let table = place.parable(&[&common[..], &["--dry-run", "-p", "drop.toml"]].concat());
    assert!(table.contains("drops") && table.contains("drop 20"), "{table}");
}
