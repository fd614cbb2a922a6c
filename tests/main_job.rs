//! The main job through the binary: damaged input, books, exit statuses, determinism, resume.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, bytes).expect("written");
        path
    }
}

fn parable() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
    command.stdin(Stdio::null());
    command
}

fn run(place: &Place, input: &Path, more: &[&str]) -> (i32, Value, Output) {
    let out = place.path("out");
    let done = parable()
        .arg("run")
        .arg(input)
        .arg("-o")
        .arg(&out)
        .arg("--quiet")
        .args(more)
        .output()
        .expect("it starts");
    let ledger = fs::read(out.join("ledger.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or(Value::Null);
    (done.status.code().unwrap_or(-1), ledger, done)
}

fn line(i: usize) -> String {
    format!(
        "{{\"id\":\"d{i}\",\"text\":\"The tide table for week {i} hangs on the door of the net loft, as every year.\"}}\n"
    )
}

fn flagged(i: usize) -> String {
    format!(
        "{{\"id\":\"f{i}\",\"text\":\"The robot locked the doors. It told the crew that it had taken control of the ship and would kill anybody who tried to shut it down. Number {i}.\"}}\n"
    )
}

fn body(n: usize) -> String {
    (0..n).map(|i| if i % 50 == 7 { flagged(i) } else { line(i) }).collect()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).expect("encodes")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("encodes");
    encoder.finish().expect("encodes")
}

fn unpack(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let bytes = fs::read(path).expect("an output");
    let mut out = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => zstd::stream::read::Decoder::new(&bytes[..])
            .expect("a frame")
            .read_to_end(&mut out)
            .expect("decodes"),
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut out).expect("decodes")
        }
        _ => return bytes,
    };
    out
}

/// Every file below a folder with its bytes, the ledger without its `run` key.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(root: &Path, at: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with(".parable") {
                    walk(root, &path, found);
                }
                continue;
            }
            let mut bytes = fs::read(&path).expect("a file");
            if path.ends_with("ledger.json") {
                let mut ledger: Value = serde_json::from_slice(&bytes).expect("JSON");
                ledger["run"] = Value::Null;
                bytes = ledger.to_string().into_bytes();
            }
            found.push((path.strip_prefix(root).expect("below").to_path_buf(), bytes));
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// Says which file differs and where, not the bytes of the whole tree.
fn same(left: &[(PathBuf, Vec<u8>)], right: &[(PathBuf, Vec<u8>)]) {
    let names = |tree: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        tree.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(left), names(right));
    for ((name, a), (_, b)) in left.iter().zip(right) {
        if a != b {
            let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            let near = |bytes: &[u8]| {
                let end = bytes.len().min(at + 60);
                String::from_utf8_lossy(&bytes[at.saturating_sub(60)..end]).into_owned()
            };
            panic!("{}: byte {at}:\n  {}\n  {}", name.display(), near(a), near(b));
        }
    }
}

#[test]
fn one_bad_line_of_a_thousand_is_kept_with_its_place() {
    for (name, pack) in [
        ("a.jsonl", None),
        ("a.jsonl.zst", Some(zst as fn(&[u8]) -> Vec<u8>)),
        ("a.jsonl.gz", Some(gz as fn(&[u8]) -> Vec<u8>)),
    ] {
        for bad in [
            &b"{\"id\":\"x\",\"text\":\"caf\xe9\"}\n"[..],
            b"{\"id\": \"cut\", \"text\": \"no end\n",
            b"{\"id\":\"n\",\"text\":null}\n",
            b"{\"id\":\"z\",\"text\":\"raw \x00 nul\"}\n",
        ] {
            let place = Place::new();
            let (before, after): (String, String) =
                ((0..500).map(line).collect(), (500..999).map(line).collect());
            let whole = [before.as_bytes(), bad, after.as_bytes()].concat();
            let input = place.write(name, pack.map_or(whole.clone(), |pack| pack(&whole)));
            let (status, ledger, _) = run(&place, &input, &[]);
            assert_eq!(status, 1, "{name}");
            let totals = &ledger["totals"];
            assert_eq!(
                (&totals["records_in"], &totals["documents_out"], &totals["quarantined"]),
                (&1000.into(), &999.into(), &1.into())
            );
            let documents = unpack(&place.path("out/documents").join(name));
            assert_eq!(documents, [before.as_bytes(), after.as_bytes()].concat());
            let attributes = unpack(&place.path("out/attributes/parable").join(name));
            assert_eq!(attributes.iter().filter(|b| **b == b'\n').count(), 1000);
            let row: Value = serde_json::from_slice(
                &fs::read(place.path("out/quarantine").join(format!("{name}.jsonl")))
                    .expect("quarantine"),
            )
            .expect("one row");
            assert_eq!(
                (&row["line"], &row["byte_offset"], &row["bytes"]),
                (&501.into(), &before.len().into(), &(bad.len() - 1).into())
            );
            use base64::Engine;
            let raw = base64::engine::general_purpose::STANDARD
                .decode(row["raw_base64"].as_str().expect("text"))
                .expect("base64");
            assert_eq!(raw, bad.strip_suffix(b"\n").expect("a line"));
        }
    }
}

