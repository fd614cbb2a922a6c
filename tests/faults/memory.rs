//! What hostile inputs cost in memory. Each peak is measured on the program itself and must stay
//! below the bound that docs/reliability.md states; `--nocapture` shows the figures.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::machine::SHIM;
use super::record;

const MB: u64 = 1_000_000;

/// Peak resident bytes and exit status of a run with two threads.
fn peak(input: &Path) -> (u64, Option<i32>) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let figure = place.path().join("peak");
    let mut run = Command::new(env!("CARGO_BIN_EXE_parable"));
    run.args(["run", "-q", "-j", "2", "-p", "tag-only", "--no-report", "-o"]);
    run.arg(place.path().join("out")).arg(input).stdin(Stdio::null()).stderr(Stdio::null());
    run.env("LD_PRELOAD", SHIM.as_os_str()).env("PEAK_FILE", &figure);
    let status = run.status().expect("it starts");
    let kilobytes = fs::read_to_string(&figure).expect("a figure");
    (kilobytes.trim().parse::<u64>().expect("a number") * 1024, status.code())
}

fn check(name: &str, input: &Path, status: i32, most: u64) {
    let (bytes, ended) = peak(input);
    eprintln!("{name}: {} MB, status {ended:?}", bytes / MB);
    assert_eq!(ended, Some(status), "{name}");
    assert!(bytes <= most * MB, "{name}: {} MB, more than {most}", bytes / MB);
}

/// Writes to a file what `fill` writes to a buffered one.
fn file(folder: &Path, name: &str, fill: impl FnOnce(&mut dyn Write)) -> std::path::PathBuf {
    let path = folder.join(name);
    let mut out = BufWriter::new(File::create(&path).expect("a file"));
    fill(&mut out);
    out.flush().expect("written");
    path
}

#[test]
fn long_lines_and_deep_ones_stay_within_bounds() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let small = file(place.path(), "small.jsonl", |out| {
        out.write_all(record(1).as_bytes()).expect("written");
    });
    check("one record", &small, 0, 200);
    let long = file(place.path(), "long.jsonl", |out| {
        out.write_all(b"{\"text\":\"").expect("written");
        (0..200).for_each(|_| out.write_all(&[b'a'; 1_000_000]).expect("written"));
        out.write_all(b"\"}\n").expect("written");
        out.write_all(record(1).as_bytes()).expect("written");
    });
    check("a line of 200 MB", &long, 1, 350);
    let deep = file(place.path(), "deep.jsonl", |out| {
        out.write_all(b"{\"text\":").expect("written");
        (0..20).for_each(|_| out.write_all(&[b'['; 1_000_000]).expect("written"));
        out.write_all(b"\n").expect("written");
        out.write_all(record(1).as_bytes()).expect("written");
    });
    check("20,000,000 levels of JSON", &deep, 1, 350);
}

#[test]
fn bombs_stay_within_bounds() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let blank = vec![b'a'; 1 << 20];
    let zst = file(place.path(), "bomb.jsonl.zst", |out| {
        let mut encoder = zstd::stream::write::Encoder::new(out, 3).expect("an encoder");
        (0..1000).for_each(|_| encoder.write_all(&blank).expect("written"));
        encoder.finish().expect("ends");
    });
    check("1 GiB in one zst frame", &zst, 1, 400);
    let wide = file(place.path(), "window.jsonl.zst", |out| {
        let mut encoder = zstd::stream::write::Encoder::new(out, 1).expect("an encoder");
        encoder.window_log(27).expect("a window");
        (0..300).for_each(|_| encoder.write_all(&blank).expect("written"));
        encoder.finish().expect("ends");
    });
    check("a zst window of 128 MiB", &wide, 1, 550);
    let gz = file(place.path(), "bomb.jsonl.gz", |out| {
        let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        (0..1000).for_each(|_| encoder.write_all(&blank).expect("written"));
        encoder.finish().expect("ends");
    });
    check("1 GiB in one gzip member", &gz, 1, 400);
}

#[test]
fn a_table_of_many_columns_stays_within_bounds() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let names = (0..1999).map(|n| format!("c{n}")).chain(["text".into()]);
    let fields: Vec<Field> = names.map(|n| Field::new(n, DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a word or two"; 500]));
    let batch = RecordBatch::try_new(schema.clone(), vec![column; 2000]).expect("a batch");
    let path = place.path().join("wide.parquet");
    let out = File::create(&path).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(out, schema, None).expect("a writer");
    (0..4).for_each(|_| writer.write(&batch).expect("written"));
    writer.close().expect("closed");
    check("a Parquet file of 2,000 columns", &path, 0, 700);
}
