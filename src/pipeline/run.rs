//! Opening the books, sharing the pieces out, closing the books.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::books::{differences, fingerprint};
use super::journal::{self, Finished, Journal, PiecePage};
use super::parts::{self, Kind, Parts};
use super::reading::Reading;
use super::records::Worker;
use super::stop::Stop;
use super::table_pass;
use super::{Observer, RunConfig, RunError};
use crate::composition::{Cell, Composition};
use crate::ledger::{Counts, DamageNote, Ledger, PolicyNote, ShardPage, TokenCount};
use crate::scan::Gate;
use crate::score::Judge;
use crate::shard::piece::Shard;
use crate::shard::remote;
use crate::shard::{Format, Input, expand, output};

/// Uploads that have begun and not ended, below the working folder.
pub const UPLOADS: &str = ".parable/uploads";

/// How a run ended.
pub struct Outcome {
    pub ledger: Ledger,
}

/// One shard on its way: opened and cut, or found unreadable.
struct Job {
    input: Input,
    opened: Result<Shard, String>,
    pages: Mutex<Vec<Option<PiecePage>>>,
    left: AtomicUsize,
    already: bool,
}

/// Runs the pass over all inputs.
///
/// # Errors
/// See [`RunError`]; damaged records and shards are no errors, they are in the ledger.
pub fn run(config: &RunConfig, observer: &dyn Observer) -> Result<Outcome, RunError> {
    let started = Instant::now();
    if let Some(url) = config.out.to_str().filter(|out| remote::is_url(out)) {
        return Err(RunError::NoWork(url.into()));
    }
    let inputs = expand(&config.inputs)?;
    let inputs: Vec<Input> = inputs
        .into_iter()
        .enumerate()
        .filter(|(i, _)| i % config.world == config.rank)
        .map(|(_, x)| x)
        .collect();
    let settings = fingerprint(config, &inputs);
    let (_lock, finished) = open_books(config, &settings)?;
    let state = config.out.join(".parable");
    let journal_path = state.join("journal.jsonl");
    let journal =
        Journal::open(&journal_path, &settings).map_err(|e| RunError::io(&journal_path, e))?;
    let stop = Stop::listen().map_err(|e| RunError::io(&config.out, e))?;

    observer.begin(inputs.len(), inputs.iter().map(|i| i.bytes).sum());
    let threads = if config.threads == 0 {
        std::thread::available_parallelism().map_or(1, usize::from)
    } else {
        config.threads
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| RunError::io(&config.out, io::Error::other(e)))?;
    // Side by side: behind a URL, opening is mostly waiting.
    let jobs: Vec<Job> = pool.install(|| {
        inputs.into_par_iter().map(|x| Job::open(x, &finished)).collect::<Result<_, RunError>>()
    })?;
    for job in &jobs {
        (0..job.pieces()).filter(|p| job.done(*p)).for_each(|p| observer.advance(job.stored(p)));
    }
    let work: Vec<(usize, usize)> = jobs
        .iter()
        .enumerate()
        .flat_map(|(j, job)| (0..job.pieces()).map(move |p| (j, p)))
        .filter(|(j, p)| !jobs[*j].done(*p))
        .collect();

    let failed: Mutex<Option<RunError>> = Mutex::new(None);
    // Compiled once; the workers share them.
    let gate = Gate::new(&config.filters, config.gate);
    let judge = Judge::new(config.model.clone(), config.filters.clone()).with(config.aides.clone());
    pool.install(|| {
        // Shards whose pieces were all finished before the kill still want joining.
        jobs.par_iter()
            .filter(|job| !job.already && job.left.load(Ordering::SeqCst) == 0)
            .for_each(|job| {
                note_failure(&failed, job.close(config, &journal, observer));
            });
        work.par_iter().with_max_len(1).for_each_init(
            || Worker::new(config, &gate, &judge),
            |worker, (j, p)| {
                if stop.asked() || failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    return;
                }
                note_failure(&failed, jobs[*j].piece(*p, worker, &journal, observer, &stop));
            },
        );
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    if stop.asked() {
        return Err(RunError::Interrupted);
    }
    let ledger = close_books(config, &jobs, threads, started)?;
    Ok(Outcome { ledger })
}

fn note_failure(failed: &Mutex<Option<RunError>>, result: Result<(), RunError>) {
    if let Err(error) = result {
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Locks the output folder and decides whether an earlier run in it is gone on with.
fn open_books(
    config: &RunConfig,
    settings: &super::Settings,
) -> Result<(fs::File, Finished), RunError> {
    let state = config.out.join(".parable");
    fs::create_dir_all(&state).map_err(|e| RunError::io(&state, e))?;
    let lock_path = state.join("lock");
    let lock = fs::File::create(&lock_path).map_err(|e| RunError::io(&lock_path, e))?;
    if fs4::FileExt::try_lock(&lock).is_err() {
        return Err(RunError::Locked(config.out.display().to_string()));
    }
    if let Some(upload) = &config.upload {
        upload.abort_unfinished(&config.out.join(UPLOADS))?;
    }
    let journal_path = state.join("journal.jsonl");
    let finished = journal::read(&journal_path).map_err(|e| RunError::io(&journal_path, e))?;
    let Some(before) = &finished.settings else {
        let occupied =
            ["ledger.json", "documents", "attributes"].iter().any(|n| config.out.join(n).exists());
        if occupied && !config.force {
            return Err(RunError::Occupied(config.out.display().to_string()));
        }
        if let Some(upload) = config.upload.as_ref().filter(|_| !config.force)
            && upload.occupied()?
        {
            return Err(RunError::Occupied(upload.url().into()));
        }
        clear(config)?;
        return Ok((lock, Finished::default()));
    };
    if config.force {
        clear(config)?;
        return Ok((lock, Finished::default()));
    }
    let differs = differences(before, settings);
    if !differs.is_empty() {
        return Err(RunError::Changed { out: config.out.display().to_string(), differs });
    }
    if !config.resume {
        return Err(RunError::Occupied(config.out.display().to_string()));
    }
    Ok((lock, finished))
}

/// Removes what an earlier run wrote, and nothing else that may lie in the folder.
fn clear(config: &RunConfig) -> Result<(), RunError> {
    if let Some(upload) = config.upload.as_ref().filter(|_| config.force) {
        upload.clear()?;
    }
    for name in [".parable/parts", "documents", "attributes/parable", "quarantine", "dropped"] {
        remove(&config.out.join(name), |p| fs::remove_dir_all(p))?;
    }
    for name in [".parable/journal.jsonl", "ledger.json", "audit.json", "report.html"] {
        remove(&config.out.join(name), |p| fs::remove_file(p))?;
    }
    Ok(())
}

fn remove(path: &Path, how: impl Fn(&Path) -> io::Result<()>) -> Result<(), RunError> {
    match how(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::io(path, error)),
        _ => Ok(()),
    }
}

impl Job {
    /// # Errors
    /// Where an object behind a URL cannot be read; a damaged shard is opened as such.
    fn open(input: Input, finished: &Finished) -> Result<Self, RunError> {
        let opened = Shard::open(&input).map_err(|e| e.to_string());
        input.intact()?;
        let count = opened.as_ref().map_or(1, |shard| shard.pieces.len());
        let name = input.name();
        let pages: Vec<Option<PiecePage>> =
            (0..count).map(|p| finished.pieces.get(&(name.clone(), p)).cloned()).collect();
        let left = pages.iter().filter(|page| page.is_none()).count();
        let already = finished.shards.contains(&name);
        Ok(Self { input, opened, pages: Mutex::new(pages), left: AtomicUsize::new(left), already })
    }

    fn pieces(&self) -> usize {
        self.opened.as_ref().map_or(1, |shard| shard.pieces.len())
    }

    fn done(&self, piece: usize) -> bool {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)[piece].is_some()
    }

    fn stored(&self, piece: usize) -> u64 {
        let shard = self.opened.as_ref().ok();
        shard.map_or(self.input.bytes, |shard| shard.stored_bytes(&shard.pieces[piece]))
    }

    fn piece(
        &self,
        nth: usize,
        worker: &mut Worker<'_>,
        journal: &Journal,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<(), RunError> {
        let config = worker.config;
        let folder = parts::folder(&config.out, &self.input);
        let fail = |error: io::Error| RunError::io(&folder, error);
        let (mut page, mut told) = (PiecePage::default(), 0);
        let mut parts = Parts::begin(&folder, nth, &self.input).map_err(fail)?;
        match &self.opened {
            Err(message) => {
                page.damage.push(DamageNote { byte_offset: 0, message: message.clone() })
            }
            Ok(shard) if self.input.format == Format::Parquet => {
                let mut copies = true;
                loop {
                    let passed = table_pass::piece(
                        shard, nth, worker, &folder, &mut parts, &mut page, copies,
                    );
                    self.input.intact()?;
                    if passed? {
                        break;
                    }
                    copies = false;
                    parts = Parts::begin(&folder, nth, &self.input).map_err(fail)?;
                    page = PiecePage::default();
                    worker.restart();
                }
                observer.progress(&page.counts);
            }
            Ok(shard) => {
                let mut doubtful = Vec::new();
                loop {
                    let mut reading =
                        Reading { shard, nth, observer, stop, told, doubtful: Vec::new() };
                    let read = reading.lines(worker, &mut parts, &mut page, &doubtful);
                    let found = reading.doubtful;
                    told = reading.told;
                    self.input.intact()?;
                    if !read.map_err(fail)? {
                        return Err(RunError::Interrupted);
                    }
                    // Standard input comes only once.
                    if found.is_empty() || !doubtful.is_empty() || self.input.is_stdin() {
                        break;
                    }
                    // What came out of a member or frame before its damage showed may be anything:
                    // again from the start, with those lines in quarantine.
                    doubtful = found;
                    parts = Parts::begin(&folder, nth, &self.input).map_err(fail)?;
                    page = PiecePage::default();
                    worker.restart();
                }
            }
        }
        parts.finish().map_err(fail)?;
        let name = self.input.name();
        page.composition = worker.makeup.take();
        page.fired = std::mem::take(&mut worker.fired);
        worker.fired.resize(page.fired.len(), 0);
        if let Some(fault) = worker.fault.take() {
            observer.note(&fault);
        }
        for damage in &page.damage {
            observer.note(&format!("{name}: byte {}: {}", damage.byte_offset, damage.message));
        }
        journal.piece(&name, nth, &page).map_err(|e| RunError::io(journal.path(), e))?;
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)[nth] = Some(page);
        observer.advance(self.stored(nth).saturating_sub(told));
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.close(config, journal, observer)?;
        }
        Ok(())
    }

    /// Joins the parts, notes the shard as finished, and removes the parts.
    fn close(
        &self,
        config: &RunConfig,
        journal: &Journal,
        observer: &dyn Observer,
    ) -> Result<(), RunError> {
        if self.input.format == Format::Parquet && self.opened.is_ok() {
            table_pass::join(config, &self.input, self.pieces())?;
        } else if self.opened.is_ok() {
            parts::join(&config.out, &self.input, self.pieces(), config.scan_only)
                .map_err(|(path, error)| RunError::io(&path, error))?;
        }
        self.upload(config)?;
        let name = self.input.name();
        journal.shard(&name).map_err(|e| RunError::io(journal.path(), e))?;
        remove(&parts::folder(&config.out, &self.input), |p| fs::remove_dir_all(p))?;
        if config.upload.is_some() {
            // The rest stays: reports are made from it.
            for kind in [Kind::Documents, Kind::Dropped] {
                remove(&kind.path(&config.out, &self.input), |p| fs::remove_file(p))?;
            }
        }
        observer.shard_done(&name);
        Ok(())
    }

    /// Sends the joined outputs to where they are wanted. A run that is killed before the journal
    /// knows sends them again: the same bytes under the same keys.
    fn upload(&self, config: &RunConfig) -> Result<(), RunError> {
        let Some(upload) = &config.upload else { return Ok(()) };
        for kind in Kind::ALL {
            let file = kind.path(&config.out, &self.input);
            if file.exists() {
                let name = kind.path(Path::new(""), &self.input);
                let name = name.to_string_lossy().replace('\\', "/");
                upload.put(&file, &name, &config.out.join(UPLOADS))?;
            }
        }
        Ok(())
    }

    /// How often the policy's rule decided on a record of this shard.
    fn fired(&self, rule: usize) -> u64 {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().flatten().filter_map(|page| page.fired.get(rule)).sum()
    }

    fn add_composition(&self, sum: &mut Composition) {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().flatten().for_each(|page| sum.add(&page.composition));
    }

    fn page(&self) -> ShardPage {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = ShardPage { path: self.input.name(), ..ShardPage::default() };
        sum.complete = self.opened.is_ok() && pages.iter().all(Option::is_some);
        for page in pages.iter().flatten() {
            sum.counts.add(&page.counts);
            sum.damage.extend(page.damage.iter().cloned());
        }
        if let Ok(shard) = &self.opened {
            sum.damage.extend(
                shard
                    .damage
                    .iter()
                    .map(|d| DamageNote { byte_offset: d.byte_offset, message: d.message.clone() }),
            );
        }
        sum.damage.sort();
        sum.damage.dedup();
        sum.counts.bytes_in = self.input.bytes;
        sum
    }
}