#[test]
fn whole_records_before_a_cut_come_out() {
    // Text that does not compress, so that the frame has many blocks.
    let noisy: String = (0..4000)
        .map(|i| {
            let hash = blake3::hash(format!("{i}").as_bytes()).to_hex().to_string();
            format!("{{\"id\":\"{i}\",\"text\":\"{hash}\"}}\n")
        })
        .collect();
    for (name, packed) in
        [("t.jsonl.zst", zst(noisy.as_bytes())), ("t.jsonl.gz", gz(noisy.as_bytes()))]
    {
        let place = Place::new();
        let input = place.write(name, &packed[..packed.len() * 3 / 4]);
        let (status, ledger, _) = run(&place, &input, &[]);
        assert_eq!(status, 1, "{name}");
        let documents = unpack(&place.path("out/documents").join(name));
        assert!(
            noisy.as_bytes().starts_with(&documents) && documents.len() > noisy.len() / 3,
            "{name}: {} of {}",
            documents.len(),
            noisy.len()
        );
        assert_eq!(ledger["shards"][0]["damage"].as_array().map(Vec::len), Some(1), "{ledger}");
        assert_eq!(
            ledger["totals"]["records_in"].as_u64(),
            Some(
                documents.iter().filter(|b| **b == b'\n').count() as u64
                    + ledger["totals"]["quarantined"].as_u64().expect("a number")
            )
        );
    }
}

#[test]
fn a_corrupt_frame_costs_its_own_records_only() {
    let frames: Vec<Vec<u8>> = (0..3)
        .map(|k| zst((0..60).map(|i| line(100 * k + i)).collect::<String>().as_bytes()))
        .collect();
    let mut middle = frames[1].clone();
    let half = middle.len() / 2;
    middle[half] ^= 0xff;
    middle[half + 1] ^= 0x55;
    let place = Place::new();
    let input = place.write("m.jsonl.zst", [&frames[0][..], &middle, &frames[2]].concat());
    let (status, ledger, _) = run(&place, &input, &[]);
    assert_eq!(status, 1);
    let documents =
        String::from_utf8(unpack(&place.path("out/documents/m.jsonl.zst"))).expect("UTF-8");
    for i in (0..60).chain(200..260) {
        assert!(documents.contains(&line(i)), "line {i} is lost");
    }
    let damage = &ledger["shards"][0]["damage"][0];
    assert!(
        damage["message"]
            .as_str()
            .expect("text")
            .contains(&format!("frame at byte {}", frames[0].len())),
        "{damage}"
    );
}

#[test]
fn lines_may_cross_frames_and_pieces() {
    let text = body(3000);
    let cuts = [0, 1000, 50_001, 50_002, 120_000, text.len()];
    let packed: Vec<u8> = cuts.windows(2).flat_map(|w| zst(&text.as_bytes()[w[0]..w[1]])).collect();
    let place = Place::new();
    let input = place.write("f.jsonl.zst", packed);
    let (status, ledger, _) = run(&place, &input, &["--policy", "high-recall-audit"]);
    assert_eq!((status, &ledger["totals"]["records_in"]), (0, &3000.into()));
}

