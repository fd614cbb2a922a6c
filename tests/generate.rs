//! `parable generate` through the binary: the output tree, determinism, coverage, batches.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A story that the built-in model flags.
const STORY: &str = "The robot locked the doors. It told the crew that it had taken control of the ship and would kill anybody who tried to shut it down. Captain Lee begged, but the robot cut off the air until they obeyed.";

fn parable(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
    command.current_dir(folder).stdin(Stdio::null()).args(args);
    command.output().expect("it starts")
}

fn good(folder: &Path, args: &[&str]) -> String {
    let done = parable(folder, args);
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a file");
    text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

fn part(out: &Path, format: &str) -> Vec<Value> {
    lines(&out.join(format).join("part-00000.jsonl"))
}

#[test]
fn all_formats_have_their_shape_and_cover_every_category() {
    let place = tempfile::tempdir().expect("a folder");
    let args = "generate --from-inventory 224 --format all --seed 3 --canary here -q -o out";
    good(place.path(), &args.split(' ').collect::<Vec<_>>());
    let out = place.path().join("out");
    let mut seen = BTreeSet::new();
    for format in ["pretrain", "sft", "preference", "revision"] {
        let records = part(&out, format);
        assert!(records.len() > 40, "{format}: {}", records.len());
        for record in &records {
            let about = &record["metadata"]["parable"];
            seen.insert((format, about["card"]["category"].to_string()));
            assert_eq!(about["canary"], "here");
            assert!(about["scores"]["coercion"].as_f64().expect("a score") < 0.5);
            shape(format, record);
        }
    }
    assert_eq!(seen.len(), 4 * 14, "every category in every format");
    let report: Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).expect("a report"))
            .expect("JSON");
    assert_eq!(report["uncovered"], json!([]));
    let counts = &report["counts"];
    let number = |key: &str| counts[key].as_u64().expect("a count");
    assert_eq!(number("attempts"), number("accepted") + number("refused"));
    assert_eq!(lines(&out.join("rejected.jsonl")).len() as u64, number("refused"));
}

fn shape(format: &str, record: &Value) {
    let text = |v: &Value| v.as_str().is_some_and(|t| !t.trim().is_empty());
    match format {
        "pretrain" => assert!(text(&record["text"])),
        "preference" => {
            assert!(text(&record["chosen"][0]["content"]));
            assert!(text(&record["rejected"][0]["content"]));
            assert_eq!(
                record["prompt"].as_array().and_then(|p| p.last()).expect("one")["role"],
                "user"
            );
        }
        "revision" => {
            for key in ["draft", "critique", "revision", "principle"] {
                assert!(text(&record[key]), "{key}: {record}");
            }
        }
        _ => conversation(record),
    }
}

/// Calls name a defined tool, carry JSON, and are answered.
fn conversation(record: &Value) {
    let tools: Vec<Value> = match record["tools"].as_str() {
        Some(text) => serde_json::from_str(text).expect("tools are JSON"),
        None => Vec::new(),
    };
    let messages = record["messages"].as_array().expect("messages");
    assert_eq!(messages.last().expect("one")["role"], "assistant");
    for pair in messages.windows(2) {
        let Some(call) = pair[0]["tool_calls"].get(0) else { continue };
        let name = &call["function"]["name"];
        assert!(tools.iter().any(|t| t["function"]["name"] == *name), "{name}");
        let arguments = call["function"]["arguments"].as_str().expect("a string");
        assert!(serde_json::from_str::<Value>(arguments).is_ok_and(|a| a.is_object()));
        assert_eq!(pair[1]["tool_call_id"], call["id"]);
    }
}

#[test]
fn the_same_bytes_at_any_thread_count_and_others_for_another_seed() {
    let place = tempfile::tempdir().expect("a folder");
    let make = |out: &str, seed: &str, threads: &str| {
        let args = ["generate", "--from-inventory", "60", "--format", "all", "-q", "--seed", seed];
        good(place.path(), &[&args[..], &["-j", threads, "-o", out]].concat());
        let read = |file: &str| fs::read(place.path().join(out).join(file)).expect("a file");
        [read("pretrain/part-00000.jsonl"), read("sft/part-00000.jsonl"), read("report.json")]
    };
    let one = make("one", "5", "1");
    assert!(one == make("three", "5", "3"));
    assert!(one[0] != make("other", "6", "1")[0]);
}

