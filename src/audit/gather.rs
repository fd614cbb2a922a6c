//! Reading what runs and scans wrote: attribute files in parallel, ledgers, quarantine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::figures::{Damaged, Notice, Reason, Versions};
use super::row::Row;
use super::tally::Tally;
use crate::composition::Composition;
use crate::ledger::Ledger;
use crate::shard::documents::{self, ReadError};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{Input, InputError, Limits, Piece, RemoteError, expand, remote, table};

/// Reasons for quarantine and places of damage that are listed; the rest is counted.
const LISTED: usize = 200;

/// How attributes are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Decides which rows are shown.
    pub seed: u64,
    /// Rows of each score band that are kept for the human check.
    pub review: usize,
    /// Add up what different filter sets or models have found.
    pub allow_mixed: bool,
}

/// Why attributes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: no ledger: {message}")]
    Ledger { path: String, message: String },
    #[error(
        "the inputs were made with different {what} ({versions}): their scores do not compare; scan again with one of them, or add them up all the same with --allow-mixed"
    )]
    Mixed { what: &'static str, versions: String },
    #[error("{path}: {message}")]
    Parquet { path: String, message: String },
    #[error(
        "{path}: line {line} is no attribute row: {message} (attributes lie below OUT/attributes)"
    )]
    NotAttributes { path: String, line: u64, message: String },
    #[error("{path}: {message}")]
    Json { path: String, message: String },
    #[error(transparent)]
    Quality(#[from] super::quality::QualityError),
    #[error(transparent)]
    Review(#[from] super::review::ReviewError),
}

impl Gathered {
    /// Bytes of text for each token, where tokens were counted.
    #[must_use]
    pub fn bytes_per_token(&self) -> Option<f64> {
        let tokens = self.books.tokens.filter(|tokens| *tokens > 0)?;
        let bytes: u64 = self.books.composition.lines().iter().map(|l| l.cell.bytes).sum();
        Some(bytes as f64 / tokens as f64)
    }
}

impl AuditError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        AuditError::Io { path: path.display().to_string(), source }
    }
}

/// What the ledgers say, added up.
#[derive(Clone, Debug)]
pub struct Books {
    pub complete: bool,
    pub versions: Versions,
    /// None where an input has no ledger.
    pub bytes_decoded: Option<u64>,
    /// Tokens of all texts, where every ledger has counted them with the same tokenizer.
    pub tokens: Option<u64>,
    pub quarantined: u64,
    pub actions: BTreeMap<String, u64>,
    pub composition: Composition,
    pub policy_rules: BTreeMap<String, u64>,
    pub quarantine: Vec<Reason>,
    pub damage: Vec<Damaged>,
}

/// Everything that was read.
pub struct Gathered {
    pub inputs: Vec<String>,
    /// Output folders of runs among the inputs.
    pub folders: Vec<PathBuf>,
    /// Attribute files with their shards.
    pub(super) parts: Vec<Part>,
    pub tally: Tally,
    pub books: Books,
    pub notices: Vec<Notice>,
}

/// One attribute file and the name of the shard that it belongs to.
pub(super) struct Part {
    pub(super) input: Input,
    pub(super) shard: Arc<str>,
}

