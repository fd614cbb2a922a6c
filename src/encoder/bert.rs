//! The forward pass of a BERT encoder.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::Deserialize;

use super::{EncoderError, Weights};

/// The parts of `config.json` that the forward pass depends on.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    #[serde(default = "usual_epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

fn usual_epsilon() -> f32 {
    1e-12
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Where it is no such file, or describes an encoder of another kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, EncoderError> {
        let config: Self =
            serde_json::from_slice(bytes).map_err(|e| EncoderError::Config(e.to_string()))?;
        let wrong = |what: String| Err(EncoderError::Config(what));
        if config.model_type != "bert" {
            return wrong(format!(
                "model_type {:?}: only \"bert\" is known here",
                config.model_type
            ));
        }
        if config.hidden_act != "gelu" {
            return wrong(format!(
                "hidden_act {:?}: only \"gelu\" is known here",
                config.hidden_act
            ));
        }
        if config.position_embedding_type.as_deref().is_some_and(|kind| kind != "absolute") {
            return wrong("position_embedding_type: only \"absolute\" is known here".into());
        }
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            return wrong(format!(
                "hidden_size {hidden} is no multiple of {heads} attention heads"
            ));
        }
        if config.max_position_embeddings < 8 || config.num_hidden_layers == 0 {
            return wrong("too few positions or layers".into());
        }
        Ok(config)
    }

    /// Tokens of the longest text.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.max_position_embeddings
    }

    /// Tokens that have a vector.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocab_size
    }
}

/// The encoder's weights, in the order in which a text meets them.
pub struct Bert {
    words: Array2<f32>,
    /// Position vectors, to which that of the first segment is added already.
    positions: Array2<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    joined: Linear,
    joined_norm: Norm,
    wide: Linear,
    narrow: Linear,
    narrow_norm: Norm,
}

struct Linear {
    /// Output × input, as stored.
    weight: Array2<f32>,
    bias: Array1<f32>,
}

struct Norm {
    weight: Array1<f32>,
    bias: Array1<f32>,
    epsilon: f32,
}

impl Bert {
    /// Takes the weights that the configuration asks for.
    ///
    /// # Errors
    /// Where a tensor is missing or of another shape.
    pub fn new(weights: &Weights<'_>, config: &Config) -> Result<Self, EncoderError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, from: usize, to: usize| -> Result<Linear, EncoderError> {
            Ok(Linear {
                weight: weights.matrix(&format!("{name}.weight"), to, from)?,
                bias: weights.vector(&format!("{name}.bias"), to)?,
            })
        };
        let norm = |name: &str| -> Result<Norm, EncoderError> {
            Ok(Norm {
                weight: weights.vector(&format!("{name}.weight"), hidden)?,
                bias: weights.vector(&format!("{name}.bias"), hidden)?,
                epsilon: config.layer_norm_eps,
            })
        };
        let table = |name: &str, rows: usize| {
            weights.matrix(&format!("embeddings.{name}_embeddings.weight"), rows, hidden)
        };
        let segments = table("token_type", config.type_vocab_size)?;
        let mut positions = table("position", config.max_position_embeddings)?;
        if let Some(first) = segments.outer_iter().next() {
            positions += &first;
        }
        let layers = (0..config.num_hidden_layers)
            .map(|nth| {
                let at = |part: &str| format!("encoder.layer.{nth}.{part}");
                Ok(Layer {
                    query: linear(&at("attention.self.query"), hidden, hidden)?,
                    key: linear(&at("attention.self.key"), hidden, hidden)?,
                    value: linear(&at("attention.self.value"), hidden, hidden)?,
                    joined: linear(&at("attention.output.dense"), hidden, hidden)?,
                    joined_norm: norm(&at("attention.output.LayerNorm"))?,
                    wide: linear(&at("intermediate.dense"), hidden, wide)?,
                    narrow: linear(&at("output.dense"), wide, hidden)?,
                    narrow_norm: norm(&at("output.LayerNorm"))?,
                })
            })
            .collect::<Result<_, EncoderError>>()?;
        Ok(Self {
            words: table("word", config.vocab_size)?,
            positions,
            norm: norm("embeddings.LayerNorm")?,
            layers,
            heads: config.num_attention_heads,
        })
    }

    /// Numbers in a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.words.ncols()
    }

    /// Tokens that have a vector.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.words.nrows()
    }

    /// The mean of the tokens' last states, scaled to length 1.
    #[must_use]
    pub fn mean(&self, tokens: &[u32]) -> Vec<f32> {
        if tokens.is_empty() {
            return vec![0.0; self.width()];
        }
        let rows: Vec<usize> = tokens.iter().map(|id| *id as usize).collect();
        let mut states = self.words.select(Axis(0), &rows);
        states += &self.positions.slice(s![..rows.len(), ..]);
        self.norm.apply(&mut states);
        for layer in &self.layers {
            states = layer.apply(&states, self.heads);
        }
        let sum = states.sum_axis(Axis(0));
        let length = sum.dot(&sum).sqrt().max(1e-12);
        sum.iter().map(|value| value / length).collect()
    }
}

impl Layer {
    fn apply(&self, states: &Array2<f32>, heads: usize) -> Array2<f32> {
        let (query, key) = (self.query.apply(states), self.key.apply(states));
        let value = self.value.apply(states);
        let width = states.ncols() / heads;
        let mut mixed = Array2::zeros(states.raw_dim());
        for head in 0..heads {
            let part = s![.., head * width..(head + 1) * width];
            let mut shares = query.slice(part).dot(&key.slice(part).t());
            shares /= (width as f32).sqrt();
            softmax(&mut shares);
            mixed.slice_mut(part).assign(&shares.dot(&value.slice(part)));
        }
        let mut joined = self.joined.apply(&mixed);
        joined += states;
        self.joined_norm.apply(&mut joined);
        let mut wide = self.wide.apply(&joined);
        wide.mapv_inplace(gelu);
        let mut narrow = self.narrow.apply(&wide);
        narrow += &joined;
        self.narrow_norm.apply(&mut narrow);
        narrow
    }
}

impl Linear {
    fn apply(&self, input: &Array2<f32>) -> Array2<f32> {
        let weight: ArrayView2<f32> = self.weight.t();
        let mut out = input.dot(&weight);
        out += &self.bias;
        out
    }
}

impl Norm {
    fn apply(&self, states: &mut Array2<f32>) {
        for mut row in states.outer_iter_mut() {
            let count = row.len() as f32;
            let mean = row.sum() / count;
            row -= mean;
            let variance = row.dot(&row) / count;
            row /= (variance + self.epsilon).sqrt();
            row *= &self.weight;
            row += &self.bias;
        }
    }
}

/// Each row to shares that sum to 1.
fn softmax(rows: &mut Array2<f32>) {
    for mut row in rows.outer_iter_mut() {
        let greatest = row.fold(f32::NEG_INFINITY, |most, value| most.max(*value));
        row.mapv_inplace(|value| (value - greatest).exp());
        let sum = row.sum();
        row /= sum;
    }
}

fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
}
