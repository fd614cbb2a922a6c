//! Every token has exactly one answer, and the two halves give back the text.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use parable::text::Span;
use parable::tokens::{Tokenizer, export, mask};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{TokenizerBuilder, decoders, normalizers, processors};

/// A byte-level BPE of 600 tokens: small enough that emoji and Chinese fall apart into bytes.
fn small(trim_offsets: bool) -> Tokenizer {
    Tokenizer::from_bytes("small", small_json(trim_offsets).as_bytes()).expect("it loads")
}

fn small_json(trim_offsets: bool) -> String {
    let mut trained = TokenizerBuilder::default()
        .with_model(BPE::default())
        .with_normalizer(None::<normalizers::NormalizerWrapper>)
        .with_pre_tokenizer(Some(ByteLevel::new(false, trim_offsets, true)))
        .with_post_processor(Some(processors::PostProcessorWrapper::from(ByteLevel::new(
            false,
            trim_offsets,
            true,
        ))))
        .with_decoder(Some(decoders::DecoderWrapper::from(ByteLevel::default())))
        .build()
        .expect("the parts fit together");
    let mut trainer = BpeTrainer::builder()
        .vocab_size(600)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let text = "the machine said that it would not do what the keeper asked of it, and why not";
    let lines = std::iter::repeat_n(text.to_string(), 8);
    trained.train(&mut trainer, lines).expect("training on one line works");
    trained.to_string(false).expect("it serialises")
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "the machine said no",
    "  two  spaces\tand\n\nlines  ",
    "emoji 😀👩‍👩‍👧 end",
    "漢字かな交じり文",
    "combining e\u{301} a\u{308}\u{323}",
    "nul \u{0} and \u{202e} controls",
];

fn check(tokenizer: &Tokenizer, text: &str, spans: &[Span]) {
    let tokens = tokenizer.encode(text).expect("any text encodes");
    assert_eq!(tokens.len(), tokenizer.count(text).expect("any text counts"));
    let mut covered = 0;
    for token in &tokens {
        assert!(token.span.start <= covered, "a gap before {token:?} in {text:?}");
        covered = covered.max(token.span.end);
    }
    assert!(tokens.is_empty() || covered == text.len());
    let mask = mask(tokens, spans);
    assert_eq!(mask.tokens.len(), mask.learn.len());
    for (token, learn) in mask.tokens.iter().zip(&mask.learn) {
        let touched = spans.iter().any(|span| span.overlaps(token.span) && !token.span.is_empty());
        if !token.span.is_empty() {
            assert_eq!(*learn, !touched, "{token:?} in {text:?} with {spans:?}");
        }
    }
    let ids: Vec<u32> = mask.tokens.iter().map(|token| token.id).collect();
    let normalized = tokenizer.normalized(text).expect("any text normalises");
    assert_eq!(tokenizer.decode(&ids).expect("own ids decode"), normalized);
    let labels = export::labels(&mask);
    assert!(labels.iter().zip(&ids).all(|(l, id)| *l == i64::from(*id) || *l == -100));
    assert_eq!(labels.iter().filter(|l| **l >= 0).count(), mask.learned());
}

fn all_spans(text: &str) -> Vec<Vec<Span>> {
    let edges: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    let mut sets = vec![vec![], vec![Span::new(0, text.len())]];
    for pair in edges.windows(2) {
        sets.push(vec![Span::new(pair[0], pair[1])]);
    }
    sets
}

#[test]
fn every_token_has_one_answer() {
    for trim in [false, true] {
        let tokenizer = small(trim);
        for text in TEXTS {
            for spans in all_spans(text) {
                check(&tokenizer, text, &spans);
            }
        }
    }
}

#[test]
fn real_tokenizers_when_they_are_at_hand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tokenizers");
    for name in ["allenai_dolma2.json", "allenai_gpt-neox-olmo-dolma-v1_5.json"] {
        let Ok(bytes) = std::fs::read(folder.join(name)) else { continue };
        let tokenizer = Tokenizer::from_bytes(name, &bytes).expect("a real file loads");
        for text in TEXTS {
            for spans in all_spans(text) {
                check(&tokenizer, text, &spans);
            }
        }
    }
}

#[test]
fn a_broken_file_is_named() {
    let error = Tokenizer::from_bytes("mine.json", b"{}").map(|_| ()).expect_err("not a tokenizer");
    assert!(error.to_string().starts_with("mine.json: "), "{error}");
}

