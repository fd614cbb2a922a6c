//! The files of each layout.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::megatron::Indexed;
use super::{Masked, Settings, TokenFileError};
use crate::shard::output::Atomic;
use crate::tokens::export;

/// Who reads the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `X.spans.jsonl`: the masked places widened to whole tokens, in code points half-open
    /// (datatrove, Dolma), inclusive (Fast-LLM), and in bytes.
    Spans,
    /// `X.parquet`: `id`, `input_ids`, `labels` with −100 where no loss is taken.
    HuggingFace,
    /// `X.token_ids.npy` and `X.labels_mask.npy`: bare arrays of all documents, one behind the
    /// other, without a header, as OLMo and OLMo-core map them.
    OlmoCore,
    /// `X_text_document` and `X_label_document`, each `.bin` and `.idx`: Megatron's indexed
    /// datasets, as GPT-NeoX reads them through `train_data_paths` and `label_data_paths`.
    NeoX,
}

/// Files of one shard under construction.
pub(super) enum Files {
    Spans { path: PathBuf, name: String, out: Atomic },
    HuggingFace { path: PathBuf, name: String, out: Box<ArrowWriter<Atomic>> },
    OlmoCore { paths: [PathBuf; 2], names: [String; 2], ids: Atomic, mask: Atomic, wide: bool },
    NeoX { text: Box<Indexed>, labels: Box<Indexed> },
}

impl Files {
    pub(super) fn create(
        out: &Path,
        stem: &Path,
        settings: &Settings<'_>,
    ) -> Result<Self, TokenFileError> {
        let wide = settings.tokenizer.size() > usize::from(u16::MAX);
        Ok(match settings.layout {
            Layout::Spans => {
                let (path, name) = place(out, stem, ".spans.jsonl");
                Files::Spans { out: create(&path)?, path, name }
            }
            Layout::HuggingFace => {
                let (path, name) = place(out, stem, ".parquet");
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let writer = ArrowWriter::try_new(create(&path)?, schema(), Some(properties));
                let out = Box::new(writer.map_err(|source| parquet_error(&path, source))?);
                Files::HuggingFace { out, path, name }
            }
            Layout::OlmoCore => {
                let (ids, ids_name) = place(out, stem, ".token_ids.npy");
                let (mask, mask_name) = place(out, stem, ".labels_mask.npy");
                let files = (create(&ids)?, create(&mask)?);
                let (paths, names) = ([ids, mask], [ids_name, mask_name]);
                Files::OlmoCore { paths, names, ids: files.0, mask: files.1, wide }
            }
            Layout::NeoX => {
                let of = |what: &str, wide| {
                    let (path, name) = place(out, stem, what);
                    Indexed::create(path, name, wide).map(Box::new)
                };
                Files::NeoX {
                    text: of("_text_document", wide)?,
                    // Labels are negative where they are masked.
                    labels: of("_label_document", true)?,
                }
            }
        })
    }

    pub(super) fn put(&mut self, documents: &[Masked]) -> Result<(), TokenFileError> {
        match self {
            Files::Spans { out, path, .. } => {
                for document in documents {
                    write(out, path, &spans(document))?;
                }
            }
            Files::HuggingFace { out, path, .. } => {
                let batch = rows(documents).map_err(|error| parquet_error(path, error.into()))?;
                out.write(&batch).map_err(|error| parquet_error(path, error))?;
            }
            Files::OlmoCore { ids, mask, paths, wide, .. } => {
                for document in documents {
                    write(ids, &paths[0], &export::id_bytes(&document.mask, *wide))?;
                    write(mask, &paths[1], &export::mask_bytes(&document.mask))?;
                }
            }
            Files::NeoX { text, labels } => {
                for document in documents {
                    let ids = document.mask.tokens.iter().map(|token| i64::from(token.id));
                    text.put(ids)?;
                    labels.put(export::labels(&document.mask).into_iter())?;
                }
            }
        }
        Ok(())
    }

    /// Makes the files whole and gives their names.
    pub(super) fn finish(self) -> Result<Vec<String>, TokenFileError> {
        match self {
            Files::Spans { path, name, out } => {
                finish(out, &path)?;
                Ok(vec![name])
            }
            Files::HuggingFace { path, name, out } => {
                let out = out.into_inner().map_err(|error| parquet_error(&path, error))?;
                finish(out, &path)?;
                Ok(vec![name])
            }
            Files::OlmoCore { paths, names, ids, mask, .. } => {
                finish(ids, &paths[0])?;
                finish(mask, &paths[1])?;
                Ok(names.to_vec())
            }
            Files::NeoX { text, labels } => Ok([text.finish()?, labels.finish()?].concat()),
        }
    }
}

fn place(out: &Path, stem: &Path, ending: &str) -> (PathBuf, String) {
    let name = format!("{}{ending}", stem.to_string_lossy().replace('\\', "/"));
    (out.join(&name), name)
}

pub(super) fn create(path: &Path) -> Result<Atomic, TokenFileError> {
    Atomic::create(path).map_err(|source| TokenFileError::io(path, source))
}

pub(super) fn write(out: &mut Atomic, path: &Path, bytes: &[u8]) -> Result<(), TokenFileError> {
    out.write_all(bytes).map_err(|source| TokenFileError::io(path, source))
}

pub(super) fn finish(out: Atomic, path: &Path) -> Result<(), TokenFileError> {
    out.finish().map_err(|source| TokenFileError::io(path, source))
}

fn parquet_error(path: &Path, source: parquet::errors::ParquetError) -> TokenFileError {
    TokenFileError::Parquet { path: path.display().to_string(), source }
}

fn spans(document: &Masked) -> Vec<u8> {
    let masked = document.mask.masked_ranges();
    let text = &document.text;
    let line = serde_json::json!({
        "id": document.id,
        "tokens": document.mask.tokens.len(),
        "masked_tokens": document.mask.tokens.len() - document.mask.learned(),
        "no_loss_ranges": export::code_point_ranges(text, &masked),
        "loss_masking_spans": export::inclusive_ranges(text, &masked),
        "no_loss_bytes": masked.iter().map(|s| [s.start, s.end]).collect::<Vec<_>>(),
    });
    let mut line = line.to_string().into_bytes();
    line.push(b'\n');
    line
}

fn schema() -> Arc<Schema> {
    let list = |kind| DataType::List(Arc::new(Field::new_list_field(kind, true)));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("input_ids", list(DataType::Int32), false),
        Field::new("labels", list(DataType::Int64), false),
    ]))
}

fn rows(documents: &[Masked]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let mut id = StringBuilder::new();
    let mut input_ids = ListBuilder::new(Int32Builder::new());
    let mut labels = ListBuilder::new(Int64Builder::new());
    for document in documents {
        id.append_value(&document.id);
        for token in &document.mask.tokens {
            // Ids of a vocabulary are far below 2³¹.
            input_ids.values().append_value(token.id as i32);
        }
        input_ids.append(true);
        labels.values().append_slice(&export::labels(&document.mask));
        labels.append(true);
    }
    let columns: Vec<ArrayRef> =
        vec![Arc::new(id.finish()), Arc::new(input_ids.finish()), Arc::new(labels.finish())];
    RecordBatch::try_new(schema(), columns)
}