fn close_books(
    config: &RunConfig,
    jobs: &[Job],
    threads: usize,
    started: Instant,
) -> Result<Ledger, RunError> {
    let shards: Vec<ShardPage> = jobs.iter().map(Job::page).collect();
    let mut totals = Counts::default();
    for page in &shards {
        totals.add(&page.counts);
    }
    let mut policy_rules = std::collections::BTreeMap::new();
    for (nth, rule) in config.policy.rules().iter().enumerate().filter(|_| !config.scan_only) {
        policy_rules.insert(rule.id.clone(), jobs.iter().map(|job| job.fired(nth)).sum());
    }
    let mut composition = Composition::default();
    jobs.iter().for_each(|job| job.add_composition(&mut composition));
    let seconds = started.elapsed().as_secs_f64();
    let cells = composition.lines();
    let sum = |of: fn(&Cell) -> u64| cells.iter().map(|line| of(&line.cell)).sum();
    let tokens = config.tokenizer.as_ref().map(|tokenizer| TokenCount {
        tokenizer: tokenizer.hash().into(),
        tokens_in: sum(|cell| cell.tokens),
        tokens_out: sum(|cell| cell.tokens_out),
    });
    let ledger = Ledger {
        tokens,
        planned: crate::plan::realised(config.policy.predicted(), &composition),
        composition,
        policy_rules,
        totals,
        complete: shards.iter().all(|page| page.complete),
        shards,
        parable: env!("CARGO_PKG_VERSION").into(),
        filter_set: config.filters.version().into(),
        model: config.model.version().into(),
        aides: config.aides.versions().into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
        policy: PolicyNote { name: config.policy.name().into(), hash: config.policy.hash().into() },
        seed: config.seed,
        gate: format!("{:?}", config.gate).to_lowercase(),
        run: serde_json::json!({
            "command": std::env::args().map(|word| remote::shown(&word)).collect::<Vec<_>>(),
            "seconds": seconds,
            "threads": threads,
            "finished_unix": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        }),
    };
    let unbalanced = ledger.unbalanced();
    if !unbalanced.is_empty() {
        return Err(RunError::Unbalanced(unbalanced.join(", ")));
    }
    let path = config.out.join("ledger.json");
    let mut text = serde_json::to_vec_pretty(&ledger).map_err(|e| RunError::io(&path, e.into()))?;
    text.push(b'\n');
    output::write_whole(&path, &text).map_err(|e| RunError::io(&path, e))?;
    if let Some(upload) = &config.upload {
        upload.put(&path, "ledger.json", &config.out.join(UPLOADS))?;
    }
    Ok(ledger)
}
