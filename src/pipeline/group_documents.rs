//! The documents of one row group: written anew from where something changes, else copied.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::rows::Row;
use super::table_pass::{document_batch, with_note};
use crate::shard::row_groups::copy_with_nulls;
use crate::shard::table::{self, Footer, Table};

/// Decoding is cheap beside writing, so nothing is written while no row changes: at the first that does,
/// the batches before it are read once more.
pub(super) struct GroupDocuments<'t> {
    table: &'t Table,
    group: usize,
    path: &'t Path,
    schema: SchemaRef,
    footer: Footer,
    written: Written,
}

enum Written {
    /// Nothing yet: of so many batches no row changed.
    Not(usize),
    Anew(Box<ArrowWriter<File>>),
}

/// Why a row group's documents are not there.
pub(super) enum Fault {
    /// What was read once could not be read again.
    Reread,
    Parquet(ParquetError),
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

impl<'t> GroupDocuments<'t> {
    /// With `copies` false every batch is written at once.
    pub fn begin(
        table: &'t Table,
        group: usize,
        path: &'t Path,
        copies: bool,
    ) -> Result<Self, Fault> {
        let footer = table.footer();
        let schema = with_note(&footer.schema);
        let mut begun = Self { table, group, path, schema, footer, written: Written::Not(0) };
        if !copies {
            begun.writer()?;
        }
        Ok(begun)
    }

    /// Takes the rows of the next batch.
    pub fn add(
        &mut self,
        batch: &RecordBatch,
        rows: &[Row],
        text_field: &str,
    ) -> Result<(), Fault> {
        if let Written::Not(batches) = &mut self.written
            && rows.len() == batch.num_rows()
            && rows.iter().all(Row::untouched)
        {
            *batches += 1;
            return Ok(());
        }
        let changed = document_batch(batch, &self.schema, rows, text_field)?;
        Ok(self.writer()?.write(&changed)?)
    }

    /// Ends the file. The row group is copied only if it was read to its end.
    pub fn finish(mut self, complete: bool) -> Result<(), Fault> {
        if complete && matches!(self.written, Written::Not(_)) {
            let compression = self.footer.compression;
            let copied =
                copy_with_nulls(self.table, self.group, &self.schema, compression, self.path);
            if copied.map_err(|_| Fault::Reread)? {
                return Ok(());
            }
        }
        self.writer()?;
        match self.written {
            Written::Anew(writer) => Ok(table::close(*writer)?),
            Written::Not(_) => Ok(()),
        }
    }

    /// The writer of what is written anew, behind the batches so far.
    fn writer(&mut self) -> Result<&mut ArrowWriter<File>, Fault> {
        if let Written::Not(batches) = self.written {
            let schema = self.schema.clone();
            let mut writer = table::writer(self.path, schema, self.footer.compression)?;
            // Without a batch nothing is read again: a row group that is not to be copied never asks
            // for another try.
            if batches > 0 {
                let mut again =
                    self.table.row_group(self.group, None).map_err(|_| Fault::Reread)?;
                for _ in 0..batches {
                    let batch = again.next().and_then(Result::ok).ok_or(Fault::Reread)?;
                    let rows: Vec<Row> = (0..batch.num_rows()).map(Row::as_it_came).collect();
                    writer.write(&document_batch(&batch, &self.schema, &rows, "")?)?;
                }
            }
            self.written = Written::Anew(Box::new(writer));
        }
        match &mut self.written {
            Written::Anew(writer) => Ok(writer),
            Written::Not(_) => Err(Fault::Reread),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;
    use arrow_array::cast::AsArray;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::shard::{Input, expand};

    const ROWS: usize = 3000;

    fn shard(folder: &Path) -> Input {
        let path = folder.join("a.parquet");
        let texts = (0..ROWS).map(|n| Some(format!("text {n}"))).collect::<StringArray>();
        let batch = RecordBatch::try_from_iter([("text", Arc::new(texts) as _)]).expect("a batch");
        // Settings that nothing here would choose, by which a copy is known.
        let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
        let file = File::create(&path).expect("a file");
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("is written");
        writer.close().expect("is closed");
        expand(&[path.display().to_string()]).expect("an input").remove(0)
    }

    /// Texts and notes of the file that comes of it, and whether the text column was copied.
    fn written(
        copies: bool,
        touch: Option<usize>,
        complete: bool,
    ) -> (Vec<(String, Option<String>)>, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let table = Table::open(&shard(folder.path())).expect("a table");
        let path = folder.path().join("out.parquet");
        let Ok(mut documents) = GroupDocuments::begin(&table, 0, &path, copies) else { panic!() };
        let mut at = 0;
        for batch in table.row_group(0, None).expect("batches") {
            let batch = batch.expect("a batch");
            let mut rows: Vec<Row> = (0..batch.num_rows()).map(Row::as_it_came).collect();
            if let Some(touched) = touch.and_then(|nth| nth.checked_sub(at))
                && let Some(row) = rows.get_mut(touched)
            {
                (row.text, row.note) = (Some("other".into()), Some("{}".into()));
            }
            at += rows.len();
            assert!(documents.add(&batch, &rows, "text").is_ok());
        }
        assert!(documents.finish(complete).is_ok());
        let input = expand(&[path.display().to_string()]).expect("an input").remove(0);
        let mut found = Vec::new();
        for batch in table::row_group(&input, 0).expect("batches") {
            let batch = batch.expect("a batch");
            assert_eq!(batch.schema().metadata(), table.footer().schema.metadata());
            let of = |name: &str| batch.column_by_name(name).expect("a column").clone();
            let (texts, notes) = (of("text"), of("parable"));
            found.extend(texts.as_string::<i32>().iter().zip(notes.as_string::<i32>().iter()).map(
                |(text, note)| (text.expect("a text").to_owned(), note.map(ToOwned::to_owned)),
            ));
        }
        let reader = SerializedFileReader::new(File::open(&path).expect("opens")).expect("reads");
        let column = reader.metadata().row_group(0).column(0).clone();
        (found, column.dictionary_page_offset().is_none())
    }

    #[test]
    fn a_row_group_is_copied_unless_a_row_changes() {
        let as_it_came: Vec<_> = (0..ROWS).map(|n| (format!("text {n}"), None)).collect();
        assert_eq!(written(true, None, true), (as_it_came.clone(), true));
        assert_eq!(written(false, None, true), (as_it_came.clone(), false));
        assert_eq!(written(true, None, false), (as_it_came.clone(), false));
        for touched in [0, 2000, ROWS - 1] {
            let mut expected = as_it_came.clone();
            expected[touched] = ("other".into(), Some("{}".into()));
            assert_eq!(written(true, Some(touched), true), (expected, false), "{touched}");
        }
    }
}
