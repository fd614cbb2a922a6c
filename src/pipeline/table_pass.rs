//! The pass over Parquet: the same decisions, on rows instead of lines.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use serde_json::Value;

use super::group_documents::{Fault, GroupDocuments};
use super::journal::PiecePage;
use super::parts::{self, Kind, Parts};
use super::records::{Place, Worker};
use super::rows::Row;
use super::{RunConfig, RunError};
use crate::apply::CHAT_FIELDS;
use crate::attribute;
use crate::ledger::DamageNote;
use crate::score::Verdict;
use crate::shard::columns::{self, Columns};
use crate::shard::piece::Shard;
use crate::shard::table::{self, Table};
use crate::shard::{Format, Input, output, row_groups};

/// Takes one row group through the pass; `copies` if it may be copied where nothing changes. False where
/// that failed: what was read once could not be read again, and all is to be done anew without.
pub fn piece(
    shard: &Shard,
    nth: usize,
    worker: &mut Worker<'_>,
    folder: &Path,
    parts: &mut Parts,
    page: &mut PiecePage,
    copies: bool,
) -> Result<bool, RunError> {
    let input = &shard.input;
    let fail = |error: ParquetError| parquet_error(input, &error);
    let (opened, batches) = match open(input, nth, worker.config) {
        Ok(opened) => opened,
        Err(error) => {
            let message = format!("row group {nth}: {error}");
            page.damage.push(DamageNote { byte_offset: 0, message });
            return Ok(true);
        }
    };
    let done = |result: Result<(), Fault>| match result {
        Ok(()) => Ok(true),
        Err(Fault::Reread) => Ok(false),
        Err(Fault::Parquet(error)) => Err(fail(error)),
    };
    let path = parts::part(folder, nth, Kind::Documents);
    let mut documents = None;
    if !worker.config.scan_only {
        match GroupDocuments::begin(&opened, nth, &path, copies) {
            Ok(begun) => documents = Some(begun),
            Err(fault) => return done(Err(fault)),
        }
    }
    let path = parts::part(folder, nth, Kind::Attributes);
    let compression = opened.footer().compression;
    let mut attributes = table::writer(&path, attribute_schema(), compression).map_err(fail)?;
    let mut complete = true;
    let name = input.name();
    let before = opened.rows_before(nth);
    let base = || (before, 0);
    let mut place = Place {
        shard: &name,
        format: Format::Parquet,
        base: &base,
        line: 0,
        byte: 0,
        after_damage: false,
        doubtful: &[],
    };
    for batch in batches {
        let batch = match batch {
            Ok(batch) => batch,
            Err(message) => {
                page.damage.push(DamageNote {
                    byte_offset: 0,
                    message: format!("row group {nth}, after {} rows: {message}", place.line),
                });
                complete = false;
                break;
            }
        };
        match rows(&batch, worker, &mut place, page) {
            Ok(rows) => {
                if let Some(documents) = &mut documents {
                    let added = documents.add(&batch, &rows, &worker.config.fields.text);
                    if !done(added)? {
                        return Ok(false);
                    }
                }
                attribute_batch(&rows).and_then(|batch| attributes.write(&batch)).map_err(fail)?;
            }
            Err(message) => {
                page.damage.push(DamageNote { byte_offset: 0, message });
                complete = false;
                break;
            }
        }
        worker.flush(parts).map_err(|e| RunError::io(folder, e))?;
    }
    table::close(attributes).map_err(fail)?;
    documents.map_or(Ok(true), |documents| done(documents.finish(complete)))
}

/// A table and the batches of one row group. A scan writes no documents, so it reads no more than it
/// scores.
fn open(
    input: &Input,
    nth: usize,
    config: &RunConfig,
) -> Result<(Table, impl Iterator<Item = Result<RecordBatch, String>> + use<>), ParquetError> {
    let table = Table::open(input)?;
    let needed = config.scan_only.then(|| columns::of_documents(&config.fields));
    let batches = table.row_group(nth, needed.as_deref())?;
    Ok((table, batches))
}

