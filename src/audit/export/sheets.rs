//! The tables of an audit, flat.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::super::figures::{Audit, GroupLine, Line, Matrix};
use super::super::interval::{Corrected, Estimate};

/// The cells of one column.
pub enum Values {
    Text(Vec<String>),
    Count(Vec<Option<u64>>),
    Number(Vec<Option<f64>>),
}

pub struct Column {
    pub name: &'static str,
    pub values: Values,
}

/// A table with named columns of equal length.
pub struct Sheet {
    pub name: &'static str,
    /// What it holds, in one sentence.
    pub about: &'static str,
    pub columns: Vec<Column>,
}

impl Sheet {
    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| match &column.values {
            Values::Text(all) => all.len(),
            Values::Count(all) => all.len(),
            Values::Number(all) => all.len(),
        })
    }

    /// CSV with a head line. A text that a spreadsheet would take for a formula gets an apostrophe
    /// before it, since names come from the corpus.
    pub fn csv(&self) -> String {
        let mut out: String =
            self.columns.iter().map(|c| c.name).collect::<Vec<_>>().join(",") + "\n";
        for row in 0..self.rows() {
            for (nth, column) in self.columns.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                match &column.values {
                    Values::Text(all) => push_text(&all[row], &mut out),
                    Values::Count(all) => {
                        out.push_str(&all[row].map_or(String::new(), |n| n.to_string()));
                    }
                    Values::Number(all) => {
                        out.push_str(&all[row].map_or(String::new(), |n| n.to_string()));
                    }
                }
            }
            out.push('\n');
        }
        out
    }

    /// The same as a Parquet file.
    pub fn parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for column in &self.columns {
            let (kind, array): (DataType, ArrayRef) = match &column.values {
                Values::Text(all) => {
                    (DataType::Utf8, Arc::new(StringArray::from_iter_values(all.iter())))
                }
                Values::Count(all) => (DataType::UInt64, Arc::new(UInt64Array::from(all.clone()))),
                Values::Number(all) => {
                    (DataType::Float64, Arc::new(Float64Array::from(all.clone())))
                }
            };
            fields.push(Field::new(column.name, kind, true));
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, schema.clone(), None)?;
        writer.write(&RecordBatch::try_new(schema, arrays)?)?;
        writer.close()?;
        Ok(out)
    }
}

fn push_text(text: &str, out: &mut String) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    if formula {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// Collects columns from rows.
struct Maker<'a, T> {
    rows: &'a [T],
    sheet: Sheet,
}

impl<'a, T> Maker<'a, T> {
    fn new(name: &'static str, about: &'static str, rows: &'a [T]) -> Self {
        Self { rows, sheet: Sheet { name, about, columns: Vec::new() } }
    }

    fn add(mut self, name: &'static str, values: Values) -> Self {
        self.sheet.columns.push(Column { name, values });
        self
    }

    fn text(self, name: &'static str, get: impl Fn(&T) -> String) -> Self {
        let values = Values::Text(self.rows.iter().map(get).collect());
        self.add(name, values)
    }

    fn count(self, name: &'static str, get: impl Fn(&T) -> u64) -> Self {
        let values = Values::Count(self.rows.iter().map(|row| Some(get(row))).collect());
        self.add(name, values)
    }

    fn number(self, name: &'static str, get: impl Fn(&T) -> Option<f64>) -> Self {
        let values = Values::Number(self.rows.iter().map(get).collect());
        self.add(name, values)
    }

    fn estimate(self, get: impl Fn(&T) -> Option<Estimate>) -> Self {
        self.number("share", |row| get(row).map(|e| e.value))
            .number("share_low", |row| get(row).map(|e| e.low))
            .number("share_high", |row| get(row).map(|e| e.high))
    }

    fn corrected(self, get: impl Fn(&T) -> Option<Corrected>) -> Self {
        self.number("corrected", |row| get(row).map(|e| e.value))
            .number("corrected_low", |row| get(row).map(|e| e.low))
            .number("corrected_high", |row| get(row).map(|e| e.high))
    }
}

