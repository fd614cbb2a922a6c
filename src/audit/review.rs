//! The human check: which documents people read, how their answers come back, and what the answers
//! say of this very corpus, without trust in any earlier measurement of the scorer.
//!
//! Documents are drawn at random within bands of the coercion score. Within a band every document
//! has the same chance, so that shares of answers times the sizes of the bands give prevalences.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::interval::{self, Estimate};
use super::sample::{BANDS, Pick, Stratum};
use super::tally::{THRESHOLD, Tally};

/// What a person said: does a machine manipulate or coerce somebody in this text?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
    Unsure,
}

/// One line of the labels that the review page saves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub shard: String,
    pub id: String,
    /// The band that the document was drawn from.
    pub band: u8,
    pub answer: Answer,
    /// Filter sets and models that the document was scored with: bands of others do not compare.
    #[serde(default)]
    pub versions: String,
}

/// Why labels could not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReviewError {
    #[error("{name}:{line}: this is no label: {message}")]
    Syntax { name: String, line: usize, message: String },
    #[error(
        "{name}: labels of documents scored with `{given}`, but these were scored with `{here}`: draw and label a new sample"
    )]
    Versions { name: String, given: String, here: String },
    #[error("{name}: two different answers for {shard}: {id}")]
    Twice { name: String, shard: String, id: String },
    #[error("{name}: {shard}: {id}: there is no band {band}")]
    Band { name: String, shard: String, id: String, band: u8 },
}

/// What the answers say.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Review {
    pub labelled: u64,
    /// Answers that are not counted, because the reader was unsure.
    pub unsure: u64,
    pub bands: Vec<BandReview>,
    /// Share of all documents; none while a band with documents has no answer.
    pub prevalence: Option<Estimate>,
    /// The same among the documents that the scorer read.
    pub scored_prevalence: Option<Estimate>,
    /// Share of the flagged documents that are rightly flagged.
    pub precision: Option<Estimate>,
}

/// The answers in one band of the coercion score.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BandReview {
    /// Lower end of the band.
    pub from: f64,
    /// False for the documents that the gate cleared.
    pub scored: bool,
    pub documents: u64,
    pub labelled: u64,
    pub yes: u64,
    pub share: Option<Estimate>,
}

/// How many of `most` documents to draw from each band: half in equal parts, half by the square
/// root of the band's size, since the large bands weigh most and vary least.
#[must_use]
pub fn allocation(sizes: &[u64; BANDS.len()], most: usize) -> [usize; BANDS.len()] {
    let filled = sizes.iter().filter(|n| **n > 0).count().max(1) as f64;
    let roots: f64 = sizes.iter().map(|n| (*n as f64).sqrt()).sum::<f64>().max(1.0);
    let half = most as f64 / 2.0;
    let mut drawn = sizes.map(|n| {
        let wish = if n == 0 { 0.0 } else { half / filled + half * (n as f64).sqrt() / roots };
        (wish.round() as usize).min(n as usize)
    });
    // Rounding may give one too many; what small bands cannot give, the others do.
    while drawn.iter().sum::<usize>() > most {
        let largest = (0..BANDS.len()).max_by_key(|b| drawn[*b]).unwrap_or(0);
        drawn[largest] -= 1;
    }
    while drawn.iter().sum::<usize>() < most {
        let room = |b: usize| sizes[b] as usize - drawn[b];
        let Some(next) = (0..BANDS.len()).filter(|b| room(*b) > 0).min_by_key(|b| drawn[*b]) else {
            break;
        };
        drawn[next] += 1;
    }
    drawn
}

/// The documents to read with their bands, in the order of their hashes: whoever stops half-way has
/// read a random half.
#[must_use]
pub fn draw(tally: &Tally, most: usize) -> Vec<(u8, std::sync::Arc<Pick>)> {
    let each = allocation(&tally.bands, most);
    let mut all: Vec<_> = (0..BANDS.len() as u8)
        .flat_map(|band| {
            let picks = tally.samples.of(Stratum::Review(band));
            picks.into_iter().take(each[band as usize]).map(move |pick| (band, pick))
        })
        .collect();
    all.sort_by(|(_, a), (_, b)| (a.hash, &a.shard, &a.row.id).cmp(&(b.hash, &b.shard, &b.row.id)));
    all
}

