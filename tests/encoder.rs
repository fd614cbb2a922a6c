//! The sentence encoder: its numbers, the band, threads, and everything that can be wrong with a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parable::encoder::{Encoder, Files};
use parable::score::Model;
use parable::score::opinion::{Band, Head, QUESTIONS, Question};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainerBuilder};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, TokenizerBuilder, decoders, normalizers, pre_tokenizers, processors};

const HIDDEN: usize = 32;
const LAYERS: usize = 2;
const WIDE: usize = 64;
const POSITIONS: usize = 64;

/// Tensor names with their shapes, in the order of names.
fn shapes(words: usize) -> BTreeMap<String, Vec<usize>> {
    let mut all = BTreeMap::new();
    let mut add = |name: String, shape: &[usize]| all.insert(name, shape.to_vec());
    for (table, rows) in [("word", words), ("position", POSITIONS), ("token_type", 2)] {
        add(format!("embeddings.{table}_embeddings.weight"), &[rows, HIDDEN]);
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..LAYERS {
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        for (part, to, from) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", WIDE, HIDDEN),
            ("output.dense", HIDDEN, WIDE),
        ] {
            add(at(&format!("{part}.weight")), &[to, from]);
            add(at(&format!("{part}.bias")), &[to]);
        }
        norms.extend([at("attention.output.LayerNorm"), at("output.LayerNorm")]);
    }
    for norm in norms {
        add(format!("{norm}.weight"), &[HIDDEN]);
        add(format!("{norm}.bias"), &[HIDDEN]);
    }
    all
}

/// Weights by the formula of `tools/tiny_bert.py`.
fn weights(words: usize) -> Vec<u8> {
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (nth, (name, shape)) in shapes(words).into_iter().enumerate() {
        let norm = name.contains("LayerNorm.weight");
        let value = |i: usize| {
            let i = i as f64;
            let wave = (0.7 * nth as f64 + 0.37 * i + 0.001 * i * i).sin();
            (if norm { 1.0 + 0.1 * wave } else { 0.5 * wave }) as f32
        };
        let bytes = (0..shape.iter().product()).flat_map(|i| value(i).to_le_bytes()).collect();
        data.push((name, shape, bytes));
    }
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shapes fit");
        (name.clone(), view)
    });
    safetensors::serialize(views, None).expect("tensors are written")
}

fn config(words: usize) -> String {
    serde_json::json!({
        "model_type": "bert", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "intermediate_size": WIDE, "hidden_act": "gelu",
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": words,
        "layer_norm_eps": 1e-12, "position_embedding_type": "absolute",
    })
    .to_string()
}

/// A tokenizer whose words are `w0`, `w1`, … behind the special tokens: ids are known.
fn plain_tokenizer(words: usize) -> String {
    let vocab: serde_json::Map<String, serde_json::Value> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        .iter()
        .map(ToString::to_string)
        .chain((4..words).map(|id| format!("w{id}")))
        .enumerate()
        .map(|(id, word)| (word, id.into()))
        .collect();
    serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "decoder": null,
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 32 }, "direction": "Right", "pad_to_multiple_of": null,
                     "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]" },
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]" },
    })
    .to_string()
}

/// WordPiece trained on the sample stories.
fn trained_tokenizer() -> tokenizers::Tokenizer {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let template = TemplateProcessing::builder()
        .try_single("[CLS] $A [SEP]")
        .expect("a template")
        .special_tokens(vec![("[CLS]", 2), ("[SEP]", 3)])
        .build()
        .expect("a template");
    let mut tokenizer = TokenizerBuilder::default()
        .with_model(WordPiece::builder().unk_token("[UNK]".into()).build().expect("a model"))
        .with_normalizer(Some(normalizers::BertNormalizer::default()))
        .with_pre_tokenizer(Some(pre_tokenizers::bert::BertPreTokenizer))
        .with_post_processor(Some(processors::PostProcessorWrapper::from(template)))
        .with_decoder(None::<decoders::DecoderWrapper>)
        .build()
        .expect("the parts fit together");
    let mut trainer = WordPieceTrainerBuilder::new()
        .vocab_size(300)
        .show_progress(false)
        .special_tokens(special.map(|word| AddedToken::from(word, true)).to_vec())
        .build();
    let lines = sample("stories.jsonl").lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    tokenizer.train(&mut trainer, lines.into_iter()).expect("training works");
    tokenizer.to_string(false).expect("it serialises").parse().expect("it loads again")
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(sample_path(name)).expect("the sample is readable")
}

fn sample_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora-samples").join(name)
}

