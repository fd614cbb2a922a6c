//! House rules that are tests: who may import whom, how long a file may grow, what may not stand
//! in the tree. docs/architecture.md explains each rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Module → modules of this crate that it may name. A module may always name itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("taxonomy", &[]),
    ("document", &["text"]),
    ("filter", &["text", "document", "taxonomy"]),
    ("scan", &["text", "document", "taxonomy", "filter"]),
    ("encoder", &[]),
    ("score", &["text", "document", "taxonomy", "filter", "scan", "encoder"]),
    ("policy", &["text", "document", "taxonomy", "score", "portrait"]),
    ("apply", &["text", "document", "taxonomy", "score", "policy"]),
    ("attribute", &["text", "document", "taxonomy", "score"]),
    ("tokens", &["text"]),
    ("portrait", &[]),
    ("shard", &["text", "document"]),
    ("token_files", &["text", "tokens", "shard"]),
    ("composition", &["taxonomy"]),
    ("ledger", &["taxonomy", "composition"]),
    ("plan", &["taxonomy", "composition", "policy", "ledger"]),
    ("audit", &["text", "taxonomy", "composition", "ledger", "attribute", "shard", "portrait"]),
    ("model_server", &[]),
    (
        "counterexample",
        &[
            "text",
            "document",
            "taxonomy",
            "filter",
            "scan",
            "score",
            "shard",
            "model_server",
            "portrait",
        ],
    ),
    (
        "pipeline",
        &[
            "text",
            "document",
            "taxonomy",
            "filter",
            "scan",
            "score",
            "policy",
            "apply",
            "attribute",
            "shard",
            "composition",
            "ledger",
            "plan",
            "audit",
            "tokens",
        ],
    ),
    (
        "bench",
        &[
            "text",
            "document",
            "taxonomy",
            "filter",
            "scan",
            "score",
            "policy",
            "apply",
            "attribute",
            "shard",
            "ledger",
            "pipeline",
        ],
    ),
];

/// Modules that see bytes and text only: no files, no network, no clock, no environment.
const PURE: &[&str] = &[
    "text",
    "taxonomy",
    "document",
    "filter",
    "scan",
    "encoder",
    "score",
    "policy",
    "apply",
    "attribute",
    "composition",
    "plan",
];

const LINES_PER_FILE: usize = 600;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("src is readable") {
            let path = entry.expect("entry is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found.sort();
    assert!(found.len() > 20, "the walk found no sources");
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("below src");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

/// Names after `crate::` outside comments. A `use crate::{a::b, c}` group gives each first name.
fn imports(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let code: String =
        text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && c == ',') {
                    names.insert(name.split("::").next().unwrap_or("").trim().to_string());
                    name.clear();
                } else {
                    name.push(c);
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.remove("");
    names
}

#[test]
fn imports_run_one_way() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["lib", "main", "cli"].contains(&module.as_str()),
                "{}: module `{module}` is missing from the table in tests/tidy.rs",
                path.display()
            );
            continue;
        };
        for name in imports(&text) {
            if name != module && !allowed.contains(&name.as_str()) {
                broken.push(format!("{}: `{module}` imports `{name}`", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_core_does_no_io() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if !PURE.contains(&module_of(&path).as_str()) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for (nth, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or("");
            for word in
                ["std::fs", "std::net", "std::env::", "std::process", "SystemTime", "println!"]
            {
                if line.contains(word) {
                    broken.push(format!("{}:{}: {word}", path.display(), nth + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_stay_rooms() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_PER_FILE)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_unfinished_work_is_left() {
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), "unimplemented!("];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (nth, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{}:{}: {line}", path.display(), nth + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_import_reader_sees_groups_and_paths() {
    let text = "use crate::{a::{x, y}, b};\nuse crate::c::d; // crate::e\nlet f = crate::g::h();";
    let names: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(names, ["a", "b", "c", "g"]);
}
