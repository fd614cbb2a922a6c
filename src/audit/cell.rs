//! Cells: flagged or admirable documents told apart by everything that a plan for another
//! composition can turn on at once. Documents in no cell are plain.

use serde::{Deserialize, Serialize};

use super::row::{Row, SCORES, SEVERITY, score_id};
use super::tally::{THRESHOLD, Tally, Weight};
use crate::taxonomy::Frame;

/// Documents that share source, frame, severity and marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cell {
    pub source: String,
    /// The likeliest frame.
    pub frame: String,
    /// Expected severity, rounded.
    pub severity: u8,
    /// Scores that reach the threshold: `coercion`, `enacted`, `admirable`, `reason_given` and
    /// categories.
    pub marks: Vec<String>,
    pub documents: u64,
    /// Bytes of their texts.
    pub bytes: u64,
}

/// All cells of a corpus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cells {
    /// Most documents first.
    pub cells: Vec<Cell>,
    /// Documents of cells beyond the limit of 4096.
    pub others: u64,
}

/// The cell of a row; none where no score reaches the threshold.
#[must_use]
pub fn key(row: &Row<'_>) -> Option<String> {
    let reaches = |nth: &usize| *nth != SEVERITY && row.scores[*nth] >= THRESHOLD;
    let marks: u64 = (0..SCORES).filter(reaches).map(|nth| 1 << nth).sum();
    let severity = (row.scores[SEVERITY].round() as u8).min(4);
    let source = row.source.as_deref().unwrap_or("");
    (marks != 0).then(|| format!("{marks:x} {severity} {} {source}", row.top_frame().index()))
}

fn cell(key: &str, weight: Weight) -> Option<Cell> {
    let mut parts = key.splitn(4, ' ');
    let marks = u64::from_str_radix(parts.next()?, 16).ok()?;
    let severity = parts.next()?.parse().ok()?;
    let frame = Frame::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
    let source = parts.next()?;
    Some(Cell {
        source: if source.is_empty() { "(no source)" } else { source }.into(),
        frame: frame.id().into(),
        severity,
        marks: (0..SCORES).filter(|i| marks >> i & 1 == 1).map(|i| score_id(i).into()).collect(),
        documents: weight.documents,
        bytes: weight.bytes,
    })
}

/// The cells of a tally.
#[must_use]
pub fn cells(tally: &Tally) -> Cells {
    let mut cells: Vec<Cell> = tally.cells.iter().filter_map(|(key, w)| cell(key, *w)).collect();
    cells.sort_by(|a, b| {
        let place = |c: &Cell| (c.source.clone(), c.frame.clone(), c.severity, c.marks.clone());
        b.documents.cmp(&a.documents).then_with(|| place(a).cmp(&place(b)))
    });
    Cells { cells, others: tally.cells.others.documents }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::row::{COERCION, score_of};
    use crate::taxonomy::Category;

    #[test]
    fn a_cell_says_what_its_documents_share() {
        let mut tally = Tally::new(0, 0);
        for i in 0..30 {
            let mut row = Row {
                id: format!("d{i}").into(),
                source: Some("a source 7".into()),
                scored: true,
                chars: 10,
                ..Row::default()
            };
            row.scores[COERCION] = if i % 3 == 0 { 0.9 } else { 0.1 };
            row.scores[SEVERITY] = 2.6;
            row.scores[score_of(Category::BoundedScope)] = if i == 3 { 0.5 } else { 0.0 };
            row.frame[Frame::Fiction.index()] = 0.9;
            tally.add(&"s".into(), &row);
        }
        let found = cells(&tally);
        assert_eq!((found.cells.len(), found.others), (2, 0));
        let first = &found.cells[0];
        assert_eq!((first.documents, first.bytes, first.severity), (9, 90, 3));
        assert_eq!((first.source.as_str(), first.frame.as_str()), ("a source 7", "fiction"));
        assert_eq!(
            (&first.marks[..], &found.cells[1].marks[1]),
            (&["coercion".to_string()][..], &"bounded_scope".to_string())
        );
    }
}
