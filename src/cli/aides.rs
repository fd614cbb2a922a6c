//! What can be asked besides model and rules: `--encoder` and `--fasttext`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::encoder::{Encoder, Files};
use crate::score::fasttext::Classifier;
use crate::score::opinion::{Band, Head, Opinion};
use crate::score::{Aides, Model};

/// The options of every verb that judges documents.
#[derive(clap::Args, Debug, Default)]
pub struct AideArgs {
    /// Ask a sentence encoder too where the model is not sure: a folder with config.json,
    /// model.safetensors and tokenizer.json (BERT type). Needs a head fitted by `parable fit`
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// The encoder's head; without it, the file beside --model that ends in .encoder
    #[arg(long, value_name = "FILE", requires = "encoder")]
    encoder_head: Option<PathBuf>,
    /// Probabilities between which the encoder is asked, in place of those of the head
    #[arg(long, value_name = "LOW-HIGH", requires = "encoder")]
    encoder_band: Option<Band>,
    /// Note the labels of a fastText classifier (.bin or .ftz) beside the scores
    #[arg(long, value_name = "FILE")]
    fasttext: Option<PathBuf>,
}

impl AideArgs {
    /// Loads what was asked for; `path` is where `model` came from, if not from the program.
    pub fn load(&self, model: &Model, path: Option<&Path>) -> Result<Aides> {
        let opinion = match &self.encoder {
            Some(folder) => Some(Arc::new(self.opinion(folder, model, path)?)),
            None => None,
        };
        let classifier = match &self.fasttext {
            Some(file) => {
                let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
                let loaded = Classifier::from_bytes(&bytes);
                Some(Arc::new(loaded.with_context(|| file.display().to_string())?))
            }
            None => None,
        };
        Ok(Aides { opinion, classifier })
    }

    fn opinion(&self, folder: &Path, model: &Model, path: Option<&Path>) -> Result<Opinion> {
        let file = match (&self.encoder_head, path) {
            (Some(file), _) => file.clone(),
            (None, Some(path)) => head_file(path),
            (None, None) => bail!(
                "--encoder: the built-in model has no encoder head (docs/evaluation.md says why); \
                 fit a model with `parable fit --encoder` and name it with --model, or name a head with --encoder-head"
            ),
        };
        let bytes = std::fs::read(&file).with_context(|| {
            format!("{}: the encoder's head; `parable fit --encoder` writes it", file.display())
        })?;
        let head = Head::from_bytes(&bytes).with_context(|| file.display().to_string())?;
        let encoder = Arc::new(load_encoder(folder)?);
        Opinion::new(encoder, head, model.version(), self.encoder_band)
            .with_context(|| file.display().to_string())
    }
}

/// Where the head of a model lies: beside it.
pub fn head_file(model: &Path) -> PathBuf {
    model.with_extension("encoder")
}

/// Loads the encoder in a folder.
pub fn load_encoder(folder: &Path) -> Result<Encoder> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    let (config, weights, tokenizer) =
        (read("config.json")?, read("model.safetensors")?, read("tokenizer.json")?);
    let pooling = folder.join("1_Pooling").join("config.json");
    let pooling = pooling.exists().then(|| read("1_Pooling/config.json")).transpose()?;
    let files = Files {
        config: &config,
        weights: &weights,
        tokenizer: &tokenizer,
        pooling: pooling.as_deref(),
    };
    Encoder::new(&files).with_context(|| folder.display().to_string())
}
