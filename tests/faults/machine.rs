//! A machine that fails: a shim between the program and the C library lets chosen calls go wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::{RECORDS, cell, formats, in_the_docs, run, run_with};

/// The shim, compiled once.
pub static SHIM: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    let shim =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source).arg("-ldl");
    assert!(compiler.status().expect("a C compiler").success());
    shim
});

/// Lets `kind` happen to files whose path contains `part`.
pub fn inject(command: &mut Command, kind: &str, part: &str, at: usize) {
    command.env("LD_PRELOAD", SHIM.as_os_str());
    command.env("FAULT_KIND", kind).env("FAULT_PATH", part).env("FAULT_AT", at.to_string());
}

/// What the machine does to a shard that is read, and where: in halves of the file.
const FAULTS: &[(&str, &str, usize)] = &[
    ("first read fails", "eio", 0),
    ("read error in the middle", "eio", 1),
    ("becomes shorter by half", "shrink", 1),
    ("grows meanwhile", "grow", 0),
    ("reads are short", "short", 0),
    ("reads are interrupted", "eintr", 0),
    ("vanishes once listed", "gone", 0),
    ("permission refused", "denied", 0),
];

#[test]
fn faults_of_reading_are_accounted_for() {
    let mut table = String::from(
        "| format | fault | records out | quarantined | places of damage | exit status |\n|---|---|---|---|---|---|\n",
    );
    for (format, name, healthy) in formats().into_iter().filter(|(format, ..)| *format != "chat") {
        for (fault, kind, halves) in FAULTS {
            let place = tempfile::tempdir().expect("a temporary folder");
            let input = place.path().join(name);
            fs::write(&input, &healthy).expect("written");
            let at = match *kind {
                "grow" => 2,
                _ => healthy.len() / 2 * halves,
            };
            let part = input.display().to_string();
            let outcome =
                run_with(place.path(), &input, |command| inject(command, kind, &part, at));
            if matches!(*kind, "short" | "eintr") {
                assert_eq!((outcome.status, outcome.ids.len()), (0, RECORDS), "{format}, {fault}");
            }
            let _ = writeln!(table, "{}", cell(format, fault, &outcome));
        }
    }
    in_the_docs("faults of reading", &table);
}

/// The next call to disturb: each of the first eight, then ever fewer, a quarter further each time.
pub fn after(nth: usize) -> usize {
    nth + (nth / 4).max(1)
}

/// Fails one sync or one write of a run, a later one each time. Each time the run ends with status 2
/// and names what failed; resumed on a sound machine it ends with the bytes of a run that nothing
/// happened to.
#[test]
fn a_failing_sync_or_write_can_be_resumed() {
    for (_, name, healthy) in formats().into_iter().filter(|(format, ..)| *format != "chat") {
        let sound = tempfile::tempdir().expect("a temporary folder");
        let input = sound.path().join(name);
        fs::write(&input, &healthy).expect("written");
        assert_eq!(run(sound.path(), &input).status, 0);
        let expected = outputs(&sound.path().join("out"));
        for (kind, message) in [("sync", "Input/output error"), ("write", "No space left")] {
            let (mut failures, mut nth) = (0, 1);
            loop {
                let place = tempfile::tempdir().expect("a temporary folder");
                let out = place.path().join("out").display().to_string();
                let outcome =
                    run_with(place.path(), &input, |c| inject(c, kind, &format!("{out}/"), nth));
                if outcome.status == 0 {
                    assert_eq!(outputs(&place.path().join("out")), expected);
                    break;
                }
                let what = format!("{name}, {kind} {nth}: {}", outcome.stderr);
                assert_eq!(outcome.status, 2, "{what}");
                assert!(outcome.stderr.contains(message), "{what}");
                let resumed = run_with(place.path(), &input, |c| {
                    c.arg("--resume");
                });
                assert_eq!(resumed.status, 0, "{what}; {}", resumed.stderr);
                assert_eq!(outputs(&place.path().join("out")), expected, "{what}");
                failures += 1;
                nth = after(nth);
            }
            assert!(failures >= 4, "{name}: {failures} times {kind}");
        }
    }
}

/// Every file that a run leaves for others, with its bytes.
pub fn outputs(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for folder in ["documents", "attributes", "quarantine", "dropped"] {
        gather(&out.join(folder), &mut all);
    }
    assert!(!all.is_empty(), "{} holds no outputs", out.display());
    for (path, _) in &mut all {
        *path = path.strip_prefix(out).expect("below").to_path_buf();
    }
    all.sort();
    all
}

fn gather(folder: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            gather(&path, all);
        } else {
            let bytes = fs::read(&path).expect("an output");
            all.push((path, bytes));
        }
    }
}