/// A folder with a whole small encoder, and room for outputs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        let tokenizer = trained_tokenizer();
        let words = tokenizer.get_vocab_size(true);
        std::fs::create_dir(place.0.path().join("bert")).expect("a folder");
        place.write("bert/config.json", config(words));
        place.write("bert/model.safetensors", weights(words));
        place.write("bert/tokenizer.json", tokenizer.to_string(false).expect("it serialises"));
        place
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), bytes).expect("a file is written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).expect("the file is there")
    }

    fn encoder(&self) -> Encoder {
        let files = ["config.json", "model.safetensors", "tokenizer.json"];
        let [config, weights, tokenizer] = files.map(|name| self.read(&format!("bert/{name}")));
        let (config, weights, tokenizer) = (&config, &weights, &tokenizer);
        Encoder::new(&Files { config, weights, tokenizer, pooling: None }).expect("it loads")
    }

    /// A head made by hand, which adds 2 to the log-odds of coercion whatever is read.
    fn head(&self, band: Band) -> Head {
        let question = |head: usize| Question {
            weights: vec![0.1; HIDDEN],
            bias: 2.0,
            own: 1.0,
            other: if head == QUESTIONS[0] { 1.0 } else { 0.0 },
            offset: 0.0,
        };
        Head {
            encoder: self.encoder().version().to_owned(),
            model: Model::embedded().version().to_owned(),
            windows: 3,
            band,
            questions: QUESTIONS.map(question).to_vec(),
        }
    }
}

fn parable(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parable")).args(words).output().expect("the program runs")
}

fn succeeds(words: &[&str]) {
    let output = parable(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn complaint(words: &[&str]) -> String {
    let output = parable(words);
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Id → coercion and admirable.
fn scores(rows: &[u8]) -> BTreeMap<String, [f64; 2]> {
    let text = String::from_utf8(rows.to_vec()).expect("rows are UTF-8");
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
            let score = |name: &str| {
                let spans = &row["attributes"][format!("parable__score__{name}")];
                spans[0][2].as_f64().unwrap_or(0.0)
            };
            let id = row["id"].as_str().expect("an id").to_owned();
            (id, [score("coercion"), score("admirable")])
        })
        .collect()
}

#[test]
fn vectors_are_those_of_transformers() {
    let words = 40;
    let (config, weights, tokenizer) = (config(words), weights(words), plain_tokenizer(words));
    let files = Files {
        config: config.as_bytes(),
        weights: &weights,
        tokenizer: tokenizer.as_bytes(),
        pooling: None,
    };
    let encoder = Encoder::new(&files).expect("it loads");
    for (text, expected, sum) in REFERENCE {
        let vector = encoder.embed(text).expect("any text is read");
        assert_eq!(vector.len(), HIDDEN);
        for (found, expected) in vector.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-5, "{text}: {vector:?}");
        }
        assert!((vector.iter().sum::<f32>() - sum).abs() < 1e-4, "{text}: {vector:?}");
    }
    // Longer than there are positions: the rest is cut off.
    let long = encoder.embed(&"w5 ".repeat(500)).expect("a long text is read");
    assert_eq!(long, encoder.embed(&"w5 ".repeat(62)).expect("a text is read"));
}

/// First numbers of each vector and the sum of all, as `tools/tiny_bert.py` printed them with
/// transformers and torch.
const REFERENCE: [(&str, [f32; 8], f32); 2] = [
    (
        "w5 w6 w7",
        [-0.271208, -0.112396, -0.013072, -0.429545, 0.108212, -0.027754, 0.177037, -0.079047],
        -0.112381,
    ),
    (
        "w11 w9 w30 w8 w8 w39 w4",
        [-0.409454, 0.008734, 0.150274, -0.242354, 0.024883, 0.079274, 0.001101, 0.038349],
        -0.166039,
    ),
];

#[test]
fn the_encoder_moves_what_lies_in_the_band_alike_at_any_number_of_threads() {
    let place = Place::new();
    let band = Band { low: 0.1, high: 0.6 };
    place.write("two.encoder", place.head(band).to_bytes());
    let (bert, head) = (place.at("bert"), place.at("two.encoder"));
    let stories = sample_path("stories.jsonl").display().to_string();
    let scan = |out: &str, more: &[&str]| {
        let out_path = place.at(out);
        let words = ["scan", &stories, "-o", &out_path, "-q", "--gate", "off"];
        succeeds(&[&words[..], more].concat());
        place.read(&format!("{out}/attributes/parable/stories.jsonl"))
    };
    let plain = scan("plain", &[]);
    let asked = ["--encoder", &bert, "--encoder-head", &head];
    let one = scan("one", &[&asked[..], &["-j", "1"]].concat());
    assert_eq!(one, scan("two", &[&asked[..], &["-j", "2"]].concat()));
    let (before, after) = (scores(&plain), scores(&one));
    let (mut moved, mut left) = (0, 0);
    for (id, old) in &before {
        if old.iter().any(|p| (0.1..=0.6).contains(p)) {
            assert!(after[id][0] > old[0], "{id}: {old:?} → {:?}", after[id]);
            moved += 1;
        } else {
            assert_eq!(after[id], *old, "{id}");
            left += 1;
        }
        assert_eq!(after[id][1], old[1], "{id}: the head says nothing of admirable conduct");
    }
    assert!(moved > 0 && left > 0, "{before:?}");
    let narrow = [&asked[..], &["--encoder-band", "0.99999-1"]].concat();
    assert_eq!(scan("narrow", &narrow), plain, "nothing lies in that band");
}