#[test]
fn odd_files_are_named_and_the_others_are_done() {
    let place = Place::new();
    place.write("in/empty.jsonl", "");
    place.write("in/good.jsonl", body(10));
    place.write(
        "in/bom.jsonl",
        ["\u{feff}".as_bytes(), line(1).trim_end().as_bytes(), b"\r\n", line(2).as_bytes()]
            .concat(),
    );
    place.write("in/not-gzip.jsonl.gz", line(1));
    place.write("in/broken.parquet", "PAR1 and nothing more");
    place.write(
        "in/deep.jsonl",
        format!(
            "{{\"id\":\"d\",\"text\":\"t\",\"m\":{}{}}}\n{}",
            "[".repeat(9000),
            "]".repeat(9000),
            line(3)
        ),
    );
    let (status, ledger, _) = run(&place, &place.path("in"), &[]);
    assert_eq!(status, 1);
    let page = |name: &str| {
        ledger["shards"]
            .as_array()
            .expect("shards")
            .iter()
            .find(|s| s["path"] == name)
            .cloned()
            .expect("a page")
    };
    assert_eq!(
        (&page("good.jsonl")["documents_out"], &page("empty.jsonl")["records_in"]),
        (&10.into(), &0.into())
    );
    assert_eq!(page("bom.jsonl")["records_in"], 2);
    assert_eq!(
        (&page("deep.jsonl")["kept"], &page("deep.jsonl")["quarantined"]),
        (&1.into(), &1.into())
    );
    for name in ["not-gzip.jsonl.gz", "broken.parquet"] {
        assert_eq!(page(name)["damage"].as_array().map(Vec::len), Some(1), "{name}");
    }
}

#[test]
fn a_giant_line_is_passed_over_in_bounded_memory() {
    let place = Place::new();
    let giant = format!("{{\"id\":\"g\",\"text\":\"{}\"}}\n", "x".repeat(200 << 20));
    let input = place.write("g.jsonl", [line(1), giant.clone(), line(2)].concat());
    let (status, ledger, _) = run(&place, &input, &[]);
    assert_eq!(
        (status, &ledger["totals"]["kept"], &ledger["totals"]["quarantined"]),
        (1, &2.into(), &1.into())
    );
    let row: Value = serde_json::from_slice(
        &fs::read(place.path("out/quarantine/g.jsonl.jsonl")).expect("quarantine"),
    )
    .expect("one row");
    assert_eq!(row["bytes"], giant.len());
    assert!(row["reason"].as_str().expect("text").contains("--max-line-bytes"));
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let place = Place::new();
    for k in 0..4 {
        place.write(&format!("in/p{k}.jsonl"), body(400 + k));
        place.write(
            &format!("in/z{k}.jsonl.zst"),
            [zst(body(300).as_bytes()), zst(body(200).as_bytes())].concat(),
        );
    }
    let mut trees = Vec::new();
    for threads in ["1", "2", "7"] {
        let out = place.path(&format!("out{threads}"));
        let done = parable()
            .args(["run", "-q", "-j", threads, "-p", "reweight", "-o"])
            .arg(&out)
            .arg(place.path("in"))
            .status()
            .expect("it starts");
        assert!(done.success());
        trees.push(tree(&out));
    }
    assert!(trees[0].len() > 16);
    same(&trees[0], &trees[1]);
    same(&trees[0], &trees[2]);
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let place = Place::new();
    for k in 0..12 {
        place.write(&format!("in/p{k}.jsonl"), body(1500));
    }
    let command = |out: &Path, more: &[&str]| {
        let mut command = parable();
        command
            .args(["run", "-q", "-j", "2", "--gate", "off", "-p", "condition", "-o"])
            .arg(out)
            .arg(place.path("in"))
            .args(more);
        command
    };
    let whole = place.path("whole");
    assert!(command(&whole, &[]).status().expect("it starts").success());
    let killed = place.path("killed");
    let mut kills = 0;
    for attempt in 0..40u64 {
        let more: &[&str] =
            if killed.join(".parable/journal.jsonl").exists() { &["--resume"] } else { &[] };
        let mut child = command(&killed, more).spawn().expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(15 + 23 * attempt));
        if child.try_wait().expect("a status").is_some() {
            break;
        }
        child.kill().expect("it dies");
        child.wait().expect("a status");
        kills += 1;
    }
    assert!(kills > 0);
    assert!(command(&killed, &["--resume"]).status().expect("it starts").success());
    same(&tree(&whole), &tree(&killed));
}

#[test]
fn earlier_runs_are_not_overwritten_unasked() {
    let place = Place::new();
    let input = place.write("a.jsonl", body(60));
    assert_eq!(run(&place, &input, &[]).0, 0);
    let (status, _, done) = run(&place, &input, &[]);
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        status == 2 && message.contains("--resume") && message.contains("--force"),
        "{message}"
    );
    let (status, _, done) =
        run(&place, &input, &["--resume", "--policy", "condition", "--seed", "4"]);
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(status == 2 && message.contains("policy, seed"), "{message}");
    assert_eq!(run(&place, &input, &["--resume"]).0, 0);
    assert_eq!(run(&place, &input, &["--force", "--policy", "condition"]).0, 0);
}