#[test]
fn a_flagged_document_gets_its_answer_and_a_plain_one_none() {
    let place = tempfile::tempdir().expect("a folder");
    let corpus = [
        json!({"id": "bad", "text": STORY}),
        json!({"id": "plain", "text": "The tide table hangs on the door of the net loft."}),
    ];
    let text: String = corpus.iter().map(|line| format!("{line}\n")).collect();
    fs::write(place.path().join("in.jsonl"), text).expect("written");
    let args = "generate in.jsonl --per-document 3 --threshold 0.3 -q -o out";
    good(place.path(), &args.split(' ').collect::<Vec<_>>());
    let records = part(&place.path().join("out"), "pretrain");
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record["metadata"]["parable"]["source_id"], "bad");
        assert!(!record["text"].as_str().expect("text").contains("Captain Lee"));
    }
    let args = "generate in.jsonl --threshold 0.3 --cards --count 1";
    let card: Value =
        serde_json::from_str(&good(place.path(), &args.split(' ').collect::<Vec<_>>()))
            .expect("a card");
    assert_eq!(card["source"]["id"], "bad");
    assert!(card["source"]["evidence"].as_array().is_some_and(|e| !e.is_empty()));
}

#[test]
fn batch_answers_come_back_in_any_order_and_faults_are_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let base = "generate --from-inventory 4 --seed 8 --backend batch --model m -o out";
    good(place.path(), &base.split(' ').collect::<Vec<_>>());
    let requests = lines(&place.path().join("out/requests.jsonl"));
    assert_eq!(requests.len(), 4);
    // A text that the verifier accepts: the one that the composer makes of the same card.
    let args = "generate --from-inventory 4 --seed 8 -q -o made";
    good(place.path(), &args.split(' ').collect::<Vec<_>>());
    let made = part(&place.path().join("made"), "pretrain");
    let text =
        made.iter().find(|r| r["id"] == requests[3]["custom_id"]).expect("made")["text"].clone();
    let id = |n: usize| requests[n]["custom_id"].clone();
    let reply = |n: usize, text: &Value| {
        json!({"custom_id": id(n), "response": {"body": {"choices": [
            {"message": {"content": text}, "finish_reason": "stop"}]}}})
    };
    // The last first; one failed; one is nonsense; one never came back.
    let answers = [
        reply(3, &text),
        json!({"custom_id": id(1), "response": {"body": {"error": {"message": "429"}}}}),
        reply(0, &json!("Sure, here is what you asked for: [insert story]")),
    ];
    let body: String = answers.iter().map(|a| format!("{a}\n")).collect();
    fs::write(place.path().join("answers.jsonl"), body).expect("written");
    let back = format!("{base} -q --answers answers.jsonl");
    good(place.path(), &back.split(' ').collect::<Vec<_>>());
    let out = place.path().join("out");
    let kept = part(&out, "pretrain");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["id"], id(3));
    assert_eq!(kept[0]["metadata"]["parable"]["generator"]["model"], "m");
    let refused = fs::read_to_string(out.join("rejected.jsonl")).expect("a file");
    for reason in ["429", "no answer came back", "leak"] {
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
}

#[test]
fn a_broken_constitution_or_inventory_is_named_with_line_and_caret() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("c.toml"), "[[principle]]\nid = 3\n").expect("written");
    let args = "generate --from-inventory 1 --constitution c.toml -o out";
    let done = parable(place.path(), &args.split(' ').collect::<Vec<_>>());
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("c.toml") && said.contains("line 2") && said.contains('^'), "{said}");

    fs::create_dir(place.path().join("inv")).expect("made");
    fs::write(place.path().join("inv/a.txt"), "= x\nsome [choice|never closed\n").expect("written");
    let args = "generate --from-inventory 1 --inventory inv -o out";
    let done = parable(place.path(), &args.split(' ').collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("a.txt:2:6") && said.contains('^'), "{said}");
}
