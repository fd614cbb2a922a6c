//! Figures for other programs: every table as CSV and Parquet, charts as SVG, and texts for dataset
//! cards, Croissant and datasheets.

mod card;
mod chart;
mod sheets;

use std::path::Path;

use super::figures::Audit;
use super::gather::AuditError;
use crate::shard::output;

/// Writes all exports into a folder: `<table>.csv`, `<table>.parquet`, `<chart>.svg`,
/// `dataset-card.md`, `croissant.json` and `datasheet.md`.
///
/// # Errors
/// Those of the disk.
pub fn write(folder: &Path, figures: &Audit) -> Result<(), AuditError> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        output::write_whole(&path, bytes).map_err(|e| AuditError::io(&path, e))
    };
    let sheets = sheets::sheets(figures);
    for sheet in &sheets {
        put(&format!("{}.csv", sheet.name), sheet.csv().as_bytes())?;
        let parquet = sheet.parquet().map_err(|error| AuditError::Parquet {
            path: folder.join(sheet.name).display().to_string(),
            message: error.to_string(),
        })?;
        put(&format!("{}.parquet", sheet.name), &parquet)?;
    }
    for (name, svg) in chart::charts(figures) {
        put(&format!("{name}.svg"), svg.as_bytes())?;
    }
    put("dataset-card.md", card::dataset_card(figures).as_bytes())?;
    put("datasheet.md", card::datasheet(figures).as_bytes())?;
    super::write_json(&folder.join("croissant.json"), &card::croissant(figures, &sheets))
}
