//! What is in a dataset, how sure one can be, and where: figures over what `run` and `scan` wrote.
//!
//! [`Tally`] counts attribute rows and adds up over any parts; [`gather`] reads them with their
//! ledgers; [`audit`] makes the figures of `audit.json`, with intervals from [`interval`] and the
//! scorer's measured quality from [`quality`]; [`examples`] finds the texts that a report shows and
//! [`report`] writes it. No rule and no model is asked here: the audit says what the rows say.

pub mod by;
pub mod clusters;
pub mod compare;
pub mod examples;
pub mod export;
pub mod figures;
pub mod gather;
pub mod interval;
mod outlier;
pub mod quality;
pub mod report;
pub mod review;
pub mod row;
pub mod sample;
pub mod tally;

use std::path::Path;

pub use figures::{Audit, Notice, audit};
pub use gather::{AuditError, Gathered, Reading, gather};
pub use quality::Quality;
pub use row::Row;
pub use tally::Tally;

use crate::shard::{FieldPaths, Input, output};

/// Bytes of English text for each token: an estimate, and called one. Two tokenizers of the OLMo
/// family counted 4.12 to 4.50 on web text and on fiction, logs and essays.
pub const BYTES_PER_TOKEN: f64 = 4.3;

/// Writes `audit.json` and `report.html` into the output folder of a finished run.
///
/// `originals` are the shards that the run read: examples are taken from them, since the documents
/// written may have been changed. Where it is empty, the written documents are used. `built_in` is
/// the version of the model whose errors were measured.
///
/// # Errors
/// See [`AuditError`].
pub fn write(
    out: &Path,
    originals: &[Input],
    fields: &FieldPaths,
    built_in: &str,
) -> Result<Audit, AuditError> {
    let inputs = [out.display().to_string()];
    let gathered = gather(&inputs, Reading::default())?;
    let (quality, unmeasured) = Quality::of_models(&gathered.books.versions.models, built_in)?;
    let per_token = gathered.bytes_per_token().unwrap_or(BYTES_PER_TOKEN);
    let mut figures = audit(&gathered, &quality, per_token);
    figures.notices.extend(unmeasured.map(|text| Notice { level: "note".into(), text }));
    // The place of the folder is the machine's, not the data's: a moved run has the same audit.
    figures.inputs = vec![".".into()];
    let shown = examples::find(&gathered, originals, fields)?;
    figures.copies = Some(shown.copies);
    let command = "parable audit . -o report.html --json audit.json";
    write_json(&out.join("audit.json"), &figures)?;
    write_report(&out.join("report.html"), &figures, &shown.examples, command)?;
    Ok(figures)
}

/// Writes figures as JSON.
///
/// # Errors
/// Those of the disk.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), AuditError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| AuditError::Json {
        path: path.display().to_string(),
        message: e.to_string(),
    })?;
    text.push(b'\n');
    output::write_whole(path, &text).map_err(|e| AuditError::io(path, e))
}

/// Writes the report.
///
/// # Errors
/// Those of the disk.
pub fn write_report(
    path: &Path,
    figures: &Audit,
    examples: &[examples::Example],
    command: &str,
) -> Result<(), AuditError> {
    let page = report::audit_page(figures, examples, command);
    output::write_whole(path, page.as_bytes()).map_err(|e| AuditError::io(path, e))
}

/// Draws documents for people to read and writes `review.html`, `label-studio.json` and
/// `label-studio.xml` into a folder; says how many there are. `command` is how answers come back.
///
/// # Errors
/// See [`AuditError`].
pub fn write_review(
    folder: &Path,
    gathered: &Gathered,
    most: usize,
    (originals, fields): (&[Input], &FieldPaths),
    command: &str,
) -> Result<usize, AuditError> {
    let drawn = review::draw(&gathered.tally, most);
    let picks: Vec<_> = drawn.iter().map(|(_, pick)| pick.clone()).collect();
    let texts = examples::texts(gathered, &picks, originals, fields)?;
    let items: Vec<report::review::Item> = drawn
        .iter()
        .map(|(band, pick)| report::review::Item {
            key: report::review::Key { shard: pick.shard.to_string(), id: pick.row.id.to_string() },
            band: *band,
            example: examples::example(pick, texts.get(&examples::key(pick)), report::review::TEXT),
        })
        .collect();
    let versions = review::versions(&gathered.books.versions);
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        output::write_whole(&path, text.as_bytes()).map_err(|e| AuditError::io(&path, e))
    };
    put("review.html", &report::review::page(&items, &versions, command))?;
    put("label-studio.xml", report::review::INTERFACE)?;
    write_json(&folder.join("label-studio.json"), &report::review::tasks(&items, &versions))?;
    Ok(items.len())
}

/// Writes the report on two audits.
///
/// # Errors
/// Those of the disk.
pub fn write_comparison(
    path: &Path,
    shifts: &compare::Comparison,
    command: &str,
) -> Result<(), AuditError> {
    let page = report::compare_page(shifts, command);
    output::write_whole(path, page.as_bytes()).map_err(|e| AuditError::io(path, e))
}

/// Reads an `audit.json`.
///
/// # Errors
/// Where it cannot be read or was written by a version whose figures mean something else.
pub fn read_json(path: &Path) -> Result<Audit, AuditError> {
    let text = std::fs::read(path).map_err(|e| AuditError::io(path, e))?;
    let fail = |message: String| AuditError::Json { path: path.display().to_string(), message };
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u32,
    }
    let version: Version =
        serde_json::from_slice(&text).map_err(|e| fail(format!("this is no audit.json: {e}")))?;
    if version.schema != figures::SCHEMA {
        let known = figures::SCHEMA;
        return Err(fail(format!(
            "schema {}; this program reads {known}: audit again",
            version.schema
        )));
    }
    serde_json::from_slice(&text).map_err(|e| fail(e.to_string()))
}