/// Reads attribute files and output folders.
///
/// # Errors
/// See [`AuditError`]; damaged attribute files are no errors, notices name them.
pub fn gather(inputs: &[String], reading: Reading) -> Result<Gathered, AuditError> {
    let mut notices = BTreeSet::new();
    let mut ledgers: Vec<(String, Ledger)> = Vec::new();
    let (mut parts, mut folders, mut unfinished) = (Vec::new(), Vec::new(), false);
    let mut known_bytes = true;
    for typed in inputs {
        let given = &remote::shown(typed);
        let prefix = if inputs.len() > 1 { format!("{given}: ") } else { String::new() };
        let Some(folder) = output_folder(Path::new(given)) else {
            known_bytes = false;
            notices.insert(note(format!("{given}: attributes without their ledger, so what the policy did, damage and shares of bytes are not known")));
            add_parts(expand(std::slice::from_ref(typed))?, &prefix, &mut parts);
            continue;
        };
        let attributes = folder.join("attributes/parable");
        match expand(&[attributes.display().to_string()]) {
            Ok(found) => add_parts(found, &prefix, &mut parts),
            Err(InputError::Nothing { .. } | InputError::Ending { .. } | InputError::Io { .. })
                if !attributes.is_file() => {}
            Err(error) => return Err(error.into()),
        }
        match read_ledger(&folder)? {
            Some(ledger) => ledgers.push((prefix, ledger)),
            None => {
                unfinished = true;
                known_bytes = false;
                notices.insert(alert(format!("{given}: the run has not ended. Only the shards that it had finished are counted here; go on with it by --resume")));
            }
        }
        folders.push(folder);
    }
    let tally = read_parts(&parts, reading, &mut notices)?;
    let mut books = close(&ledgers, &tally, known_bytes, &mut notices);
    books.complete &= !unfinished;
    refuse_mixed(&books.versions, reading.allow_mixed, &mut notices)?;
    books.quarantine = quarantine(&folders)?;
    if tally.unreadable > 0 {
        notices.insert(alert(format!(
            "{} lines of the attribute files are no attribute rows and are not counted",
            tally.unreadable
        )));
    }
    if tally.rows == 0 {
        notices.insert(alert("there are no documents: nothing can be said".into()));
    }
    Ok(Gathered {
        inputs: inputs.iter().map(|typed| remote::shown(typed)).collect(),
        folders,
        parts,
        tally,
        books,
        notices: notices.into_iter().collect(),
    })
}

fn alert(text: String) -> Notice {
    Notice { level: "alert".into(), text }
}

fn note(text: String) -> Notice {
    Notice { level: "note".into(), text }
}

/// The output folder that a path names, itself or by its attributes.
fn output_folder(given: &Path) -> Option<PathBuf> {
    let is_output =
        |p: &Path| p.join("ledger.json").is_file() || p.join(".parable/journal.jsonl").is_file();
    if !given.is_dir() {
        return None;
    }
    if is_output(given) {
        return Some(given.to_path_buf());
    }
    let above = if given.ends_with("attributes/parable") {
        given.parent()?.parent()?
    } else if given.ends_with("attributes") {
        given.parent()?
    } else {
        return None;
    };
    is_output(above).then(|| above.to_path_buf())
}

fn add_parts(found: Vec<Input>, prefix: &str, parts: &mut Vec<Part>) {
    parts.extend(found.into_iter().map(|input| {
        let shard = format!("{prefix}{}", input.name()).into();
        Part { input, shard }
    }));
}

fn read_ledger(folder: &Path) -> Result<Option<Ledger>, AuditError> {
    let path = folder.join("ledger.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AuditError::io(&path, error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| AuditError::Ledger {
        path: path.display().to_string(),
        message: error.to_string(),
    })
}

fn read_parts(
    parts: &[Part],
    reading: Reading,
    notices: &mut BTreeSet<Notice>,
) -> Result<Tally, AuditError> {
    let said = Mutex::new(std::mem::take(notices));
    let say = |notice: Notice| {
        said.lock().unwrap_or_else(PoisonError::into_inner).insert(notice);
    };
    let opened: Vec<(&Part, Shard)> = parts
        .par_iter()
        .map(|part| Ok((part, documents::open(&part.input)?)))
        .collect::<Result<_, ReadError>>()?;
    let work: Vec<(&Part, &Shard, &Piece)> = opened
        .iter()
        .flat_map(|(part, shard)| shard.pieces.iter().map(move |piece| (*part, shard, piece)))
        .collect();
    let empty = || Tally::new(reading.seed, reading.review);
    let tally = work
        .par_iter()
        .try_fold(empty, |mut tally, (part, shard, piece)| {
            let read = read_piece(part, shard, piece, &mut tally, &say);
            part.input.intact()?;
            read?;
            Ok::<Tally, AuditError>(tally)
        })
        .try_reduce(empty, |mut all, tally| {
            all.merge(tally);
            Ok(all)
        })?;
    *notices = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tally)
}

fn parquet(part: &Part, message: &str) -> AuditError {
    AuditError::Parquet { path: part.input.path.display().to_string(), message: message.into() }
}

