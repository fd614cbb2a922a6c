//! Parquet: row groups in, row groups out, values by dotted column path.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, LargeStringArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow_schema::{ArrowError, DataType, FieldRef, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};

use super::Input;
use super::stored::Chunks;

/// Rows of one batch.
const BATCH: usize = 1024;

/// What a Parquet file says of itself.
pub struct Footer {
    pub schema: SchemaRef,
    pub row_groups: usize,
    pub rows: u64,
    pub compression: Compression,
}

/// An opened Parquet shard, of which the footer has been read.
pub struct Table {
    input: Input,
    chunks: Chunks,
    metadata: ArrowReaderMetadata,
}

impl Table {
    /// Opens a shard and reads its footer.
    ///
    /// # Errors
    /// Where it cannot be opened or is no Parquet file.
    pub fn open(input: &Input) -> Result<Self, ParquetError> {
        let chunks = Chunks::open(input)?;
        let metadata = ArrowReaderMetadata::load(&chunks, ArrowReaderOptions::default())?;
        Ok(Self { input: input.clone(), chunks, metadata })
    }

    #[must_use]
    pub fn footer(&self) -> Footer {
        let metadata = self.metadata.metadata();
        let compression = metadata
            .row_groups()
            .first()
            .and_then(|group| group.columns().first())
            .map_or(Compression::SNAPPY, |column| column.compression());
        Footer {
            schema: self.metadata.schema().clone(),
            row_groups: metadata.num_row_groups(),
            rows: metadata.file_metadata().num_rows().try_into().unwrap_or(0),
            compression,
        }
    }

    /// Rows of the row groups before this one.
    #[must_use]
    pub fn rows_before(&self, group: usize) -> u64 {
        let groups = self.metadata.metadata().row_groups().iter().take(group);
        groups.map(|g| g.num_rows().try_into().unwrap_or(0u64)).sum()
    }

    pub(super) fn stored_group(&self, group: usize) -> Option<StoredGroup<'_>> {
        let metadata = self.metadata.metadata().row_groups().get(group)?;
        Some(StoredGroup { chunks: &self.chunks, metadata })
    }

    /// The batches of one row group: all columns, or only the top-level ones of these names.
    ///
    /// # Errors
    /// Where the file cannot be opened; damage in pages shows in the items.
    pub fn row_group(
        &self,
        group: usize,
        only: Option<&[&str]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + use<>, ParquetError> {
        let schema = self.metadata.parquet_schema();
        let wanted = match only {
            None => ProjectionMask::all(),
            Some(names) => {
                let roots = schema.root_schema().get_fields().iter().enumerate();
                let named = roots.filter(|(_, root)| names.contains(&root.name()));
                ProjectionMask::roots(schema, named.map(|(nth, _)| nth))
            }
        };
        let columns = self.metadata.metadata().row_groups().get(group);
        let ranges: Vec<_> = columns
            .iter()
            .flat_map(|group| group.columns())
            .enumerate()
            .filter(|(leaf, _)| wanted.leaf_included(*leaf))
            .filter_map(|(_, column)| {
                let (start, length) = (column.data_page_offset(), column.compressed_size());
                let start = column.dictionary_page_offset().map_or(start, |d| d.min(start));
                let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
                Some(start..start.checked_add(length)?)
            })
            .collect();
        let chunks = self.chunks.side_by_side(&self.input, &ranges)?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, self.metadata.clone());
        let builder = builder.with_projection(wanted).with_row_groups(vec![group]);
        let reader = builder.with_batch_size(BATCH).build()?;
        Ok(reader.map(|batch| batch.map_err(|error| error.to_string())))
    }
}

/// Reads the footer.
///
/// # Errors
/// Where the file is no Parquet file.
pub fn footer(input: &Input) -> Result<Footer, ParquetError> {
    Ok(Table::open(input)?.footer())
}

/// The batches of one row group, all columns.
///
/// # Errors
/// Where the file cannot be opened; damage in pages shows in the items.
pub fn row_group(
    input: &Input,
    group: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + use<>, ParquetError> {
    Table::open(input)?.row_group(group, None)
}

/// A writer of part or whole files with the given compression.
///
/// # Errors
/// Where the file cannot be made.
pub fn writer(
    path: &Path,
    schema: SchemaRef,
    compression: Compression,
) -> Result<ArrowWriter<File>, ParquetError> {
    let properties = WriterProperties::builder().set_compression(compression).build();
    ArrowWriter::try_new(File::create(path)?, schema, Some(properties))
}

/// A row group as it is stored: its chunks, and what the footer says of it.
pub(super) struct StoredGroup<'t> {
    pub chunks: &'t Chunks,
    pub metadata: &'t RowGroupMetaData,
}

