//! Every token has exactly one answer, and the two halves give back the text.

use std::path::Path;

use parable::text::Span;
use parable::tokens::{Tokenizer, export, mask};
use proptest::prelude::*;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{TokenizerBuilder, decoders, normalizers, processors};

/// A byte-level BPE of 600 tokens: small enough that emoji and Chinese fall apart into bytes.
fn small(trim_offsets: bool) -> Tokenizer {
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
    let json = trained.to_string(false).expect("it serialises");
    Tokenizer::from_bytes("small", json.as_bytes()).expect("it loads")
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
fn npy_files_have_an_aligned_header_and_one_value_per_token() {
    let tokenizer = small(false);
    let mask = mask(tokenizer.encode("the machine said no").expect("encodes"), &[Span::new(0, 3)]);
    let file = export::npy_mask(&mask);
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    assert_eq!(header % 64, 0);
    assert_eq!(file.len() - header, mask.tokens.len());
    assert_eq!(file[header], 0);
    assert_eq!(export::npy_ids(&mask).len(), header + 4 * mask.tokens.len());
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