fn read_piece(
    part: &Part,
    shard: &Shard,
    piece: &Piece,
    tally: &mut Tally,
    say: &dyn Fn(Notice),
) -> Result<(), AuditError> {
    if let Piece::RowGroup(group) = piece {
        return read_row_group(part, *group, tally, say);
    }
    let mut lines =
        shard.lines(piece, Limits::default()).map_err(|e| AuditError::io(&part.input.path, e))?;
    let (mut seen, mut good) = (0u64, 0u64);
    loop {
        let block = match lines.next_chunk() {
            Chunk::End => return Ok(()),
            Chunk::Lines(block) => block,
            Chunk::TooLong { .. } => {
                tally.unreadable += 1;
                continue;
            }
            Chunk::Broken { why, .. } => {
                say(alert(format!("{}: damaged, what follows is not counted: {why}", part.shard)));
                continue;
            }
        };
        for line in block.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            seen += 1;
            match Row::parse(line) {
                Ok(row) => {
                    good += 1;
                    tally.add(&part.shard, &row);
                }
                // Documents given in place of attributes fail at once; a torn line is counted.
                Err(error) if good == 0 && seen >= 3 => {
                    return Err(AuditError::NotAttributes {
                        path: part.input.path.display().to_string(),
                        line: seen,
                        message: error.to_string(),
                    });
                }
                Err(_) => tally.unreadable += 1,
            }
        }
    }
}

fn read_row_group(
    part: &Part,
    group: usize,
    tally: &mut Tally,
    say: &dyn Fn(Notice),
) -> Result<(), AuditError> {
    let batches =
        table::row_group(&part.input, group).map_err(|e| parquet(part, &e.to_string()))?;
    for batch in batches {
        let batch = match batch {
            Ok(batch) => batch,
            Err(message) => {
                say(alert(format!("{}: row group {group} is damaged: {message}", part.shard)));
                return Ok(());
            }
        };
        let Some(rows) = rows_of(&batch) else {
            return Err(parquet(
                part,
                "no columns `id` and `attributes`: this is no attribute file",
            ));
        };
        for row in rows {
            match row {
                Some(row) => tally.add(&part.shard, &row),
                None => tally.unreadable += 1,
            }
        }
    }
    Ok(())
}

/// The attribute rows of a batch, none where a row cannot be read; none at all where the columns
/// are missing.
pub(super) fn rows_of(batch: &RecordBatch) -> Option<Vec<Option<Row<'_>>>> {
    let (ids, maps) = (batch.column_by_name("id")?, batch.column_by_name("attributes")?);
    let sources = batch.column_by_name("source");
    let row = |nth| {
        let mut row = Row::parse_map(table::text(maps, nth)?).ok()?;
        row.id = table::text(ids, nth)?.into();
        row.source = sources.and_then(|s| table::text(s, nth)).map(Into::into);
        Some(row)
    };
    Some((0..batch.num_rows()).map(row).collect())
}

/// Adds the ledgers up and holds them against the rows.
fn close(
    ledgers: &[(String, Ledger)],
    tally: &Tally,
    known_bytes: bool,
    notices: &mut BTreeSet<Notice>,
) -> Books {
    let mut books = Books {
        complete: ledgers.iter().all(|(_, ledger)| ledger.complete),
        versions: Versions::default(),
        bytes_decoded: (known_bytes && !ledgers.is_empty())
            .then(|| ledgers.iter().map(|(_, l)| l.totals.bytes_decoded).sum()),
        tokens: tokens(ledgers).filter(|_| known_bytes),
        quarantined: ledgers.iter().map(|(_, l)| l.totals.quarantined).sum(),
        actions: BTreeMap::new(),
        composition: Composition::default(),
        policy_rules: BTreeMap::new(),
        quarantine: Vec::new(),
        damage: Vec::new(),
    };
    let mut versions = [const { BTreeSet::new() }; 4];
    for (prefix, ledger) in ledgers {
        let policy = format!("{} {}", ledger.policy.name, ledger.policy.hash);
        let values = [ledger.filter_set.clone(), ledger.model.clone(), policy, ledger.gate.clone()];
        versions.iter_mut().zip(values).for_each(|(set, value)| _ = set.insert(value));
        count_actions(ledger, &mut books.actions);
        books.composition.add(&ledger.composition);
        for (rule, n) in &ledger.policy_rules {
            *books.policy_rules.entry(rule.clone()).or_default() += n;
        }
        if ledger.totals.policy_faults > 0 {
            notices.insert(alert(format!(
                "{prefix}{} times a rule of the policy could not be evaluated and did not apply",
                ledger.totals.policy_faults
            )));
        }
        for page in &ledger.shards {
            let name = format!("{prefix}{}", page.path);
            let rows = tally.shards.get(name.as_str()).map_or(0, |group| group.rows);
            // Earlier versions wrote no row for a record that went to quarantine.
            let records = page.counts.records_in;
            if rows != records && rows + page.counts.quarantined != records {
                let text = format!(
                    "{name}: {rows} attribute rows, but the ledger counts {} records",
                    page.counts.records_in
                );
                notices.insert(alert(text));
            }
            if !page.complete {
                notices.insert(alert(format!("{name}: not read to its end")));
            }
            books.damage.extend(page.damage.iter().map(|d| Damaged {
                shard: name.clone(),
                byte_offset: d.byte_offset,
                message: d.message.clone(),
            }));
        }
    }
    books.damage.truncate(LISTED);
    let [filter_sets, models, policies, gates] = versions.map(|set| set.into_iter().collect());
    books.versions = Versions { filter_sets, models, policies, gates };
    books
}

