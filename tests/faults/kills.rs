//! Runs that are ended from outside, at random moments and at each sync: whatever happened, the
//! run that is resumed leaves the bytes of one that was never disturbed.
//!
//! `PARABLE_KILLS=500 cargo test --test faults random_moments` is the long run.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::machine::{after, inject, outputs};
use super::{formats, record};

/// Kills unless `PARABLE_KILLS` says otherwise.
const KILLS: u64 = 40;

/// Shards of every format; lines enough that a run takes a while.
fn shards(at: &Path) -> PathBuf {
    let folder = at.join("in");
    fs::create_dir(&folder).expect("a folder");
    for (format, name, healthy) in formats() {
        fs::write(folder.join(format!("{format}-{name}")), healthy).expect("written");
    }
    for shard in 0..4 {
        let lines: String = (0..1500).map(|n| record(shard * 1500 + n)).collect();
        fs::write(folder.join(format!("p{shard}.jsonl")), lines).expect("written");
    }
    fs::write(folder.join("hurt.jsonl"), record(1) + "no JSON\n").expect("written");
    folder
}

fn command(out: &Path, input: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
    command.args(["run", "-q", "-j", "2", "--gate", "off", "-p", "condition", "--no-report"]);
    command.args(["--allow-bad", "2", "-o"]).arg(out).arg(input);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if out.join(".parable/journal.jsonl").exists() {
        command.arg("--resume");
    }
    command
}

/// A number that follows from another.
fn number(n: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    Command::new("sh").args(["-c", "kill -$0 $1", name, &pid]).status().expect("a shell");
}

#[test]
fn runs_killed_at_random_moments_end_with_the_same_bytes() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let input = shards(place.path());
    let whole = place.path().join("whole");
    let begun = Instant::now();
    assert!(command(&whole, &input).status().expect("it starts").success());
    let (span, expected) = (begun.elapsed(), outputs(&whole));
    let wanted = std::env::var("PARABLE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let (mut kills, mut refusals, mut round) = (0, 0, 0);
    let mut ends = std::collections::BTreeMap::new();
    while kills < wanted {
        let out = place.path().join(format!("out-{round}"));
        round += 1;
        loop {
            assert!(round + kills < 20 * wanted + 100, "runs end before they are killed");
            let mut child = command(&out, &input).spawn().expect("it starts");
            // Half of the moments lie in the first tenth: what resuming itself does is short.
            let part = number(kills * 1000 + round);
            let share = (part >> 8) % 1000;
            let within = if part.is_multiple_of(2) { span / 10 } else { span };
            std::thread::sleep(within * share as u32 / 1000);
            let name = ["KILL", "TERM", "INT", "KILL", "USR1"][(kills % 5) as usize];
            if kills % 4 == 3 {
                refusals += u64::from(refused(&out, &input, &child));
            }
            let running = child.try_wait().expect("a status").is_none();
            if running {
                signal(&child, name);
                kills += 1;
            }
            let done = child.wait_with_output().expect("a status");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            *ends.entry((name, done.status.code(), done.status.signal())).or_insert(0) += 1;
            match (done.status.code(), done.status.signal()) {
                (Some(0), None) => break,
                (Some(130), None) => assert_ne!(name, "KILL", "{said}"),
                // Before the program listens, or killed.
                (None, Some(9 | 15 | 2 | 10)) => {}
                end => panic!("{name}: {end:?}: {said}"),
            }
            if kills >= wanted {
                assert!(command(&out, &input).status().expect("it starts").success());
                break;
            }
        }
        assert_eq!(outputs(&out), expected, "round {round}");
        fs::remove_dir_all(&out).expect("removed");
    }
    assert!(refusals > 0, "no second run was tried while the first held the folder");
    eprintln!("{kills} signals in {round} rounds, {refusals} second runs refused; ends: {ends:?}");
}

/// A second run on the folder of a running one is refused at once and changes nothing.
fn refused(out: &Path, input: &Path, first: &Child) -> bool {
    let pid = format!(" {} ", first.id());
    let holds = || fs::read_to_string("/proc/locks").unwrap_or_default().contains(&pid);
    if !holds() {
        return false;
    }
    let second = command(out, input).output().expect("it starts");
    // The first may have ended meanwhile; then the second was free to go on.
    if !holds() {
        return false;
    }
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains("in use by another"), "{said}");
    true
}

/// Killed right before one of its syncs, a later one each time: between a part and its journal line, between the outputs'
/// sync and their renaming, after a renaming and before that is durable.
#[test]
fn runs_killed_at_a_sync_end_with_the_same_bytes() {
    for (format, name, healthy) in formats().into_iter().filter(|(format, ..)| *format != "chat") {
        let place = tempfile::tempdir().expect("a temporary folder");
        let input = place.path().join(name);
        fs::write(&input, healthy).expect("written");
        let whole = place.path().join("whole");
        assert!(command(&whole, &input).status().expect("it starts").success());
        let expected = outputs(&whole);
        let (mut kills, mut nth) = (0, 1);
        loop {
            let out = place.path().join("out");
            let mut run = command(&out, &input);
            inject(&mut run, "kill", &format!("{}/", out.display()), nth);
            let status = run.status().expect("it starts");
            if status.success() {
                break;
            }
            assert_eq!(status.signal(), Some(9), "{format}");
            let resumed = command(&out, &input).output().expect("it starts");
            let said = String::from_utf8_lossy(&resumed.stderr);
            assert!(resumed.status.success(), "{format}, sync {nth}: {said}");
            assert_eq!(outputs(&out), expected, "{format}, sync {nth}");
            fs::remove_dir_all(&out).expect("removed");
            kills += 1;
            nth = after(nth);
        }
        assert!(kills >= 5, "{format}: {kills} syncs");
        eprintln!("{format}: killed at {kills} of its syncs");
    }
}

/// Out of memory is a kill as well.
#[test]
fn a_run_without_memory_can_be_resumed_with_more() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let input = place.path().join("in");
    fs::create_dir(&input).expect("a folder");
    for shard in 0..3 {
        fs::write(input.join(format!("{shard}.jsonl")), record(shard).repeat(50)).expect("written");
    }
    let long = format!("{{\"id\":\"long\",\"text\":\"{}\"}}\n", "a".repeat(40 << 20));
    fs::write(input.join("long.jsonl"), long).expect("written");
    let (whole, out) = (place.path().join("whole"), place.path().join("out"));
    assert!(command(&whole, &input).status().expect("it starts").success());
    let mut run = Command::new("sh");
    // In kB of addresses; what a run without the long line takes, and less than it needs with it.
    run.args(["-c", "ulimit -v $0; exec \"$@\"", "230000"]).arg(env!("CARGO_BIN_EXE_parable"));
    run.args(command(&out, &input).get_args()).stderr(Stdio::null());
    let status = run.status().expect("it starts");
    assert!(!status.success(), "so little memory cannot be enough");
    assert!(command(&out, &input).status().expect("it starts").success());
    assert_eq!(outputs(&out), outputs(&whole));
}