/// Every table of an audit.
pub fn sheets(audit: &Audit) -> Vec<Sheet> {
    vec![
        shares(audit),
        sources(audit),
        source_categories(audit),
        groups(audit),
        shards(audit),
        lengths(audit),
        matrix(
            "cooccurrence",
            "Documents in which two categories reach the threshold.",
            "category",
            "other",
            &audit.cooccurrence,
        ),
        matrix(
            "category_frames",
            "Documents in which a category reaches the threshold, by frame.",
            "category",
            "frame",
            &audit.category_frames,
        ),
        histograms(audit),
        Maker::new("rules", "Documents in which a rule named a place.", &audit.rules)
            .text("rule", |r| r.rule.clone())
            .count("documents", |r| r.documents)
            .sheet,
        actions(audit),
        Maker::new("bands", "Documents by band of the coercion score.", &audit.bands)
            .number("from", |b| Some(b.from))
            .count("scored", |b| u64::from(b.scored))
            .count("documents", |b| b.documents)
            .sheet,
        composition(audit),
    ]
}

fn composition(audit: &Audit) -> Sheet {
    Maker::new(
        "composition",
        "What came in and what went out, by source and traits.",
        &audit.composition.lines(),
    )
    .text("source", |line| match (&line.source, line.others) {
        (_, true) => "(other sources)".into(),
        (Some(source), _) => source.clone(),
        (None, _) => "(no source)".into(),
    })
    .text("traits", |line| line.traits.join(" "))
    .count("documents", |line| line.cell.documents)
    .count("bytes", |line| line.cell.bytes)
    .count("tokens", |line| line.cell.tokens)
    .count("documents_out", |line| line.cell.documents_out)
    .count("bytes_out", |line| line.cell.bytes_out)
    .count("tokens_out", |line| line.cell.tokens_out)
    .sheet
}

fn shares(audit: &Audit) -> Sheet {
    let headline = audit.headline.iter().map(|line| ("headline", "documents", line));
    let tables = audit
        .tables
        .iter()
        .flat_map(|t| t.lines.iter().map(move |l| (t.id.as_str(), t.of.as_str(), l)));
    let rows: Vec<(&str, &str, &Line)> = headline.chain(tables).collect();
    Maker::new(
        "shares",
        "Shares with 95 % intervals, raw and corrected for the scorer's errors.",
        &rows,
    )
    .text("table", |r| r.0.into())
    .text("key", |r| r.2.key.clone())
    .text("share_of", |r| r.1.into())
    .count("documents", |r| r.2.documents)
    .count("of", |r| r.2.of)
    .estimate(|r| r.2.raw)
    .corrected(|r| r.2.corrected)
    .count("text_bytes", |r| r.2.bytes)
    .count("tokens_estimated", |r| r.2.tokens)
    .number("byte_share", |r| r.2.byte_share)
    .sheet
}

fn sources(audit: &Audit) -> Sheet {
    Maker::new("sources", "Flagged documents of each source.", &audit.sources)
        .text("source", |s| s.key.clone())
        .count("documents", |s| s.documents)
        .count("scored", |s| s.scored)
        .count("flagged", |s| s.coercion.documents)
        .estimate(|s| s.coercion.raw)
        .corrected(|s| s.coercion.corrected)
        .count("flagged_text_bytes", |s| s.coercion.bytes)
        .count("enacted", |s| s.enacted.documents)
        .count("admirable", |s| s.admirable.documents)
        .sheet
}

fn groups(audit: &Audit) -> Sheet {
    let rows: Vec<(&str, &GroupLine)> = audit
        .groups
        .iter()
        .flat_map(|grouping| grouping.groups.iter().map(|g| (grouping.field.as_str(), g)))
        .collect();
    Maker::new("groups", "Flagged documents by the fields that were asked for.", &rows)
        .text("field", |r| r.0.into())
        .text("group", |r| r.1.key.clone())
        .count("documents", |r| r.1.documents)
        .count("scored", |r| r.1.scored)
        .count("flagged", |r| r.1.coercion.documents)
        .estimate(|r| r.1.coercion.raw)
        .corrected(|r| r.1.coercion.corrected)
        .count("admirable", |r| r.1.admirable.documents)
        .sheet
}