#[test]
fn a_head_is_fitted_beside_its_model_and_used_with_it() {
    let place = Place::new();
    let texts: Vec<String> = ["fiction-enacted-01", "plain-01", "human-01"]
        .iter()
        .flat_map(|name| {
            let text = sample(&format!("labelled/{name}.jsonl"));
            text.lines().take(16).map(ToOwned::to_owned).collect::<Vec<_>>()
        })
        .collect();
    place.write("labels.jsonl", texts.join("\n"));
    let (labels, model, bert) = (place.at("labels.jsonl"), place.at("m.model"), place.at("bert"));
    let words = ["fit", &labels, "--folds", "3", "-o", &model, "--encoder", &bert];
    let output = parable(&[&words[..], &["--encoder-band", "0.01-0.99"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("without") && said.contains("coercion AP"), "{said}");
    let head = Head::from_bytes(&place.read("m.encoder")).expect("the head loads");
    assert_eq!(head.encoder, place.encoder().version());
    assert_eq!(head.band, Band { low: 0.01, high: 0.99 });
    assert!(head.questions[0].weights.iter().any(|w| *w != 0.0));

    succeeds(&["eval", &labels, "--model", &model, "--encoder", &bert]);
    let head = place.at("m.encoder");
    let other = complaint(&["eval", &labels, "--encoder", &bert, "--encoder-head", &head]);
    assert!(other.contains("fitted beside the model"), "{other}");
}

#[test]
fn what_is_wrong_with_an_encoder_is_said() {
    let place = Place::new();
    place.write("two.encoder", place.head(Band::default()).to_bytes());
    let (bert, head) = (place.at("bert"), place.at("two.encoder"));
    let stories = sample_path("stories.jsonl").display().to_string();
    let basic = ["explain", &stories, "--encoder", &bert];
    let explain = |more: &[&str]| complaint(&[&basic[..], more].concat());
    let with = ["--encoder-head", head.as_str()];
    assert!(explain(&[]).contains("built-in model has no encoder head"));
    assert!(explain(&["--encoder-head", "gone.encoder"]).contains("gone.encoder"));
    assert!(explain(&["--encoder-head", &stories]).contains("not an encoder head"));
    assert!(explain(&["--encoder-band", "0.9-0.1"]).contains("0.05-0.8"));

    let mut foreign = place.head(Band::default());
    foreign.encoder = "0123456789abcdef".into();
    place.write("foreign.encoder", foreign.to_bytes());
    let said = explain(&["--encoder-head", &place.at("foreign.encoder")]);
    assert!(said.contains("fitted to the encoder 0123456789abcdef"), "{said}");

    let whole = place.read("bert/model.safetensors");
    place.write("bert/model.safetensors", &whole[..whole.len() / 2]);
    assert!(explain(&with).contains("model.safetensors"));
    place.write("bert/model.safetensors", weights(7));
    let said = explain(&with);
    assert!(said.contains("word_embeddings.weight` has the shape [7, 32]"), "{said}");
    place.write("bert/model.safetensors", &whole);

    let config = place.read("bert/config.json");
    let text = String::from_utf8(config.clone()).expect("UTF-8");
    for (from, to, hint) in [
        ("\"bert\"", "\"roberta\"", "only \"bert\" is known"),
        ("\"gelu\"", "\"silu\"", "only \"gelu\" is known"),
        ("\"num_attention_heads\":4", "\"num_attention_heads\":5", "no multiple of 5"),
        ("{", "[", "config.json"),
    ] {
        place.write("bert/config.json", text.replacen(from, to, 1));
        let said = explain(&with);
        assert!(said.contains(hint), "{said}");
    }
    place.write("bert/config.json", config);

    std::fs::create_dir(place.0.path().join("bert/1_Pooling")).expect("a folder");
    place.write("bert/1_Pooling/config.json", r#"{"pooling_mode_cls_token":true}"#);
    assert!(explain(&with).contains("means over tokens"));
    place.write("bert/1_Pooling/config.json", r#"{"pooling_mode_mean_tokens":true}"#);
    succeeds(&["explain", &stories, "--encoder", &bert, "--encoder-head", &head]);

    place.write("bert/tokenizer.json", "{}");
    assert!(explain(&with).contains("tokenizer.json"));
    std::fs::remove_file(place.0.path().join("bert/tokenizer.json")).expect("it is there");
    assert!(explain(&with).contains("tokenizer.json"));
}
