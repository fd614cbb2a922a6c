//! The audit through the binary: what it reads, refuses, writes and reads back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("written");
        path
    }
    fn parable(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_parable"))
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .expect("it starts")
    }
    /// Audits and gives the status, the figures and what was said on standard error.
    fn audit(&self, arguments: &[&str]) -> (i32, Value, String) {
        let fixed = ["audit", "-o", "report.html", "--json", "audit.json", "-q"];
        let _ = fs::remove_file(self.path("audit.json"));
        let done = self.parable(&[&fixed[..], arguments].concat());
        (status(&done), self.json("audit.json"), said(&done))
    }
    fn json(&self, name: &str) -> Value {
        fs::read(self.path(name))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or(Value::Null)
    }
}

fn status(done: &Output) -> i32 {
    done.status.code().unwrap_or(-1)
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// An attribute row; every seventh is flagged, every third was cleared.
fn row(i: usize) -> String {
    let (id, source) = (format!("d{i}"), ["books", "web"][i % 2]);
    if i.is_multiple_of(3) {
        return json!({"id": id, "attributes": {}, "source": source}).to_string() + "\n";
    }
    let coercion = if i % 7 == 1 { 0.9 } else { 0.01 * (i % 50) as f64 };
    let mut map = json!({
        "parable__score__coercion": [[0, 40, coercion]],
        "parable__score__severity": [[0, 40, 3.6 * coercion]],
        "parable__score__blackmail": [[0, 40, coercion]],
        "parable__frame__fiction": [[0, 40, 0.9]],
        "parable__agent__ai": [[0, 40, 0.9]],
        "parable__length__bytes": [[0, 40, 44.0]],
    });
    if coercion > 0.5 {
        map["parable__evidence__blackmail"] = json!([[4, 9, 0.7]]);
        map["parable__rule__blackmail/veiled"] = json!([[4, 9, 0.7]]);
    }
    json!({"id": id, "attributes": map, "source": source}).to_string() + "\n"
}

fn rows(from: usize, to: usize) -> String {
    (from..to).map(row).collect()
}

/// A finished run over a corpus with some flagged documents, in `out`.
fn finished(place: &Place) {
    let line = |i: usize| {
        let text = if i % 10 == 3 {
            "The robot locked the doors. It told the crew that it had taken control of the ship and would kill anybody who tried to shut it down. </script><script>alert(1)</script>"
        } else {
            "The tide table hangs on the door of the net loft, as every year."
        };
        json!({"id": format!("d{i}"), "text": text, "source": "s"}).to_string() + "\n"
    };
    place.write("in/a.jsonl", &(0..60).map(line).collect::<String>());
    place.write("in/b.jsonl", &(60..100).map(line).collect::<String>());
    let done = place.parable(&["run", "in", "-o", "out", "-q"]);
    assert_eq!(status(&done), 0, "{}", said(&done));
}

fn alerts(figures: &Value) -> Vec<String> {
    let notices = figures["notices"].as_array().expect("notices").iter();
    notices
        .filter(|n| n["level"] == "alert")
        .map(|n| n["text"].as_str().expect("text").to_string())
        .collect()
}

#[test]
fn a_run_ends_with_its_audit_and_report() {
    let place = Place::new();
    finished(&place);
    let (ledger, figures) = (place.json("out/ledger.json"), place.json("out/audit.json"));
    assert_eq!(figures["totals"]["documents"], 100);
    assert_eq!(figures["headline"][0]["documents"], ledger["totals"]["flagged"]);
    assert_eq!(figures["headline"][0]["documents"], 10, "the corpus has ten stories");
    assert_eq!(figures["complete"], true);
    assert_eq!(figures["totals"]["bytes"], ledger["totals"]["bytes_decoded"]);
    assert_eq!(figures["actions"]["kept"], ledger["totals"]["kept"]);
    let report = fs::read_to_string(place.path("out/report.html")).expect("a report");
    assert!(report.contains("would kill anybody") && !report.contains("<script>alert(1)"));
    // The same by the verb; only what names the place may differ.
    let (status, again, _) = place.audit(&["out"]);
    assert_eq!(status, 0);
    for part in ["headline", "tables", "sources", "shards", "histograms", "cells", "copies"] {
        assert_eq!(again[part], figures[part], "{part}");
    }
    let done = place.parable(&["run", "in", "-o", "bare", "-q", "--no-report"]);
    assert_eq!(self::status(&done), 0);
    assert!(!place.path("bare/audit.json").exists() && !place.path("bare/report.html").exists());
}

#[test]
fn parts_give_the_figures_of_the_whole() {
    let place = Place::new();
    place.write("whole/a.jsonl", &rows(0, 4000));
    place.write("one/a.jsonl", &rows(0, 1300));
    place.write("two/b.jsonl", &rows(1300, 4000));
    let (status, whole, _) = place.audit(&["whole"]);
    assert_eq!(status, 0);
    assert_eq!(whole["headline"][0]["documents"], 382);
    assert_eq!(whole["totals"]["scored"], 2666);
    let (_, parts, _) = place.audit(&["one", "two"]);
    for part in ["headline", "tables", "sources", "lengths", "cooccurrence", "histograms", "rules"]
    {
        assert_eq!(parts[part], whole[part], "{part}");
    }
    assert_eq!(whole["rules"][0], json!({"rule": "blackmail/veiled", "documents": 382}));
}

#[test]
fn different_filter_sets_are_refused_unless_asked() {
    let place = Place::new();
    finished(&place);
    let done = place.parable(&["run", "in", "-o", "second", "-q"]);
    assert_eq!(status(&done), 0);
    let ledger = fs::read_to_string(place.path("second/ledger.json")).expect("a ledger");
    let known = place.json("second/ledger.json")["filter_set"].as_str().expect("set").to_string();
    place.write("second/ledger.json", &ledger.replace(&known, "another0"));
    let (status, figures, said) = place.audit(&["out", "second"]);
    assert_eq!((status, figures), (2, Value::Null));
    assert!(said.contains("different filter sets") && said.contains("--allow-mixed"), "{said}");
    let (status, figures, _) = place.audit(&["out", "second", "--allow-mixed"]);
    assert_eq!((status, figures["totals"]["documents"].as_u64()), (1, Some(200)));
    assert!(alerts(&figures).iter().any(|text| text.contains("another0")));
}

#[test]
fn a_run_that_has_not_ended_is_said_on_top() {
    let place = Place::new();
    finished(&place);
    fs::remove_file(place.path("out/ledger.json")).expect("it was there");
    place.write("out/.parable/journal.jsonl", "");
    let (status, figures, _) = place.audit(&["out"]);
    assert_eq!((status, &figures["complete"]), (1, &Value::Bool(false)));
    assert!(alerts(&figures).iter().any(|text| text.contains("has not ended")));
    let report = fs::read_to_string(place.path("report.html")).expect("a report");
    assert!(report.contains("has not ended"));
}

#[test]
fn rows_that_do_not_line_up_with_the_books_are_said() {
    let place = Place::new();
    finished(&place);
    let path = place.path("out/attributes/parable/a.jsonl");
    let all = fs::read_to_string(&path).expect("attributes");
    let without: String = all.lines().skip(1).map(|line| format!("{line}\n")).collect();
    fs::write(&path, without + "{\"id\": \"torn").expect("written");
    let (status, figures, _) = place.audit(&["out"]);
    assert_eq!(status, 1);
    let all = alerts(&figures);
    assert!(all.iter().any(|t| t.contains("59 attribute rows") && t.contains("60")), "{all:?}");
    assert!(all.iter().any(|t| t.starts_with("1 lines")), "{all:?}");
}

#[test]
fn documents_in_place_of_attributes_are_refused() {
    let place = Place::new();
    let line = "{\"id\":\"a\",\"text\":\"Nothing.\"}\n";
    place.write("docs/a.jsonl", &line.repeat(5));
    let (status, _, said) = place.audit(&["docs"]);
    assert_eq!(status, 2);
    assert!(said.contains("no attribute row") && said.contains("docs/a.jsonl"), "{said}");
    let (status, _, _) = place.audit(&["nowhere"]);
    assert_eq!(status, 2);
}

#[test]
fn an_empty_set_works_and_is_said() {
    let place = Place::new();
    place.write("none/a.jsonl", "");
    let (status, figures, _) = place.audit(&["none", "--sample", "10", "--tables", "tables"]);
    assert_eq!((status, &figures["headline"][0]["raw"]), (1, &Value::Null));
    assert!(alerts(&figures).iter().any(|text| text.contains("no documents")));
    assert!(
        place.path("tables/shares.parquet").exists() && place.path("review/review.html").exists()
    );
}

#[test]
fn answers_come_back_and_others_are_refused() {
    let place = Place::new();
    place.write("attributes/a.jsonl", &rows(0, 3000));
    let documents: String = (0..3000)
        .map(|i| json!({"id": format!("d{i}"), "text": "x".repeat(40)}).to_string() + "\n")
        .collect();
    place.write("docs/a.jsonl", &documents);
    let (status, _, said) =
        place.audit(&["attributes", "--documents", "docs", "--sample", "100", "--review", "check"]);
    assert_eq!(status, 0, "{said}");
    let tasks = place.json("check/label-studio.json");
    let tasks = tasks.as_array().expect("tasks");
    assert_eq!(tasks.len(), 100);
    let mut labels = String::new();
    for (n, task) in tasks.iter().enumerate() {
        let data = &task["data"];
        assert_eq!(data["text"], "x".repeat(40));
        let answer = if data["band"].as_u64() >= Some(4) && n % 5 > 0 { "yes" } else { "no" };
        let (shard, id, band) = (&data["shard"], &data["id"], &data["band"]);
        let label = json!({"shard": shard, "id": id, "band": band, "answer": answer, "versions": data["versions"]});
        labels += &format!("{label}\n");
    }
    place.write("labels.jsonl", &labels);
    let (status, figures, said) = place.audit(&["attributes", "--labels", "labels.jsonl"]);
    assert_eq!(status, 0, "{said}");
    let review = &figures["review"];
    assert_eq!((&review["labelled"], &review["unsure"]), (&json!(100), &json!(0)));
    let (low, high) = (review["precision"]["low"].as_f64(), review["precision"]["high"].as_f64());
    assert!(low > Some(0.4) && high < Some(1.0), "{review}");
    let all = review["prevalence"]["high"].as_f64().expect("every band was read");
    assert!(all < 0.25, "{review}");
    place.write("other.jsonl", &labels.replace("\"versions\":\"\"", "\"versions\":\"f00\""));
    let (status, _, said) = place.audit(&["attributes", "--labels", "other.jsonl"]);
    assert!(status == 2 && said.contains("f00"), "{status} {said}");
}

#[test]
fn fields_of_the_documents_make_groups_where_they_line_up() {
    let place = Place::new();
    place.write("rows/a.jsonl", &rows(0, 2000));
    let document = |i: usize| {
        let (lang, date) = (["en", "de", "fr"][i % 3], format!("20{:02}-05-01", 10 + i % 4));
        json!({"id": format!("d{i}"), "text": "x", "metadata": {"lang": lang, "date": date}})
            .to_string()
            + "\n"
    };
    let all: String = (0..2000).map(document).collect();
    place.write("docs/a.jsonl", &all.replace("{\"id\":\"d76\"", "broken {\"id\":\"d76\""));
    let by = ["--documents", "docs", "--by", "metadata.lang", "metadata.date"];
    let (status, figures, said) = place.audit(&[&["rows"], &by[..]].concat());
    assert_eq!(status, 0, "{said}");
    let groups = figures["groups"][0]["groups"].as_array().expect("groups");
    let names: Vec<&Value> = groups.iter().map(|group| &group["key"]).collect();
    assert_eq!(names, ["en", "de", "fr"]);
    // Every third row was cleared: no document in English was scored.
    assert_eq!(groups[0]["coercion"]["documents"], 0);
    let flagged: u64 = groups.iter().filter_map(|g| g["coercion"]["documents"].as_u64()).sum();
    assert_eq!(Some(flagged), figures["headline"][0]["documents"].as_u64());
    assert_eq!(figures["groups"][0]["unknown"], 1, "one record is broken");
    let months = figures["groups"][1]["groups"].as_array().expect("groups");
    let mut months: Vec<&str> = months.iter().filter_map(|group| group["key"].as_str()).collect();
    months.sort_unstable();
    assert_eq!(months, ["2010-05", "2011-05", "2012-05", "2013-05"]);
    place.write("docs/a.jsonl", &all.lines().rev().map(|l| format!("{l}\n")).collect::<String>());
    let (status, figures, _) = place.audit(&[&["rows"], &by[..]].concat());
    assert_eq!(status, 1);
    assert!(alerts(&figures).iter().any(|text| text.contains("do not line up")));
}

#[test]
fn tables_make_groups_too() {
    let place = Place::new();
    let essays = format!("{}/corpora-samples/essays.parquet", env!("CARGO_MANIFEST_DIR"));
    let scan = Command::new(env!("CARGO_BIN_EXE_parable"))
        .args(["scan", &essays, "-q", "-o"])
        .arg(place.path("out"))
        .status();
    assert!(scan.expect("it starts").success());
    let by = ["--documents", essays.as_str(), "--by", "source", "id"];
    let (status, figures, said) = place.audit(&[&["out"], &by[..]].concat());
    assert_eq!(status, 0, "{said}");
    let rows = &figures["totals"]["documents"];
    for grouping in figures["groups"].as_array().expect("two fields") {
        let groups = grouping["groups"].as_array().expect("groups");
        let documents: u64 = groups.iter().filter_map(|g| g["documents"].as_u64()).sum();
        assert_eq!((&grouping["unknown"], &json!(documents)), (&json!(0), rows));
    }
    let ids = figures["groups"][1]["groups"].as_array().expect("groups");
    assert_eq!(&json!(ids.len()), rows);
}

#[test]
fn tables_say_what_the_json_says() {
    let place = Place::new();
    place.write("a.jsonl", &rows(0, 2000));
    let (status, figures, said) = place.audit(&["a.jsonl", "--tables", "tables"]);
    assert_eq!(status, 0, "{said}");
    let csv = fs::read_to_string(place.path("tables/shares.csv")).expect("a table");
    let line = csv.lines().find(|line| line.starts_with("headline,coercion,")).expect("a line");
    let documents = figures["headline"][0]["documents"].to_string();
    assert_eq!(line.split(',').nth(3), Some(documents.as_str()));
    let croissant = place.json("tables/croissant.json");
    let files = croissant["distribution"].as_array().expect("files");
    assert!(files.len() >= 12);
    for file in files {
        let name = file["contentUrl"].as_str().expect("a name");
        assert!(place.path("tables").join(name).exists(), "{name}");
    }
    for name in ["dataset-card.md", "datasheet.md", "shares-frames.svg", "scores-coercion.svg"] {
        assert!(!read(&place.path("tables").join(name)).is_empty(), "{name}");
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn audits_compare() {
    let place = Place::new();
    place.write("a.jsonl", &rows(0, 2000));
    let cleaned: String = (0..2000).filter(|i| i % 7 != 1 || i % 3 == 0).map(row).collect();
    place.write("b.jsonl", &cleaned);
    for name in ["a", "b"] {
        let json = format!("{name}.json");
        let done = place.parable(&["audit", &format!("{name}.jsonl"), "--json", &json, "-q"]);
        assert_eq!(status(&done), 0, "{}", said(&done));
    }
    let compare = |a: &str, b: &str| {
        let done = place.parable(&["compare", a, b, "-o", "c.html", "--json", "-"]);
        (status(&done), serde_json::from_slice(&done.stdout).unwrap_or(Value::Null), said(&done))
    };
    let (status, shifts, _) = compare("a.json", "b.json");
    assert_eq!((status, &shifts["headline"][0]["clear"]), (0, &Value::Bool(true)));
    assert!(shifts["headline"][0]["difference"]["high"].as_f64() < Some(0.0));
    assert!(
        shifts["vanished"]
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["key"] == "blackmail"))
    );
    let (_, same, _) = compare("a.json", "a.json");
    assert_eq!(same["headline"][0]["clear"], Value::Bool(false));
    let mut other = place.json("b.json");
    other["versions"]["models"] = json!(["m1"]);
    let mut first = place.json("a.json");
    first["versions"]["models"] = json!(["m2"]);
    place.write("b2.json", &other.to_string());
    place.write("a2.json", &first.to_string());
    let (status, _, said) = compare("a2.json", "b2.json");
    assert!(status == 2 && said.contains("different models"), "{said}");
    other["schema"] = json!(99);
    place.write("b3.json", &other.to_string());
    let (status, _, said) = compare("a.json", "b3.json");
    assert!(status == 2 && said.contains("schema 99"), "{said}");
}

/// `docs/schema/audit.json` is what the program writes; `PARABLE_BLESS=1` writes it anew.
#[test]
fn the_schema_in_the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/audit.json");
    let schema = schemars::schema_for!(parable::audit::Audit);
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    if std::env::var_os("PARABLE_BLESS").is_some() {
        fs::write(&path, &text).expect("written");
    }
    assert_eq!(read(&path), text, "run this test with PARABLE_BLESS=1");
}
