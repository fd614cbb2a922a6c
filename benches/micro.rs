//! One function at a time, on generated lines: for finding out whether a change to it helped.
//! `cargo bench --bench micro -- gate` runs those whose names have `gate` in them. With
//! `PARABLE_BENCH_LINES=FILE` the lines come from a JSON Lines file instead, its first 16 MB. The
//! benches of tokens need `PARABLE_BENCH_TOKENIZER=tokenizer.json`.

use std::sync::{Arc, LazyLock};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parable::attribute;
use parable::bench;
use parable::document::Document;
use parable::filter::FilterSet;
use parable::pipeline::{RunConfig, TablePass};
use parable::scan::{Gate, GateLevel, Scanner};
use parable::score::{Model, Scorer};
use parable::shard::lines::{BlockReader, Chunk};
use parable::shard::{FieldPaths, Limits, Record};
use parable::text::Span;
use parable::tokens::{Tokenizer, mask};

const BYTES: usize = 16 << 20;
/// Bytes that the gate is given at a time, as in a run.
const BLOCK: usize = 256 << 10;

static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| match std::env::var("PARABLE_BENCH_LINES") {
    Ok(path) => {
        let mut lines = std::fs::read(&path).expect("PARABLE_BENCH_LINES is a file");
        lines.truncate(BYTES);
        let last = lines.iter().rposition(|b| *b == b'\n').expect("whole lines");
        lines.truncate(last + 1);
        lines
    }
    Err(_) => bench::sample(BYTES, 0, FilterSet::embedded()),
});

/// Texts that the gate admits, at most a thousand.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let gate = Gate::new(FilterSet::embedded(), GateLevel::Named);
    let admitted = LINES.split(|b| *b == b'\n').filter(|line| gate.admits(line));
    let text = |line: &[u8]| {
        let record = Record::parse(line).ok()?;
        let document = record.document(&FieldPaths::default(), String::new).ok()?;
        Some(document.text.into_owned())
    };
    admitted.filter_map(text).take(1000).collect()
});

/// The tokenizer by itself, as its library loads it, and ours around it.
static TOKENIZERS: LazyLock<Option<(tokenizers::Tokenizer, Tokenizer)>> = LazyLock::new(|| {
    let path = std::env::var("PARABLE_BENCH_TOKENIZER").ok()?;
    let bytes = std::fs::read(&path).expect("PARABLE_BENCH_TOKENIZER is a file");
    let alone = tokenizers::Tokenizer::from_bytes(&bytes).expect("a tokenizer");
    Some((alone, Tokenizer::from_bytes(&path, &bytes).expect("a tokenizer")))
});

fn main() {
    divan::main();
}

/// What is done with every text, by the tokenizer alone (`alone`) and by ours (`ours`).
#[divan::bench(args = ["alone", "ours"], sample_count = 7)]
fn tokens_counted(bencher: Bencher<'_, '_>, whose: &str) {
    let Some((alone, ours)) = &*TOKENIZERS else { return };
    bencher.counter(bytes_of_texts()).bench_local(|| {
        let count = |text: &String| match whose {
            "alone" => alone.encode_fast(text.as_str(), false).expect("encodes").len(),
            _ => ours.count(text).expect("counts"),
        };
        TEXTS.iter().map(count).sum::<usize>()
    });
}

/// Tokens with their places; ours also with a mask over every tenth of the text.
#[divan::bench(args = ["alone", "ours"], sample_count = 7)]
fn tokens_masked(bencher: Bencher<'_, '_>, whose: &str) {
    let Some((alone, ours)) = &*TOKENIZERS else { return };
    bencher.counter(bytes_of_texts()).bench_local(|| {
        let learned = |text: &String| match whose {
            "alone" => alone.encode(text.as_str(), false).expect("encodes").len(),
            _ => {
                let spans: Vec<Span> = (0..10)
                    .map(|nth| text.floor_char_boundary(nth * text.len() / 10))
                    .map(|start| Span::new(start, text.ceil_char_boundary(start + 20)))
                    .collect();
                mask(ours.encode(text).expect("encodes"), &spans).learned()
            }
        };
        TEXTS.iter().map(learned).sum::<usize>()
    });
}

fn bytes_of_texts() -> BytesCount {
    BytesCount::new(TEXTS.iter().map(String::len).sum::<usize>())
}

fn gate(bencher: Bencher<'_, '_>, gate: &Gate) {
    let mut marks = Vec::new();
    bencher.counter(BytesCount::new(LINES.len())).bench_local(|| {
        for block in LINES.chunks(BLOCK) {
            marks.clear();
            gate.marks(black_box(block), &mut marks);
        }
        marks.len()
    });
}

#[divan::bench(args = ["fast", "wide"], sample_count = 20)]
fn gate_windows(bencher: Bencher<'_, '_>, level: &str) {
    gate(bencher, &Gate::new(FilterSet::embedded(), level_of(level)));
}

