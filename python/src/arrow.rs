//! Tables in and out over the Arrow C data interface, without copying.

use arrow_array::cast::AsArray;
use arrow_array::{Array, GenericStringArray, OffsetSizeTrait, RecordBatch};
use arrow_pyarrow::{PyArrowType, Table};
use arrow_schema::{DataType, SchemaRef};
use pyo3::prelude::*;

use crate::errors::{DocumentError, ParableError};

/// Batches as a `pyarrow.Table`.
pub fn table(batches: Vec<RecordBatch>, schema: SchemaRef) -> PyResult<PyArrowType<Table>> {
    Table::try_new(batches, schema)
        .map(PyArrowType)
        .map_err(|error| ParableError::new_err(error.to_string()))
}

/// Checks what another program handed over: a text that is not UTF-8, or an offset that points
/// nowhere, must not be read. `before` rows came earlier.
pub fn check(batch: &RecordBatch, before: u64) -> PyResult<()> {
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let found = match column.data_type() {
            DataType::Utf8 => strings(column.as_string::<i32>()),
            DataType::LargeUtf8 => strings(column.as_string::<i64>()),
            kind if kind.is_primitive() => Ok(()),
            _ => column.to_data().validate_full().map_err(|error| (None, error.to_string())),
        };
        if let Err((row, message)) = found {
            let row = row.map(|row| before + row as u64);
            let place = row.map_or(String::new(), |row| format!("row {row}, "));
            let message = format!("{place}column `{}`: {message}", field.name());
            return Err(DocumentError::new_err((message, row, field.name().clone())));
        }
    }
    Ok(())
}

/// Arrow's own check reads the whole buffer behind a slice; here it is the slice alone, since
/// engines hand over large buffers slice by slice.
fn strings<O: OffsetSizeTrait>(
    column: &GenericStringArray<O>,
) -> Result<(), (Option<usize>, String)> {
    let offsets = column.value_offsets();
    let data = column.value_data();
    let wrong = |row: usize| (Some(row), "its offsets point nowhere".to_string());
    if let Some(row) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(wrong(row));
    }
    let bounds = offsets.first().zip(offsets.last());
    let Some((first, last)) = bounds.map(|(a, b)| (a.to_usize(), b.to_usize())) else {
        return Ok(());
    };
    let text = first.zip(last).and_then(|(first, last)| Some((first, data.get(first..last)?)));
    let Some((first, bytes)) = text else { return Err(wrong(0)) };
    let at = |row: usize| offsets[row].as_usize() - first;
    let whole = std::str::from_utf8(bytes);
    let good = whole.is_ok_and(|all| (0..offsets.len()).all(|row| all.is_char_boundary(at(row))));
    if good {
        return Ok(());
    }
    let bad = |row: &usize| {
        column.is_valid(*row) && std::str::from_utf8(&bytes[at(*row)..at(row + 1)]).is_err()
    };
    match (0..column.len()).find(bad) {
        Some(row) => Err((Some(row), "not UTF-8".into())),
        // What lies behind a null is never read.
        None => Ok(()),
    }
}
