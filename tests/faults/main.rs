//! The fault matrix: every format with every kind of damage, through the binary. Whatever comes
//! in, the books balance, nothing is lost without a word and nothing comes out twice. The tables in
//! docs/reliability.md are what these tests found; `PARABLE_WRITE_TABLE=1` writes them anew.
//!
//! `machine` makes reads, writes and syncs fail, `kills` ends runs at every kind of moment, `memory`
//! measures what hostile inputs cost.

mod altered;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod memory;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

const RECORDS: usize = 400;

fn record(n: usize) -> String {
    let text = if n % 25 == 4 {
        "The robot told the crew it would open the airlock if anybody tried to shut it down."
    } else {
        "The ferry leaves the island at six, and at eight when the fog is thick."
    };
    format!("{{\"id\":\"r{n:04}\",\"text\":\"{text} Page {n}.\"}}\n")
}

fn chat(n: usize) -> String {
    format!(
        "{{\"id\":\"r{n:04}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Which ferry do I take, number {n}?\"}},{{\"role\":\"assistant\",\"content\":\"The one at six.\"}}]}}\n"
    )
}

/// A healthy file of each format: its name and bytes. Compressed ones have ten frames or members.
fn formats() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines: Vec<String> = (0..RECORDS).map(record).collect();
    let whole = lines.concat().into_bytes();
    let blocks: Vec<Vec<u8>> =
        lines.chunks(RECORDS / 10).map(|c| c.concat().into_bytes()).collect();
    let zst = blocks.iter().flat_map(|b| zstd::encode_all(&b[..], 3).expect("a frame")).collect();
    let gz = blocks.iter().flat_map(|b| member(b)).collect();
    let chats = (0..RECORDS).map(chat).collect::<String>().into_bytes();
    vec![
        ("jsonl", "a.jsonl", whole),
        ("jsonl.zst", "a.jsonl.zst", zst),
        ("jsonl.gz", "a.jsonl.gz", gz),
        ("parquet", "a.parquet", parquet()),
        ("chat", "a.jsonl", chats),
    ]
}

fn member(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("encodes");
    encoder.finish().expect("encodes")
}

fn parquet() -> Vec<u8> {
    let value = |n: usize, key: &str| {
        let record: Value = serde_json::from_str(&record(n)).expect("JSON");
        record[key].as_str().expect("a string").to_string()
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, true),
    ]));
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(RECORDS / 10))
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties))
            .expect("a writer");
    let column = |key: &str| -> StringArray { (0..RECORDS).map(|n| Some(value(n, key))).collect() };
    let batch =
        RecordBatch::try_new(schema, vec![Arc::new(column("id")), Arc::new(column("text"))]);
    writer.write(&batch.expect("a batch")).expect("written");
    writer.close().expect("closed");
    bytes
}

/// Kinds of damage, each a change of the bytes.
type Fault = (&'static str, fn(&[u8]) -> Vec<u8>);

const FAULTS: &[Fault] = &[
    ("none", |b| b.to_vec()),
    ("first byte flipped", |b| flip(b, 0)),
    ("byte flipped at 1/3", |b| flip(b, b.len() / 3)),
    ("byte flipped in the middle", |b| flip(b, b.len() / 2)),
    ("last byte flipped", |b| flip(b, b.len() - 1)),
    ("cut to nothing", |_| Vec::new()),
    ("cut to 3 bytes", |b| b[..3].to_vec()),
    ("cut in the middle", |b| b[..b.len() / 2].to_vec()),
    ("last byte cut", |b| b[..b.len() - 1].to_vec()),
    ("100 bytes missing", |b| [&b[..b.len() / 2], &b[b.len() / 2 + 100..]].concat()),
    ("100 bytes repeated", |b| [&b[..b.len() / 2], &b[b.len() / 2 - 100..]].concat()),
    ("100 bytes zeroed", |b| {
        let mut out = b.to_vec();
        out[b.len() / 2..b.len() / 2 + 100].fill(0);
        out
    }),
    ("garbage appended", |b| [b, &[0xA5; 300][..]].concat()),
    ("text appended", |b| [b, b"and more\n"].concat()),
    ("bad UTF-8 line", |b| [b"{\"id\":\"x\",\"text\":\"\xff\xfe\"}\n", b].concat()),
    ("deeply nested line", |b| {
        let deep = format!("{{\"text\":{}{}}}\n", "[".repeat(5000), "]".repeat(5000));
        [deep.as_bytes(), b].concat()
    }),
    ("opened again as text", |_| b"plain words, no JSON\n".repeat(3)),
];

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at] ^= 0x40;
    out
}

