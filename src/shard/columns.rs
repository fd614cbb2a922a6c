//! The columns of a table that make a record, and what a row of them holds.

use arrow_array::{Array, ArrayRef, RecordBatch};
use serde_json::Value;

use super::record::{FieldPaths, Record, RecordError};
use super::table;
use crate::document::{CHAT_KEYS, Document};

/// Columns of one batch, found by their names.
pub struct Columns {
    text: Option<ArrayRef>,
    /// With the name: a chat, read where a row has no text.
    chat: Option<(&'static str, ArrayRef)>,
    id: Option<ArrayRef>,
    source: Option<ArrayRef>,
    metadata: Option<ArrayRef>,
    note: Option<ArrayRef>,
}

/// The top-level columns in which a document of these fields can lie.
#[must_use]
pub fn of_documents(fields: &FieldPaths) -> Vec<&str> {
    let paths = [&fields.text, &fields.id, &fields.source].map(String::as_str);
    let roots = paths.iter().filter_map(|path| path.split('.').next());
    paths.iter().copied().chain(roots).chain(CHAT_KEYS).collect()
}

/// What a row holds.
pub struct Given<'r> {
    pub id: Option<String>,
    pub source: Option<String>,
    pub text: Option<&'r str>,
    /// Where it has no text: a chat column's name and value.
    pub chat: Option<(&'r str, Value)>,
    columns: &'r Columns,
    row: usize,
}

impl Columns {
    /// # Errors
    /// In words, where there is neither a text nor a chat, or the text is of another type.
    pub fn of(batch: &RecordBatch, fields: &FieldPaths) -> Result<Self, String> {
        let text = table::column(batch, &fields.text);
        let chat = CHAT_KEYS.iter().find_map(|n| batch.column_by_name(n).map(|c| (*n, c.clone())));
        if let Some(column) = &text
            && !table::is_text(column.data_type())
        {
            return Err(format!(
                "column `{}` is {}, not text (choose another with --text-field)",
                fields.text,
                column.data_type()
            ));
        }
        if text.is_none() && chat.is_none() {
            return Err(format!("no column `{}`, `messages` or `conversations`", fields.text));
        }
        Ok(Self {
            text,
            chat,
            id: table::column(batch, &fields.id),
            source: table::column(batch, &fields.source),
            metadata: batch.column_by_name("metadata").cloned(),
            note: batch.column_by_name("parable").cloned(),
        })
    }

    #[must_use]
    pub fn row(&self, row: usize) -> Given<'_> {
        let text = self.text.as_ref().and_then(|column| table::text(column, row));
        let chat = self.chat.as_ref().filter(|_| text.is_none());
        Given {
            id: scalar(self.id.as_ref(), row),
            source: scalar(self.source.as_ref(), row),
            text,
            chat: chat.map(|(name, column)| (*name, table::value(column, row))),
            columns: self,
            row,
        }
    }

    /// What an earlier run wrote beside the row, as JSON.
    #[must_use]
    pub fn note(&self, row: usize) -> Option<String> {
        json(self.note.as_ref(), row).filter(|json| json != "null")
    }
}

impl Given<'_> {
    /// The `metadata` column as JSON; made when it is asked for, as most rows need none.
    #[must_use]
    pub fn metadata(&self) -> Option<String> {
        json(self.columns.metadata.as_ref(), self.row)
    }

    /// The chat as a JSON record; an empty one where the row holds a text.
    #[must_use]
    pub fn chat_json(&self) -> String {
        self.chat.as_ref().map_or_else(
            || "{}".into(),
            |(name, value)| serde_json::json!({ *name: value }).to_string(),
        )
    }

    /// The document, without id and source; `json` is the row's [`Given::chat_json`].
    ///
    /// # Errors
    /// Where neither a text nor a chat can be read.
    pub fn document<'a>(
        &'a self,
        json: &'a str,
        fields: &FieldPaths,
    ) -> Result<Document<'a>, RecordError> {
        match self.text {
            Some(text) => Ok(Document::plain("", text)),
            None => Record::parse_str(json)?.document(fields, String::new),
        }
    }
}

fn scalar(column: Option<&ArrayRef>, row: usize) -> Option<String> {
    match table::value(column?, row) {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn json(column: Option<&ArrayRef>, row: usize) -> Option<String> {
    Some(match table::value(column?, row) {
        Value::String(json) => json,
        value => value.to_string(),
    })
}
