//! A byte that changed inside a compressed stream, and a line too deep for other readers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};

use super::run;

/// Lines that differ enough for a wrong reference to make another line of them.
fn records() -> BTreeMap<String, String> {
    let trades = ["baker", "sailor", "tailor", "cooper", "glazier", "farrier", "miller", "potter"];
    let line = |n: usize| {
        let (a, b, c) = (trades[n % 8], trades[n / 3 % 8], trades[n / 7 % 8]);
        let text =
            format!("The {a} sold {n} loaves to the {b}, who gave {} to the {c}.", n * 37 % 101);
        (format!("\"r{n:05}\""), format!("{{\"id\":\"r{n:05}\",\"text\":\"{text}\"}}"))
    };
    (0..6_000).map(line).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("compresses");
    encoder.finish().expect("ends")
}

fn zst(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("with a checksum");
    encoder.write_all(text).expect("compresses");
    encoder.finish().expect("ends")
}

fn text_of(path: &std::path::Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let mut text = String::new();
    let mut decoder: Box<dyn Read> = match path.to_string_lossy().ends_with(".gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(&bytes[..])),
        false => Box::new(zstd::stream::read::Decoder::new(&bytes[..]).expect("a decoder")),
    };
    decoder.read_to_string(&mut text).expect("sound output");
    text
}

/// Wherever one byte changes, what comes out is what was stored, and nothing comes twice.
#[test]
fn a_changed_byte_lets_no_altered_record_through() {
    let sound = records();
    let lines: Vec<&String> = sound.values().collect();
    let half = |part: &[&String]| part.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (first, second) = (half(&lines[..3_000]), half(&lines[3_000..]));
    let (mut quarantined, mut whole) = (0, 0);
    for (name, pack) in [("a.jsonl.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.jsonl.zst", zst)] {
        let stored = [pack(first.as_bytes()), pack(second.as_bytes())].concat();
        for nth in 0..24 {
            let place = tempfile::tempdir().expect("a temporary folder");
            let input = place.path().join(name);
            let mut bytes = stored.clone();
            let at = 40 + nth * (stored.len() - 80) / 24;
            bytes[at] ^= 1 << (nth % 8);
            fs::write(&input, bytes).expect("written");
            let outcome = run(place.path(), &input);
            let text = text_of(&place.path().join("out/documents").join(name));
            for line in text.lines() {
                let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let own = sound.get(&record["id"].to_string()).map(String::as_str);
                let stored = line.split(",\"metadata\"").next().expect("a first part");
                let stored = format!("{}}}", stored.trim_end_matches('}'));
                assert_eq!(own, Some(stored.as_str()), "{name}, byte {at}");
            }
            let mut ids = outcome.ids.clone();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), outcome.ids.len(), "{name}, byte {at}: ids come twice");
            assert!(ids.len() >= 2_900, "{name}, byte {at}: the other half is sound");
            quarantined += outcome.ledger["totals"]["quarantined"].as_u64().expect("a count");
            whole += usize::from(ids.len() == sound.len());
        }
    }
    assert!(quarantined > 3_000, "some damage shows only in the checksum: {quarantined}");
    assert_eq!(whole, 0, "no change goes unnoticed");
}

#[test]
fn a_record_too_deep_for_other_readers_is_kept_out() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let input = place.path().join("a.jsonl");
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let line =
        |id: &str, n| format!("{{\"id\":\"{id}\",\"text\":\"t\",\"metadata\":{}}}\n", nested(n));
    let lines = line("ok", 100) + &line("deep", 512) + &line("deeper", 100_000);
    fs::write(&input, lines).expect("written");
    let outcome = run(place.path(), &input);
    assert_eq!((outcome.status, outcome.ids), (1, vec!["\"ok\"".to_owned()]));
    let why = fs::read_to_string(place.path().join("out/quarantine/a.jsonl.jsonl")).expect("rows");
    assert_eq!(why.matches("more than 512 levels deep (raise --max-nesting)").count(), 2);
}