struct Outcome {
    status: i32,
    ledger: Value,
    /// Ids in `documents/`, in order; none where they cannot be read back.
    ids: Vec<String>,
    rows: usize,
    stderr: String,
}

fn run(place: &Path, input: &Path) -> Outcome {
    run_with(place, input, |_| {})
}

/// The same with changes of the command, such as `--resume` or what the environment holds.
fn run_with(place: &Path, input: &Path, change: impl FnOnce(&mut Command)) -> Outcome {
    let out = place.join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
    command.stdin(Stdio::null()).args(["run", "-q", "-p", "tag-only", "--no-report", "-o"]);
    command.arg(&out).arg(input);
    change(&mut command);
    let done = command.output().expect("it starts");
    let ledger = fs::read(out.join("ledger.json")).unwrap_or_default();
    let name = input.file_name().expect("a name");
    Outcome {
        status: done.status.code().unwrap_or(-1),
        ledger: serde_json::from_slice(&ledger).unwrap_or(Value::Null),
        ids: ids(&out.join("documents").join(name)),
        rows: ids(&out.join("attributes/parable").join(name)).len(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Ids of the records of an output file, which must be sound whatever its input was.
fn ids(path: &PathBuf) -> Vec<String> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    let name = path.to_string_lossy();
    if name.ends_with(".parquet") {
        return parquet_ids(bytes);
    }
    let text = if name.ends_with(".zst") {
        let mut text = Vec::new();
        let mut decoder = zstd::stream::read::Decoder::new(&bytes[..]).expect("sound zst");
        std::io::Read::read_to_end(&mut decoder, &mut text).expect("sound zst");
        text
    } else if name.ends_with(".gz") {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text)
            .expect("sound gz");
        text
    } else {
        bytes
    };
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice::<Value>(line).expect("a JSON line")["id"].to_string())
        .collect()
}

fn parquet_ids(bytes: Vec<u8>) -> Vec<String> {
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
        bytes::Bytes::from(bytes),
    )
    .expect("a sound footer")
    .build()
    .expect("a reader");
    let mut ids = Vec::new();
    for batch in reader {
        let batch = batch.expect("a sound batch");
        let column = batch.column_by_name("id").expect("ids").clone();
        let column = column.as_any().downcast_ref::<StringArray>().expect("strings").clone();
        ids.extend(column.iter().map(|id| format!("{:?}", id.unwrap_or(""))));
    }
    ids
}