fn tokens(ledgers: &[(String, Ledger)]) -> Option<u64> {
    let counts: Option<Vec<_>> = ledgers.iter().map(|(_, l)| l.tokens.as_ref()).collect();
    let counts = counts?;
    let same = counts.windows(2).all(|pair| pair[0].tokenizer == pair[1].tokenizer);
    (same && !counts.is_empty()).then(|| counts.iter().map(|count| count.tokens_in).sum())
}

fn count_actions(ledger: &Ledger, actions: &mut BTreeMap<String, u64>) {
    let totals = &ledger.totals;
    for (name, n) in [
        ("kept", totals.kept),
        ("tagged", totals.tagged),
        ("weighted", totals.weighted),
        ("masked", totals.masked),
        ("conditioned", totals.conditioned),
        ("replaced", totals.replaced),
        ("dropped", totals.dropped),
        ("quarantined", totals.quarantined),
        ("extra copies", totals.duplicated),
    ] {
        *actions.entry(name.into()).or_default() += n;
    }
}

fn refuse_mixed(
    versions: &Versions,
    allow: bool,
    notices: &mut BTreeSet<Notice>,
) -> Result<(), AuditError> {
    for (what, all) in [
        ("filter sets", &versions.filter_sets),
        ("models", &versions.models),
        ("gate levels", &versions.gates),
    ] {
        if all.len() > 1 {
            if !allow {
                return Err(AuditError::Mixed { what, versions: all.join(", ") });
            }
            notices.insert(alert(format!(
                "made with different {what} ({}): the parts do not compare",
                all.join(", ")
            )));
        }
    }
    Ok(())
}

/// Reasons for quarantine with their counts, most frequent first. Digits are taken out, so that
/// reasons that differ by a position count as one.
fn quarantine(folders: &[PathBuf]) -> Result<Vec<Reason>, AuditError> {
    #[derive(serde::Deserialize)]
    struct Line {
        reason: String,
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for folder in folders.iter().map(|f| f.join("quarantine")).filter(|f| f.is_dir()) {
        let found = match expand(&[folder.display().to_string()]) {
            Ok(found) => found,
            Err(InputError::Nothing { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for input in found {
            let shard = Shard::open(&input).map_err(|e| AuditError::io(&input.path, e))?;
            for piece in &shard.pieces {
                let mut lines = shard
                    .lines(piece, Limits::default())
                    .map_err(|e| AuditError::io(&input.path, e))?;
                while let Chunk::Lines(block) = lines.next_chunk() {
                    for line in block.split(|b| *b == b'\n') {
                        if let Ok(line) = serde_json::from_slice::<Line>(line) {
                            let plain: String = line
                                .reason
                                .chars()
                                .take(160)
                                .map(|c| if c.is_ascii_digit() { '#' } else { c })
                                .collect();
                            let known = counts.len() < 4 * LISTED || counts.contains_key(&plain);
                            *counts
                                .entry(if known { plain } else { "(others)".into() })
                                .or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    let mut reasons: Vec<Reason> =
        counts.into_iter().map(|(reason, records)| Reason { reason, records }).collect();
    reasons.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.reason.cmp(&b.reason)));
    reasons.truncate(LISTED);
    Ok(reasons)
}