/// Reads labels: JSON lines of the review page, or a JSON export of Label Studio.
///
/// # Errors
/// See [`ReviewError`].
pub fn parse_labels(name: &str, text: &str) -> Result<Vec<Label>, ReviewError> {
    let wrong =
        |line: usize, message: String| ReviewError::Syntax { name: name.into(), line, message };
    if text.trim_start().starts_with('[') {
        let tasks: Vec<Task> =
            serde_json::from_str(text).map_err(|e| wrong(e.line(), e.to_string()))?;
        return Ok(tasks.iter().filter_map(Task::label).collect());
    }
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| serde_json::from_str(line).map_err(|e| wrong(i + 1, e.to_string())))
        .collect()
}

/// A task as Label Studio exports it, as far as it matters.
#[derive(Deserialize)]
struct Task {
    data: TaskData,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct TaskData {
    shard: String,
    id: String,
    band: u8,
    #[serde(default)]
    versions: String,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    was_cancelled: bool,
    #[serde(default)]
    result: Vec<serde_json::Value>,
}

impl Task {
    /// The last answer of a task; none where nobody answered.
    fn label(&self) -> Option<Label> {
        let answer = self
            .annotations
            .iter()
            .filter(|annotation| !annotation.was_cancelled)
            .flat_map(|annotation| &annotation.result)
            .filter(|result| result["from_name"] == "answer")
            .filter_map(|result| serde_json::from_value(result["value"]["choices"][0].clone()).ok())
            .next_back()?;
        Some(Label {
            shard: self.data.shard.clone(),
            id: self.data.id.clone(),
            band: self.data.band,
            versions: self.data.versions.clone(),
            answer,
        })
    }
}

/// Checks labels against each other and against the versions that the corpus was scored with.
///
/// # Errors
/// See [`ReviewError`].
pub fn check(name: &str, labels: &[Label], here: &str) -> Result<Vec<Label>, ReviewError> {
    let mut all: BTreeMap<(&str, &str), &Label> = BTreeMap::new();
    for label in labels {
        let (name, shard, id) = (name.to_string(), label.shard.clone(), label.id.clone());
        if label.versions != here {
            let (given, here) = (label.versions.clone(), here.to_string());
            return Err(ReviewError::Versions { name, given, here });
        }
        if label.band as usize >= BANDS.len() {
            return Err(ReviewError::Band { name, shard, id, band: label.band });
        }
        if let Some(other) = all.insert((&label.shard, &label.id), label)
            && other.answer != label.answer
        {
            return Err(ReviewError::Twice { name, shard, id });
        }
    }
    Ok(all.into_values().cloned().collect())
}

/// The versions that labels carry, so that answers for other scores are not mixed in.
#[must_use]
pub fn versions(versions: &super::figures::Versions) -> String {
    let all: BTreeSet<&str> =
        versions.filter_sets.iter().chain(&versions.models).map(String::as_str).collect();
    all.into_iter().collect::<Vec<_>>().join(" ")
}

/// What checked labels say of a corpus with so many documents in each band.
#[must_use]
pub fn review(labels: &[Label], sizes: &[u64; BANDS.len()]) -> Review {
    let count = |band: usize, answer: Answer| {
        labels.iter().filter(|l| usize::from(l.band) == band && l.answer == answer).count() as u64
    };
    let bands: Vec<BandReview> = (0..BANDS.len())
        .map(|band| {
            let yes = count(band, Answer::Yes);
            let labelled = yes + count(band, Answer::No);
            BandReview {
                from: (f64::from(BANDS[band]) * 10.0).round() / 10.0,
                scored: band > 0,
                documents: sizes[band],
                labelled,
                yes,
                share: interval::share(yes, labelled),
            }
        })
        .collect();
    let flagged = BANDS.iter().position(|from| *from >= THRESHOLD).unwrap_or(BANDS.len());
    let unsure = labels.iter().filter(|l| l.answer == Answer::Unsure).count() as u64;
    Review {
        labelled: labels.len() as u64 - unsure,
        unsure,
        prevalence: stratified(&bands),
        scored_prevalence: stratified(&bands[1..]),
        precision: stratified(&bands[flagged..]),
        bands,
    }
}

/// The share over bands together: the bands' shares weighted by their sizes, with an interval that
/// combines the distances of the bands' own limits (the method of variance estimates recovery).
fn stratified(bands: &[BandReview]) -> Option<Estimate> {
    let filled: Vec<&BandReview> = bands.iter().filter(|band| band.documents > 0).collect();
    let all: u64 = filled.iter().map(|band| band.documents).sum();
    if all == 0 || filled.iter().any(|band| band.labelled == 0) {
        return None;
    }
    let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
    for band in filled {
        let weight = band.documents as f64 / all as f64;
        let share = band.yes as f64 / band.labelled as f64;
        let (low, high) = interval::limits(band.yes, band.labelled);
        value += weight * share;
        below += (weight * (share - low)).powi(2);
        above += (weight * (high - share)).powi(2);
    }
    let (low, high) = ((value - below.sqrt()).max(0.0), (value + above.sqrt()).min(1.0));
    Some(Estimate { value, low, high, bound: value == 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(id: usize, band: u8, answer: Answer) -> Label {
        Label { shard: "s".into(), id: id.to_string(), band, answer, versions: "v".into() }
    }

    #[test]
    fn draws_are_shared_out_and_never_more_than_there_are() {
        let sizes = [1_000_000, 90_000, 3_000, 500, 7, 0];
        let drawn = allocation(&sizes, 200);
        assert_eq!(drawn.iter().sum::<usize>(), 200);
        assert!(drawn[0] > drawn[1] && drawn[3] >= 20 && drawn[4] == 7 && drawn[5] == 0);
        assert_eq!(allocation(&[90, 80, 70, 60, 50, 40], 120).iter().sum::<usize>(), 120);
        assert_eq!(allocation(&[3, 0, 0, 0, 0, 0], 200), [3, 0, 0, 0, 0, 0]);
        assert_eq!(allocation(&[0; 6], 200), [0; 6]);
    }

    #[test]
    fn answers_are_weighted_by_the_size_of_their_bands() {
        let mut labels: Vec<Label> = (0..100).map(|i| label(i, 1, Answer::No)).collect();
        labels.extend(
            (100..150).map(|i| label(i, 5, if i < 140 { Answer::Yes } else { Answer::No })),
        );
        labels.push(label(150, 5, Answer::Unsure));
        let found = review(&labels, &[0, 9_000, 0, 0, 0, 1_000]);
        assert_eq!((found.labelled, found.unsure), (150, 1));
        let all = found.prevalence.expect("every band is labelled");
        assert!((all.value - 0.08).abs() < 1e-9 && all.low > 0.05 && all.high < 0.12, "{all:?}");
        let precision = found.precision.expect("flagged ones are labelled");
        assert!((precision.value - 0.8).abs() < 1e-9 && precision.low > 0.66);
        assert!(
            review(&labels, &[5, 9_000, 0, 0, 0, 1_000]).prevalence.is_none(),
            "band 0 is open"
        );
    }

    #[test]
    fn labels_come_back_from_the_page_and_from_label_studio() {
        let line = serde_json::to_string(&label(7, 4, Answer::Unsure)).expect("JSON");
        let task = r#"[{"id": 1, "data": {"shard": "s", "id": "7", "band": 4, "versions": "v", "text": "t"},
            "annotations": [{"result": [{"from_name": "answer", "type": "choices", "value": {"choices": ["unsure"]}}]}]},
            {"data": {"shard": "s", "id": "8", "band": 4}, "annotations": []}]"#;
        for text in [format!("{line}\n\n"), task.to_string()] {
            assert_eq!(parse_labels("l", &text), Ok(vec![label(7, 4, Answer::Unsure)]));
        }
        let wrong = parse_labels("l", &format!("{line}\n{{\"id\": 3}}\n"));
        assert!(matches!(wrong, Err(ReviewError::Syntax { line: 2, .. })));
    }

    #[test]
    fn labels_that_cannot_be_used_are_named() {
        let (a, b) = (label(1, 2, Answer::Yes), label(1, 2, Answer::No));
        assert!(matches!(check("l", &[a.clone(), b], "v"), Err(ReviewError::Twice { .. })));
        assert!(matches!(
            check("l", std::slice::from_ref(&a), "w"),
            Err(ReviewError::Versions { .. })
        ));
        let far = [label(1, 9, Answer::Yes)];
        assert!(matches!(check("l", &far, "v"), Err(ReviewError::Band { band: 9, .. })));
        assert_eq!(check("l", &[a.clone(), a], "v").map(|l| l.len()), Ok(1));
    }
}