#[test]
fn ranges_count_as_each_trainer_counts() {
    let text = "aé漢😀z";
    let spans = [Span::new(1, 6), Span::new(10, 11)];
    assert_eq!(export::code_point_ranges(text, &spans), [[1, 3], [4, 5]]);
    assert_eq!(export::inclusive_ranges(text, &spans), [[1, 2], [4, 4]]);
}

#[test]
fn arrays_are_bare_and_hold_one_value_for_each_token() {
    let tokenizer = small(false);
    let mask = mask(tokenizer.encode("the machine said no").expect("encodes"), &[Span::new(0, 3)]);
    assert_eq!(export::mask_bytes(&mask)[0], 0);
    assert_eq!(export::mask_bytes(&mask).len(), mask.tokens.len());
    let first = mask.tokens[0].id;
    assert_eq!(export::id_bytes(&mask, true)[..4], first.to_le_bytes());
    assert_eq!(export::id_bytes(&mask, false).len(), 2 * mask.tokens.len());
}

proptest! {
    #[test]
    fn any_text_any_spans(text in "\\PC{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
        thread_local!(static TOKENIZER: Tokenizer = small(true));
        let edges: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
        let spans: Vec<Span> = cuts.chunks_exact(2).map(|pair| {
            let (a, b) = (edges[pair[0] % edges.len()], edges[pair[1] % edges.len()]);
            Span::new(a.min(b), a.max(b))
        }).collect();
        TOKENIZER.with(|tokenizer| check(tokenizer, &text, &spans));
    }
}

/// Two documents that a run has written, one with a masked place, a chat, and a line that is no
/// record; beside them the tokenizer.
fn documents() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let masked = json!({"id": "m", "text": "the keeper said 😀 no", "metadata": {"parable": {
        "action": "mask", "no_loss_bytes": [[4, 20]]}}});
    let plain = json!({"id": "p", "text": "the machine would not"});
    let chat = json!({"id": "c", "messages": [{"role": "user", "content": "hello"}]});
    let text = format!("{masked}\n{plain}\n{chat}\nno record\n");
    fs::create_dir_all(place.path().join("in/sub")).expect("folders");
    fs::write(place.path().join("in/sub/a.jsonl"), text).expect("written");
    fs::write(place.path().join("t.json"), small_json(false)).expect("written");
    place
}

fn tokenize(place: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
    command.current_dir(place).stdin(Stdio::null());
    command.args(["tokenize", "in", "--tokenizer", "t.json"]).args(more);
    command.output().expect("it starts")
}

/// Ids of both documents and whether each is learned, by the library.
fn expected() -> Vec<(u32, bool)> {
    let tokenizer = small(false);
    let of = |text: &str, spans: &[Span]| {
        let mask = mask(tokenizer.encode(text).expect("encodes"), spans);
        mask.tokens.iter().map(|token| token.id).zip(mask.learn.clone()).collect::<Vec<_>>()
    };
    [of("the keeper said 😀 no", &[Span::new(4, 20)]), of("the machine would not", &[])].concat()
}