fn source_categories(audit: &Audit) -> Sheet {
    let names = &audit.cooccurrence.rows;
    let rows: Vec<(&str, &str, u64)> = audit
        .sources
        .iter()
        .flat_map(|s| {
            names.iter().zip(&s.categories).map(move |(c, n)| (s.key.as_str(), c.as_str(), *n))
        })
        .filter(|(_, _, n)| *n > 0)
        .collect();
    Maker::new(
        "source_categories",
        "Documents of each source in which a category reaches the threshold.",
        &rows,
    )
    .text("source", |r| r.0.into())
    .text("category", |r| r.1.into())
    .count("documents", |r| r.2)
    .sheet
}

fn shards(audit: &Audit) -> Sheet {
    Maker::new("shards", "Flagged documents of each shard, the most unusual first.", &audit.shards)
        .text("shard", |s| s.key.clone())
        .count("documents", |s| s.documents)
        .count("flagged", |s| s.flagged)
        .count("admirable", |s| s.admirable)
        .estimate(|s| s.raw)
        .number("p_value", |s| Some(s.p_value))
        .count("outlier", |s| u64::from(s.outlier))
        .sheet
}

fn lengths(audit: &Audit) -> Sheet {
    Maker::new("lengths", "Scored documents by length in code points.", &audit.lengths)
        .count("from", |l| l.from)
        .count("to", |l| l.to)
        .count("documents", |l| l.documents)
        .count("flagged", |l| l.flagged)
        .count("admirable", |l| l.admirable)
        .estimate(|l| l.raw)
        .sheet
}

fn matrix(
    name: &'static str,
    about: &'static str,
    row: &'static str,
    column: &'static str,
    matrix: &Matrix,
) -> Sheet {
    let rows: Vec<(&str, &str, u64)> = matrix
        .rows
        .iter()
        .zip(&matrix.counts)
        .flat_map(|(r, counts)| {
            matrix.columns.iter().zip(counts).map(move |(c, n)| (r.as_str(), c.as_str(), *n))
        })
        .collect();
    Maker::new(name, about, &rows)
        .text(row, |r| r.0.into())
        .text(column, |r| r.1.into())
        .count("documents", |r| r.2)
        .sheet
}

fn histograms(audit: &Audit) -> Sheet {
    let rows: Vec<(&str, f64, u64)> = audit
        .histograms
        .iter()
        .flat_map(|h| {
            let width = h.max / h.counts.len().max(1) as f64;
            h.counts
                .iter()
                .enumerate()
                .map(move |(i, n)| (h.score.as_str(), (i as f64 * width * 1e6).round() / 1e6, *n))
        })
        .filter(|(_, _, n)| *n > 0)
        .collect();
    Maker::new(
        "histograms",
        "Scored documents by score; bins without documents are left out.",
        &rows,
    )
    .text("score", |r| r.0.into())
    .number("from", |r| Some(r.1))
    .count("documents", |r| r.2)
    .sheet
}

fn actions(audit: &Audit) -> Sheet {
    let rows: Vec<(&String, &u64)> = audit.actions.iter().collect();
    Maker::new("actions", "What the policy did to how many records.", &rows)
        .text("action", |r| r.0.clone())
        .count("records", |r| *r.1)
        .sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_and_disarms() {
        let rows = [("plain", 1), ("a,\"b\"\n", 2), ("=HYPERLINK(1)", 3)];
        let sheet = Maker::new("t", "", &rows)
            .text("name", |r| r.0.into())
            .number("n", |r| (r.1 != 2).then_some(f64::from(r.1) / 2.0))
            .sheet;
        assert_eq!(sheet.csv(), "name,n\nplain,0.5\n\"a,\"\"b\"\"\n\",\n\"'=HYPERLINK(1)\",1.5\n");
        assert!(sheet.parquet().is_ok_and(|bytes| bytes.starts_with(b"PAR1")));
    }
}