/// Writes the footer and syncs.
///
/// # Errors
/// Those of the disk.
pub fn close(mut writer: ArrowWriter<File>) -> Result<(), ParquetError> {
    writer.finish()?;
    Ok(writer.inner().sync_data()?)
}

/// The column at a dotted path, structs followed.
#[must_use]
pub fn column(batch: &RecordBatch, path: &str) -> Option<ArrayRef> {
    if let Some(found) = batch.column_by_name(path) {
        return Some(found.clone());
    }
    let mut steps = path.split('.');
    let mut at = batch.column_by_name(steps.next()?)?.clone();
    for step in steps {
        at = at.as_struct_opt()?.column_by_name(step)?.clone();
    }
    Some(at)
}

/// Name of the top-level column in which a dotted path lies, if the path leads to something.
#[must_use]
pub fn top_column<'p>(batch: &RecordBatch, path: &'p str) -> Option<&'p str> {
    column(batch, path)?;
    let whole = batch.column_by_name(path).is_some();
    if whole { Some(path) } else { path.split('.').next() }
}

/// The column with other texts at some rows, in the type that it had; `path` leads from the column
/// to the text, through structs. Everything else in the structs stays.
#[must_use]
pub fn with_texts(array: &ArrayRef, path: &str, texts: &[Option<&str>]) -> ArrayRef {
    if texts.iter().all(Option::is_none) {
        return array.clone();
    }
    if let Some(fields) = array.as_struct_opt() {
        let (step, rest) = path.split_once('.').unwrap_or((path, ""));
        let columns = fields
            .fields()
            .iter()
            .zip(fields.columns())
            .map(|(field, column)| {
                if field.name() == step { with_texts(column, rest, texts) } else { column.clone() }
            })
            .collect();
        return Arc::new(StructArray::new(
            fields.fields().clone(),
            columns,
            fields.nulls().cloned(),
        ));
    }
    let values = (0..array.len()).map(|i| texts[i].or_else(|| text(array, i)));
    match array.data_type() {
        DataType::LargeUtf8 => Arc::new(values.collect::<LargeStringArray>()),
        DataType::Utf8View => Arc::new(values.collect::<StringViewArray>()),
        DataType::Utf8 => Arc::new(values.collect::<StringArray>()),
        _ => array.clone(),
    }
}

/// The column with other values, given as JSON, at some rows.
///
/// # Errors
/// Where a value does not fit the column's type.
pub fn with_values(
    array: &ArrayRef,
    field: &FieldRef,
    values: &[Option<&Value>],
) -> Result<ArrayRef, ArrowError> {
    let given: Vec<&Value> = values.iter().flatten().copied().collect();
    let mut decoder = arrow_json::ReaderBuilder::new_with_field(field.clone())
        .with_batch_size(given.len().max(1))
        .build_decoder()?;
    decoder.serialize(&given)?;
    let Some(batch) = decoder.flush()? else { return Ok(array.clone()) };
    let mut next = 0;
    let places: Vec<(usize, usize)> = values
        .iter()
        .enumerate()
        .map(|(row, value)| {
            if value.is_some() {
                next += 1;
                (1, next - 1)
            } else {
                (0, row)
            }
        })
        .collect();
    arrow_select::interleave::interleave(&[array.as_ref(), batch.column(0).as_ref()], &places)
}

/// Whether the column holds text.
#[must_use]
pub fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The text at a row; none where it is null or the column holds no text.
#[must_use]
pub fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

/// A value as JSON: enough for ids, sources and chat columns.
#[must_use]
pub fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        kind if is_text(kind) => text(array, row).map_or(Value::Null, Value::from),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let pairs = fields.iter().zip(columns);
            let map: Map<String, Value> =
                pairs.map(|(field, column)| (field.name().clone(), value(column, row))).collect();
            Value::Object(map)
        }
        _ => Value::Null,
    }
}

fn list(items: &ArrayRef) -> Value {
    Value::Array((0..items.len()).map(|i| value(items, i)).collect())
}