/// Joins the parts of a finished Parquet shard.
pub fn join(config: &RunConfig, input: &Input, pieces: usize) -> Result<(), RunError> {
    let folder = parts::folder(&config.out, input);
    for kind in [Kind::Documents, Kind::Attributes] {
        if config.scan_only && kind == Kind::Documents {
            continue;
        }
        let to = kind.path(&config.out, input);
        let files: Vec<_> =
            (0..pieces).map(|p| parts::part(&folder, p, kind)).filter(|p| p.exists()).collect();
        // A file without row groups stays one: its schema alone.
        let schema = match kind {
            _ if !files.is_empty() => None,
            Kind::Documents => match table::footer(input) {
                Ok(footer) => Some(with_note(&footer.schema)),
                // Its row groups could not be read either, which is noted with them.
                Err(_) if pieces > 0 => continue,
                Err(error) => return Err(parquet_error(input, &error)),
            },
            _ => Some(attribute_schema()),
        };
        let mut out = output::Atomic::create(&to).map_err(|e| RunError::io(&to, e))?;
        if let Some(schema) = schema {
            ArrowWriter::try_new(&mut out, schema, None)
                .and_then(ArrowWriter::close)
                .map_err(|e| parquet_error(input, &e))?;
        } else {
            row_groups::join(&files, &mut out).map_err(|e| parquet_error(input, &e))?;
        }
        out.finish().map_err(|e| RunError::io(&to, e))?;
    }
    for kind in [Kind::Quarantine, Kind::Dropped] {
        let files: Vec<_> =
            (0..pieces).map(|p| parts::part(&folder, p, kind)).filter(|p| p.exists()).collect();
        if !files.is_empty() {
            let to = kind.path(&config.out, input);
            output::join(&files, &to).map_err(|e| RunError::io(&to, e))?;
        }
    }
    Ok(())
}

fn parquet_error(input: &Input, error: &ParquetError) -> RunError {
    RunError::Parquet { path: input.path.display().to_string(), message: error.to_string() }
}

/// The input's schema with one more column: what was done to the row, as JSON, or null.
pub(super) fn with_note(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> =
        schema.fields().iter().filter(|f| f.name() != "parable").cloned().collect();
    fields.push(Arc::new(Field::new("parable", DataType::Utf8, true)));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// `id`, `source`, every document-level score as a column, and the whole row as JSON.
pub(super) fn attribute_schema() -> SchemaRef {
    let mut fields =
        vec![Field::new("id", DataType::Utf8, false), Field::new("source", DataType::Utf8, true)];
    fields.extend(
        attribute::scores(&Verdict::default())
            .into_iter()
            .map(|(name, _)| Field::new(name, DataType::Float32, false)),
    );
    fields.push(Field::new("attributes", DataType::Utf8, false));
    Arc::new(Schema::new(fields))
}

pub(super) fn rows(
    batch: &RecordBatch,
    worker: &mut Worker<'_>,
    place: &mut Place<'_>,
    page: &mut PiecePage,
) -> Result<Vec<Row>, String> {
    let columns = Columns::of(batch, &worker.config.fields)?;
    let mut found = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        place.line += 1;
        if worker.config.limit.is_some_and(|limit| place.line > limit) {
            break;
        }
        found.push(worker.row(row, &columns.row(row), place, &mut page.counts));
    }
    Ok(found)
}

/// The rows as they are written: dropped ones are gone, texts edited, the note beside them.
pub(super) fn document_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    rows: &[Row],
    text_field: &str,
) -> Result<RecordBatch, ParquetError> {
    let mut indices = Vec::new();
    let mut notes: Vec<Option<&str>> = Vec::new();
    let mut texts: Vec<Option<&str>> = Vec::new();
    let mut messages: Vec<Option<&Value>> = Vec::new();
    for row in rows {
        for _ in 0..row.copies {
            indices.push(row.index as u32);
            notes.push(row.note.as_deref());
            texts.push(row.text.as_deref());
            messages.push(row.messages.as_ref());
        }
    }
    let indices = UInt32Array::from(indices);
    let text_column = table::top_column(batch, text_field);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields().iter().filter(|f| f.name() != "parable") {
        let column = batch
            .column_by_name(field.name())
            .ok_or_else(|| ParquetError::General(format!("column `{}` is gone", field.name())))?;
        let taken = arrow_select::take::take(column, &indices, None)?;
        let chat = CHAT_FIELDS.contains(&field.name().as_str());
        columns.push(if Some(field.name().as_str()) == text_column {
            let path = text_field.strip_prefix(field.name().as_str()).unwrap_or("");
            table::with_texts(&taken, path.trim_start_matches('.'), &texts)
        } else if chat && messages.iter().any(Option::is_some) {
            table::with_values(&taken, field, &messages)?
        } else {
            taken
        });
    }
    columns.push(Arc::new(StringArray::from(notes)));
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The attribute rows, one for each row that came in.
pub(super) fn attribute_batch(rows: &[Row]) -> Result<RecordBatch, ParquetError> {
    let empty = attribute::scores(&Verdict::default());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.id.as_str())).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.source.as_deref()).collect::<StringArray>()),
    ];
    for (nth, _) in empty.iter().enumerate() {
        let values = rows.iter().map(|row| row.scores.get(nth).copied().unwrap_or(0.0));
        columns.push(Arc::new(
            values.collect::<Vec<f32>>().into_iter().map(Some).collect::<Float32Array>(),
        ));
    }
    columns.push(Arc::new(
        rows.iter().map(|row| Some(row.attributes.as_str())).collect::<StringArray>(),
    ));
    Ok(RecordBatch::try_new(attribute_schema(), columns)?)
}