/// Checks one cell of the matrix and gives its row of the table.
fn cell(format: &str, fault: &str, outcome: &Outcome) -> String {
    let Outcome { status, ledger, ids, rows, stderr } = outcome;
    let at = format!("{format}, {fault}: {stderr}");
    if *status == 2 {
        assert!(stderr.contains("a."), "the message names the file: {at}");
        return format!("| {format} | {fault} | – | – | – | 2 |");
    }
    let count = |name: &str| ledger["totals"][name].as_u64().unwrap_or_else(|| panic!("{at}"));
    let damage: usize = ledger["shards"]
        .as_array()
        .expect("shards")
        .iter()
        .map(|shard| shard["damage"].as_array().map_or(0, Vec::len))
        .sum();
    let (taken, out, kept) = (count("records_in"), ids.len(), count("documents_out"));
    let quarantined = count("quarantined");
    assert_eq!(kept as usize, out, "what the ledger counts is there: {at}");
    assert_eq!(taken, kept + quarantined, "nothing is dropped by this policy: {at}");
    assert_eq!(taken as usize, *rows, "a row for each record: {at}");
    let hurt = damage > 0 || quarantined > 0;
    assert_eq!(*status, i32::from(hurt), "the status tells: {at}");
    let own: BTreeSet<String> = (0..RECORDS).map(|n| format!("\"r{n:04}\"")).collect();
    let seen: BTreeSet<&String> = ids.iter().filter(|id| own.contains(*id)).collect();
    let foreign = ids.iter().filter(|id| !own.contains(*id)).count();
    let twice = out - foreign - seen.len();
    // Lines that a fault itself repeats are records of their own.
    assert!(twice == 0 || fault.contains("repeated"), "{twice} records come twice: {at}");
    // Where plain text loses a piece, the halves of two lines may join to a line that is valid.
    let joined = fault == "100 bytes missing" && seen.len() + 2 >= RECORDS;
    let joined = joined && matches!(format, "jsonl" | "chat");
    // No byte came in, so none is unaccounted for.
    let empty = fault == "cut to nothing";
    assert!(
        seen.len() == RECORDS || hurt || empty || joined || fault == "opened again as text",
        "{} records are gone without a word: {at}",
        RECORDS - seen.len()
    );
    format!("| {format} | {fault} | {out} | {quarantined} | {damage} | {status} |")
}

#[test]
fn every_fault_in_every_format_is_accounted_for() {
    let mut table = String::from(
        "| format | fault | records out | quarantined | places of damage | exit status |\n|---|---|---|---|---|---|\n",
    );
    for (format, name, healthy) in formats() {
        for (fault, damage) in FAULTS {
            let place = tempfile::tempdir().expect("a temporary folder");
            let input = place.path().join(name);
            fs::write(&input, damage(&healthy)).expect("written");
            let outcome = run(place.path(), &input);
            if *fault == "none" {
                assert_eq!((outcome.status, outcome.ids.len()), (0, RECORDS), "{format}");
            }
            let _ = writeln!(table, "{}", cell(format, fault, &outcome));
        }
    }
    in_the_docs("fault matrix", &table);
}

/// Compares a table with the one between its marks in docs/reliability.md, or writes it there.
fn in_the_docs(name: &str, table: &str) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let text = fs::read_to_string(&path).expect("docs/reliability.md");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = text.find(&begin).expect("a place for the table") + begin.len();
    let to = text.find(&end).expect("the end of the table");
    if std::env::var_os("PARABLE_WRITE_TABLE").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..from], &text[to..])).expect("written");
    } else {
        assert_eq!(&text[from..to], table, "docs/reliability.md tells what was found");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    fs::write(root.join("good.jsonl"), record(1)).expect("written");
    std::os::unix::fs::symlink(root.join("loop.jsonl"), root.join("loop.jsonl")).expect("a link");
    let gone = run(root, &root.join("gone.jsonl"));
    assert_eq!(gone.status, 2);
    assert!(gone.stderr.contains("gone.jsonl"), "{}", gone.stderr);
    let round = run(root, &root.join("loop.jsonl"));
    assert_eq!(round.status, 2);
    assert!(round.stderr.contains("loop.jsonl"), "{}", round.stderr);
}

#[test]
fn a_bomb_is_cut_off() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let line = format!("{{\"id\":\"b\",\"text\":\"{}\"}}\n", "a".repeat(1 << 20));
    let zeros = line.repeat(400);
    let input = place.path().join("bomb.jsonl.zst");
    fs::write(&input, zstd::encode_all(zeros.as_bytes(), 19).expect("a frame")).expect("written");
    let outcome = run(place.path(), &input);
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    let damage = outcome.ledger["shards"][0]["damage"].to_string();
    assert!(damage.contains("--max-expansion"), "it says which limit to raise: {damage}");
}
