//! Asking a server until it answers, within limits, and the books of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::budget::{Budget, Ceiling, Grant, Tokens};
use super::cache::{self, Cache};
use super::endpoint::Endpoint;
use super::exchange::{Exchange, Fault, Kind, Then};
use super::pace::{Pace, back_off, pause};
use super::reply::Answer;
use super::secret::Secret;

/// Longest pause that a server may ask for; one that asks for more is come back to another day.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// So many requests given up in a row mean that the server is gone.
const GONE: u32 = 20;
/// Bytes of a prompt for each token that is set aside for it; the server's count replaces this.
const BYTES_PER_TOKEN: u64 = 3;

/// How a server is talked to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: Endpoint,
    pub key: Option<Secret>,
    /// For one exchange.
    pub timeout: Duration,
    /// Further tries after the first.
    pub retries: u32,
    /// The first pause between two tries.
    pub back_off: Duration,
    /// Requests a minute.
    pub per_minute: Option<u32>,
    pub ceiling: Ceiling,
    /// File of the answers.
    pub cache: PathBuf,
}

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{path}: {source}{}", hint(source))]
    Cache { path: String, source: std::io::Error },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::WouldBlock => " (another run is using it)",
        _ => "",
    }
}

/// Why nothing more is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    Interrupted,
    /// The ceiling of tokens or cost is reached.
    Ceiling,
    /// The server is gone or wants none of our requests: what it said.
    Server(String),
    /// The cache cannot be read or written: why.
    Disk(String),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Given up after all tries: the last fault.
    Failed(String),
    /// The run was halted before.
    Halted,
}

/// What became of all requests. `asked` is the sum of the four that follow it, and `sent` that of
/// `answered` and all `faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Books {
    pub asked: u64,
    pub from_cache: u64,
    pub answered: u64,
    pub failed: u64,
    /// Asked, but not sent or not sent again, as the run was halted.
    pub halted: u64,
    /// Requests that went out, those tried again included.
    pub sent: u64,
    pub faults: BTreeMap<Kind, u64>,
    /// By the server's count; set aside where it gave none.
    pub prompt_tokens: u64,
    pub answer_tokens: u64,
    pub cost: Option<f64>,
    /// Lines of the cache that could not be read.
    pub damaged_answers: u64,
}

impl Books {
    #[must_use]
    pub fn balance(&self) -> bool {
        self.asked == self.from_cache + self.answered + self.failed + self.halted
            && self.sent == self.answered + self.faults.values().sum::<u64>()
    }
}

/// A server, shared by the threads that ask it.
pub struct Server {
    settings: Settings,
    exchange: Exchange,
    pace: Pace,
    budget: Budget,
    cache: Cache,
    books: Mutex<Books>,
    halt: Mutex<Option<Halt>>,
    interrupt: Arc<AtomicBool>,
    failed_in_a_row: AtomicU32,
}

impl Server {
    /// Opens the cache; the server itself is not spoken to. Whoever sets `interrupt` halts the run.
    ///
    /// # Errors
    /// Where the cache cannot be opened.
    pub fn open(settings: Settings, interrupt: Arc<AtomicBool>) -> Result<Self, ServerError> {
        let cache = Cache::open(&settings.cache).map_err(|source| ServerError::Cache {
            path: settings.cache.display().to_string(),
            source,
        })?;
        let Settings { endpoint, key, timeout, .. } = settings.clone();
        Ok(Self {
            exchange: Exchange::new(endpoint, key, timeout),
            pace: Pace::new(settings.per_minute),
            budget: Budget::new(settings.ceiling),
            books: Mutex::new(Books { damaged_answers: cache.damaged, ..Books::default() }),
            cache,
            halt: Mutex::new(None),
            interrupt,
            failed_in_a_row: AtomicU32::new(0),
            settings,
        })
    }

