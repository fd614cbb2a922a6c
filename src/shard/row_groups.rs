//! Parquet row groups copied as they are stored, nothing decoded.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::Compression;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArrayType;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use super::table::{StoredGroup, Table};

/// Joins Parquet files of one schema by copying their row groups as they are.
///
/// # Errors
/// Those of reading and writing.
pub fn join<W: std::io::Write + Send>(
    parts: &[std::path::PathBuf],
    out: W,
) -> Result<(), ParquetError> {
    let Some(first) = parts.first() else { return Ok(()) };
    let reader = SerializedFileReader::new(File::open(first)?)?;
    let file_metadata = reader.metadata().file_metadata();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(file_metadata.key_value_metadata().cloned())
        .build();
    let schema = file_metadata.schema_descr().root_schema_ptr();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    for part in parts {
        let input = File::open(part)?;
        let reader = SerializedFileReader::new(input.try_clone()?)?;
        for group in reader.metadata().row_groups() {
            let mut to = writer.next_row_group()?;
            append(group, &input, &mut to)?;
            to.close()?;
        }
    }
    writer.close()?;
    Ok(())
}

/// Writes one row group as a file of its own: its columns as they are stored, and behind them the
/// schema's last one, which must be text, null in every row. False, with nothing written, where the
/// columns cannot stand in a file of that schema.
///
/// # Errors
/// Those of reading and writing.
pub fn copy_with_nulls(
    table: &Table,
    group: usize,
    schema: &SchemaRef,
    compression: Compression,
    path: &Path,
) -> Result<bool, ParquetError> {
    let Some(StoredGroup { chunks, metadata }) = table.stored_group(group) else {
        return Ok(false);
    };
    let wanted = ArrowSchemaConverter::new().convert(schema)?;
    let same = wanted.columns().iter().zip(metadata.columns());
    let fits = wanted.num_columns() == metadata.num_columns() + 1
        && same.fold(true, |all, (wanted, column)| all && **wanted == *column.column_descr());
    let Ok(rows) = usize::try_from(metadata.num_rows()) else { return Ok(false) };
    if !fits {
        return Ok(false);
    }
    let mut properties = WriterProperties::builder().set_compression(compression).build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let (file, root) = (File::create(path)?, wanted.root_schema_ptr());
    let mut writer = SerializedFileWriter::new(file, root, Arc::new(properties))?;
    let mut to = writer.next_row_group()?;
    append(metadata, chunks, &mut to)?;
    let Some(mut nulls) = to.next_column()? else {
        return Err(ParquetError::General("the schema has no further column".into()));
    };
    nulls.typed::<ByteArrayType>().write_batch(&[], Some(&vec![0; rows]), None)?;
    nulls.close()?;
    to.close()?;
    writer.finish()?;
    writer.inner().sync_data()?;
    Ok(true)
}

/// Copies the columns of a row group.
fn append<W: Write + Send>(
    group: &RowGroupMetaData,
    from: &impl ChunkReader,
    to: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), ParquetError> {
    for column in group.columns() {
        let closed = ColumnCloseResult {
            bytes_written: column.compressed_size().try_into().unwrap_or(0),
            rows_written: group.num_rows().try_into().unwrap_or(0),
            metadata: column.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        to.append_column(from, closed)?;
    }
    Ok(())
}