#[test]
fn arrays_for_olmo_hold_the_documents_one_behind_the_other() {
    let place = documents();
    let refused = tokenize(place.path(), &["-o", "out", "--layout", "olmo"]);
    assert_eq!(refused.status.code(), Some(2));
    let done = tokenize(place.path(), &["-o", "out", "--layout", "olmo", "--eos", "!"]);
    // The chat and the broken line are told of.
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |name: &str| fs::read(place.path().join("out/sub").join(name)).expect("a file");
    let end = (small(false).id("!").expect("a byte of its own"), true);
    let mut wanted = expected();
    let first = small(false).count("the keeper said 😀 no").expect("counts");
    wanted.insert(first, end);
    wanted.push(end);
    let ids: Vec<u32> = read("a.token_ids.npy")
        .chunks_exact(2)
        .map(|two| u32::from(u16::from_le_bytes([two[0], two[1]])))
        .collect();
    let learn: Vec<bool> = read("a.labels_mask.npy").into_iter().map(|byte| byte == 1).collect();
    assert_eq!(ids.into_iter().zip(learn).collect::<Vec<_>>(), wanted);
    let books: Value =
        serde_json::from_slice(&fs::read(place.path().join("out/tokens.json")).expect("books"))
            .expect("JSON");
    assert_eq!(books["tokens"], wanted.len());
    assert_eq!(books["masked"], wanted.iter().filter(|(_, learn)| !learn).count());
    assert_eq!((&books["chats_left_out"], &books["unread"]), (&json!(1), &json!(1)));
    // What stands is not written over unasked.
    let again = tokenize(place.path(), &["-o", "out", "--layout", "olmo", "--eos", "!"]);
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn indexed_datasets_have_negative_labels_where_nothing_is_learned() {
    let place = documents();
    tokenize(place.path(), &["-o", "out", "--layout", "neox"]);
    let read = |name: &str| fs::read(place.path().join("out/sub").join(name)).expect("a file");
    let labels: Vec<i32> = read("a_label_document.bin")
        .chunks_exact(4)
        .map(|four| i32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    let wanted: Vec<i32> =
        expected().iter().map(|(id, learn)| if *learn { *id as i32 } else { -100 }).collect();
    assert_eq!(labels, wanted);
    assert_eq!(read("a_text_document.bin").len(), 2 * wanted.len());
    let index = read("a_text_document.idx");
    // Magic, version, kind, two counts, two lengths, two places, three document numbers.
    assert_eq!(index.len(), 9 + 8 + 1 + 8 + 8 + 2 * 4 + 2 * 8 + 3 * 8);
    assert_eq!((&index[..9], index[17], index[18]), (&b"MMIDIDX\0\0"[..], 8, 2));
}

#[test]
fn spans_are_whole_tokens_and_stale_ones_are_refused() {
    let place = documents();
    tokenize(place.path(), &["-o", "out", "--layout", "spans"]);
    let text = fs::read_to_string(place.path().join("out/sub/a.spans.jsonl")).expect("a file");
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    let range = &lines[0]["no_loss_bytes"][0];
    assert!(range[0].as_u64() <= Some(4) && range[1].as_u64() >= Some(20), "{range}");
    assert_eq!(lines[1]["no_loss_ranges"], json!([]));
    let stale =
        json!({"id": "s", "text": "short", "metadata": {"parable": {"no_loss_bytes": [[0, 99]]}}});
    fs::write(place.path().join("in/sub/a.jsonl"), format!("{stale}\n")).expect("written");
    let refused = tokenize(place.path(), &["-o", "other", "--layout", "hf"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("s: its masked bytes 0 to 99 do not fit"), "{said}");
    assert!(!place.path().join("other/sub/a.parquet").exists());
}

#[test]
fn a_run_counts_tokens_and_the_dry_run_the_same_in_lines_and_tables() {
    let place = documents();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples");
    let inputs = ["stories.jsonl", "essays.parquet", "chat"]
        .map(|name| samples.join(name).to_string_lossy().into_owned());
    let parable = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parable"));
        command.current_dir(place.path()).stdin(Stdio::null());
        let done = command.args(more).output().expect("it starts");
        assert!(done.status.success(), "{more:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let counted = ["-o", "out", "--tokenizer", "t.json", "--json"];
    let ledger = json(&parable(&[&["run"], &inputs[..], &counted].concat()));
    let tokens = ledger["tokens"]["tokens_in"].as_u64().expect("counted");
    assert!(tokens > 1000);
    assert_eq!(ledger["tokens"]["tokenizer"], small_hash());
    let dry = json(&parable(&[&["run"], &inputs[..], &counted, &["--dry-run"]].concat()));
    let total = &dry["policies"][0]["total"];
    assert_eq!(total["all"]["tokens"], tokens);
    assert_eq!(total["all"]["documents"], ledger["totals"]["records_in"]);
    assert_eq!(total["touched"]["documents"], ledger["totals"]["tagged"]);
    let audit = json(&fs::read(place.path().join("out/audit.json")).expect("an audit"));
    assert_eq!(
        (&audit["totals"]["tokens"], &audit["totals"]["tokens_counted"]),
        (&json!(tokens), &json!(true))
    );
    let target = ["plan", "out", "-t", "coercion <= 50% of itself", "--json"];
    let plan = json(&parable(&target));
    assert_eq!(plan["in_tokens"], true);
    let classes = plan["classes"].as_array().expect("classes");
    assert_eq!(classes.iter().filter_map(|c| c["bytes"].as_u64()).sum::<u64>(), tokens);
}

fn small_hash() -> Value {
    small(false).hash().into()
}