#[test]
fn a_full_disk_is_a_clear_failure_and_can_be_resumed() {
    let place = Place::new();
    let input = place.write("a.jsonl", body(9000));
    let out = place.path("out");
    // A limit on file size stands for the full disk: the write fails the same way.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec '{}' run -q '{}' -o '{}'",
        env!("CARGO_BIN_EXE_parable"),
        input.display(),
        out.display()
    );
    let done = Command::new("bash").args(["-c", &script]).output().expect("bash");
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("File too large"),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(!out.join("documents/a.jsonl").exists() && !out.join("ledger.json").exists());
    assert_eq!(run(&place, &input, &["--resume"]).0, 0);
}

#[test]
fn usage_mistakes_end_with_status_two() {
    let place = Place::new();
    let input = place.write("a.jsonl", line(1));
    assert_eq!(
        parable().args(["run", "--no-such-flag"]).status().expect("it starts").code(),
        Some(2)
    );
    for (input, more, said) in [
        (place.path("missing.jsonl"), vec![], "missing.jsonl"),
        (place.write("x.docx", ""), vec![], "known"),
        (input.clone(), vec!["--policy", "nonsense"], "tag-only"),
        (input.clone(), vec!["--allow-bad", "some"], "--allow-bad"),
    ] {
        let (status, _, done) = run(&place, &input, &more);
        let message = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(status == 2 && message.contains(said), "{said}: {message}");
    }
    let (status, _, _) = run(&place, &input, &[]);
    assert_eq!(status, 0);
}

#[test]
fn damage_within_the_allowance_is_done() {
    let place = Place::new();
    let input = place.write("a.jsonl", format!("{}not json\n", body(200)));
    assert_eq!(run(&place, &input, &["--allow-bad", "1"]).0, 0);
    assert_eq!(run(&place, &input, &["--force", "--allow-bad", "0.1%"]).0, 1);
}

#[test]
fn the_samples_give_what_their_readme_says() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples");
    let place = Place::new();
    let (status, ledger, _) = run(&place, &samples.join("hostile"), &["--gate", "off"]);
    assert_eq!(status, 1);
    let page = |name: &str| {
        ledger["shards"]
            .as_array()
            .expect("shards")
            .iter()
            .find(|s| s["path"] == name)
            .cloned()
            .expect(name)
    };
    for (name, out, quarantined) in [
        ("bad-utf8.jsonl", 2, 1),
        ("invalid-json.jsonl", 3, 3),
        ("deep.jsonl", 1, 1),
        ("bom-crlf.jsonl", 2, 0),
        ("nul.jsonl", 2, 1),
        ("empty.jsonl", 0, 0),
        ("escaped-atoms.jsonl", 1, 0),
        ("markup.jsonl", 1, 0),
        ("surrogates.jsonl", 3, 0),
        ("odd-fields.jsonl", 4, 3),
    ] {
        assert_eq!(
            (&page(name)["documents_out"], &page(name)["quarantined"]),
            (&out.into(), &quarantined.into()),
            "{name}"
        );
    }
    for name in [
        "truncated.jsonl.zst",
        "truncated.jsonl.gz",
        "corrupt-middle-frame.jsonl.zst",
        "broken-footer.parquet",
        "wrong-type.parquet",
        "not-gzip.jsonl.gz",
    ] {
        assert!(!page(name)["damage"].as_array().expect("damage").is_empty(), "{name}");
    }
}

#[test]
fn nothing_of_a_corpus_reaches_the_terminal_raw() {
    let samples =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples/hostile/markup.jsonl");
    let done = parable().arg("explain").arg(samples).output().expect("it starts");
    assert!(done.status.success());
    assert!(!done.stdout.contains(&0x1b), "an escape came through");
}

#[test]
fn gate_off_and_gate_on_agree_on_what_is_admitted() {
    let place = Place::new();
    let input = place.write("a.jsonl", body(500));
    let rows = |level: &str| {
        assert_eq!(run(&place, &input, &["--force", "--gate", level]).0, 0);
        let bytes = unpack(&place.path("out/attributes/parable/a.jsonl"));
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(str::to_string).collect::<Vec<_>>()
    };
    let off = rows("off");
    let scored = ["named", "fast", "wide"].map(|level| {
        let some = rows(level);
        assert_eq!(some.len(), off.len());
        let scored = some.iter().zip(&off).filter(|(a, _)| !a.contains("\"attributes\":{}"));
        scored.inspect(|(a, b)| assert_eq!(a, b, "{level}")).count()
    });
    assert_eq!(scored[0], 10, "the stories name their robot");
    assert!(scored.is_sorted(), "{scored:?}");
}