#[divan::bench(args = ["fast", "wide"], sample_count = 5)]
fn gate_automaton(bencher: Bencher<'_, '_>, level: &str) {
    gate(bencher, &Gate::by_automaton(FilterSet::embedded(), level_of(level)));
}

fn level_of(name: &str) -> GateLevel {
    if name == "wide" { GateLevel::Wide } else { GateLevel::Named }
}

#[divan::bench(sample_count = 20)]
fn blocks_of_lines(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(LINES.len())).bench_local(|| {
        let mut reader = BlockReader::new(LINES.as_slice(), 1 << 20);
        let mut lines = 0;
        while let Chunk::Lines(block) = reader.next_chunk() {
            if block.is_empty() {
                break;
            }
            lines += memchr::memchr_iter(b'\n', block).count();
        }
        lines
    });
}

#[divan::bench(sample_count = 20)]
fn parse_records(bencher: Bencher<'_, '_>) {
    let fields = FieldPaths::default();
    bencher.counter(BytesCount::new(LINES.len())).bench_local(|| {
        let mut ids = 0;
        for line in LINES.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let record = Record::parse(black_box(line)).expect("is a record");
            ids += record.document_if(&fields, false, String::new).expect("has a text").id.len();
        }
        ids
    });
}

#[divan::bench(sample_count = 5)]
fn score_documents(bencher: Bencher<'_, '_>) {
    let mut scorer = Scorer::new(Model::embedded());
    bencher.counter(bytes_of_texts()).bench_local(|| {
        TEXTS.iter().map(|text| scorer.score(&Document::plain("", text)).coercion).sum::<f32>()
    });
}

#[divan::bench(sample_count = 5)]
fn run_rules(bencher: Bencher<'_, '_>) {
    let mut scanner = Scanner::new(FilterSet::embedded().clone());
    bencher.counter(bytes_of_texts()).bench_local(|| {
        TEXTS.iter().map(|text| scanner.scan(&Document::plain("", text)).hits.len()).sum::<usize>()
    });
}

#[divan::bench(sample_count = 20)]
fn write_attributes(bencher: Bencher<'_, '_>) {
    let mut scorer = Scorer::new(Model::embedded());
    let rows: Vec<_> =
        TEXTS.iter().map(|text| (text, scorer.score(&Document::plain("", text)))).collect();
    let mut out = Vec::new();
    bencher.counter(bytes_of_texts()).bench_local(|| {
        out.clear();
        for (text, verdict) in &rows {
            attribute::write_row("an id", None, text, Some(verdict), &mut out);
        }
        out.len()
    });
}

/// Ids and texts of all lines as a table, in batches of 1,024 rows: what `score_batch` of the Python
/// package does, without Python. `benches/python.py` is the other half of that comparison.
#[divan::bench(sample_count = 5)]
fn score_tables(bencher: Bencher<'_, '_>) {
    let pass = TablePass::new(scan_config());
    let batches = batches();
    let texts: usize = batches.iter().map(|b| b.column(1).to_data().buffers()[1].len()).sum();
    bencher.counter(BytesCount::new(texts)).bench_local(|| {
        let mut worker = pass.worker();
        let mut rows = 0;
        for batch in &batches {
            let passed = worker.batch(batch, "bench", rows).expect("has the columns");
            rows += passed.attributes.num_rows() as u64;
        }
        rows
    });
}

fn batches() -> Vec<RecordBatch> {
    let documents: Vec<(String, String)> = LINES
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let record = Record::parse(line).ok()?;
            let document = record.document(&FieldPaths::default(), String::new).ok()?;
            Some((document.id.into_owned(), document.text.into_owned()))
        })
        .collect();
    let batch = |rows: &[(String, String)]| {
        let ids: StringArray = rows.iter().map(|row| Some(&*row.0)).collect();
        let texts: StringArray = rows.iter().map(|row| Some(&*row.1)).collect();
        let columns: [(_, ArrayRef); 2] = [("id", Arc::new(ids)), ("text", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).expect("columns of one length")
    };
    documents.chunks(1024).map(batch).collect()
}

fn scan_config() -> RunConfig {
    RunConfig {
        inputs: Vec::new(),
        out: std::path::PathBuf::new(),
        upload: None,
        scan_only: true,
        policy: Arc::new(parable::cli::load_policy("tag-only").expect("is built in")),
        refill: None,
        filters: FilterSet::embedded().clone(),
        model: Model::embedded(),
        aides: parable::score::Aides::default(),
        tokenizer: None,
        threads: 1,
        resume: false,
        force: false,
        seed: 0,
        gate: GateLevel::Fast,
        limit: None,
        fields: FieldPaths::default(),
        limits: Limits::default(),
        rank: 0,
        world: 1,
    }
}