    /// The answer to a request, from the cache or from the server. `longest` is the number of
    /// tokens that the answer may have.
    ///
    /// # Errors
    /// Where the request was given up or the run was halted.
    pub fn ask(&self, request: &Value, longest: u64) -> Result<Answer, Unanswered> {
        let body = request.to_string().into_bytes();
        let key = cache::key(&body);
        self.books().asked += 1;
        match self.cache.get(&key) {
            Ok(Some(answer)) => {
                self.books().from_cache += 1;
                return Ok(answer);
            }
            Ok(None) => {}
            Err(error) => self.end(Halt::Disk(error.to_string())),
        }
        let need = Tokens { prompt: body.len() as u64 / BYTES_PER_TOKEN + 1, answer: longest };
        let made = self.try_until_answered(&body, &key, need);
        let mut books = self.books();
        match &made {
            Ok(_) => books.answered += 1,
            Err(Unanswered::Failed(_)) => books.failed += 1,
            Err(Unanswered::Halted) => books.halted += 1,
        }
        drop(books);
        made
    }

    fn try_until_answered(
        &self,
        body: &[u8],
        key: &str,
        need: Tokens,
    ) -> Result<Answer, Unanswered> {
        let mut attempt = 0;
        loop {
            if !self.granted(need) {
                return Err(Unanswered::Halted);
            }
            if !self.pace.wait(|| self.is_halted()) {
                self.budget.settle(need, Tokens::default());
                return Err(Unanswered::Halted);
            }
            self.books().sent += 1;
            let fault = match self.exchange.send(body) {
                Ok(answer) => {
                    self.budget.settle(need, answer.tokens.unwrap_or(need));
                    self.failed_in_a_row.store(0, Ordering::Relaxed);
                    if let Err(error) = self.cache.put(key, &answer) {
                        self.end(Halt::Disk(error.to_string()));
                    }
                    return Ok(answer);
                }
                Err(fault) => fault,
            };
            let used = if fault.kind.may_cost() { need } else { Tokens::default() };
            self.budget.settle(need, used);
            *self.books().faults.entry(fault.kind).or_default() += 1;
            self.after(&fault, attempt, key)?;
            attempt += 1;
        }
    }

    /// Waits for the next try, where there is to be one.
    fn after(&self, fault: &Fault, attempt: u32, key: &str) -> Result<(), Unanswered> {
        let asked = fault.after.unwrap_or_default();
        if fault.kind.then() == Then::Halt {
            self.end(Halt::Server(fault.detail.clone()));
            return Err(Unanswered::Halted);
        }
        if asked > LONGEST_PAUSE {
            let seconds = asked.as_secs();
            let said = format!("it asks for a pause of {seconds} s: {}", fault.detail);
            self.end(Halt::Server(said));
            return Err(Unanswered::Halted);
        }
        // Everybody waits, not only the thread that was told to.
        self.pace.hold(asked);
        if fault.kind.then() == Then::GiveUp || attempt >= self.settings.retries {
            if fault.kind.then() == Then::TryAgain
                && self.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= GONE
            {
                self.end(Halt::Server(format!("{GONE} requests in a row: {}", fault.detail)));
            }
            return Err(Unanswered::Failed(fault.detail.clone()));
        }
        pause(back_off(self.settings.back_off, attempt, key), || self.is_halted());
        Ok(())
    }

    /// Sets tokens aside, once there are enough; false where there never will be.
    fn granted(&self, need: Tokens) -> bool {
        loop {
            if self.is_halted() {
                return false;
            }
            match self.budget.reserve(need) {
                Grant::Granted => return true,
                Grant::Wait => pause(Duration::from_millis(20), || self.is_halted()),
                Grant::Exhausted => self.end(Halt::Ceiling),
            }
        }
    }

    /// Nothing more is asked; the first reason stays.
    pub fn end(&self, why: Halt) {
        let mut halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        halt.get_or_insert(why);
    }

    fn is_halted(&self) -> bool {
        self.halted().is_some()
    }

    /// Why nothing more is asked, if so.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Some(Halt::Interrupted);
        }
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address, without what may be a key.
    #[must_use]
    pub fn address(&self) -> &str {
        self.settings.endpoint.shown()
    }

    /// The books as they stand.
    #[must_use]
    pub fn accounts(&self) -> Books {
        let mut books = self.books().clone();
        let Tokens { prompt, answer } = self.budget.spent();
        (books.prompt_tokens, books.answer_tokens) = (prompt, answer);
        books.cost = self.budget.cost();
        books
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
