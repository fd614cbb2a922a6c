//! The `openai` backend: a product is drafted by a running server, rewritten against the
//! principles, and verified like all others.
//!
//! Several products are under way at once; they are settled in order, so that what is accepted
//! does not depend on which answer comes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::card::Card;
use super::prompt;
use super::run::{Attempt, GenerateError, Job, Order, Set, answered, request};
use super::verify::Refusal;
use crate::model_server::{Halt, Server, Unanswered};
use crate::score::Judge;

/// Products that may be finished before an earlier one is, for each thread.
const AHEAD: usize = 16;

/// A server and what is asked of it.
pub struct Backend {
    pub server: Server,
    pub model: String,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Cards that are tried for a product.
    pub tries: u32,
    /// How often a draft is rewritten.
    pub rewrites: u32,
    /// Most tokens of an answer.
    pub longest: u64,
    pub temperature: f64,
    /// Fields of the request that the user sets; `null` takes one out.
    pub fields: Map<String, Value>,
}

/// Makes the products and settles them in order; gives how many were settled.
///
/// # Errors
/// Where the output cannot be written, or the run is interrupted.
pub(super) fn run(
    job: &Job,
    backend: &Backend,
    orders: &[Order],
    set: &mut Set<'_>,
) -> Result<usize, GenerateError> {
    let queue = Queue { next: AtomicUsize::new(0), settled: AtomicUsize::new(0) };
    let threads = backend.concurrency.max(1);
    let done = std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads);
        for _ in 0..threads {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || work(job, backend, orders, queue, &sender));
        }
        drop(sender);
        let done = settle(orders, set, &queue, receiver);
        if done.is_err() {
            backend.server.end(Halt::Disk("the output cannot be written".into()));
        }
        done
    })?;
    match backend.server.halted() {
        Some(Halt::Interrupted) => Err(GenerateError::Interrupted),
        _ => Ok(done),
    }
}

/// Which product is next, and how many are settled.
struct Queue {
    next: AtomicUsize,
    settled: AtomicUsize,
}

/// Attempts at a product, the last of which may be good; none where the run was halted before.
type Made = (usize, Option<Vec<Attempt>>);

fn work(job: &Job, backend: &Backend, orders: &[Order], queue: &Queue, sender: &SyncSender<Made>) {
    let mut judge = job.judge();
    loop {
        let nth = queue.next.fetch_add(1, Ordering::Relaxed);
        let Some(order) = orders.get(nth) else { return };
        // One slow answer must not let everything behind it pile up in memory.
        let ahead = AHEAD * backend.concurrency.max(1);
        while nth >= queue.settled.load(Ordering::Relaxed) + ahead {
            if backend.server.halted().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let made = make(job, backend, *order, &mut judge);
        let halted = made.is_none();
        if sender.send((nth, made)).is_err() || halted {
            return;
        }
    }
}

fn settle(
    orders: &[Order],
    set: &mut Set<'_>,
    queue: &Queue,
    receiver: Receiver<Made>,
) -> Result<usize, GenerateError> {
    let mut waiting: BTreeMap<usize, Option<Vec<Attempt>>> = BTreeMap::new();
    let mut done = 0;
    for (nth, made) in receiver {
        waiting.insert(nth, made);
        while let Some(Some(attempts)) = waiting.remove(&done) {
            set.settle(orders[done], attempts.into_iter())?;
            done += 1;
            queue.settled.store(done, Ordering::Relaxed);
        }
    }
    Ok(done)
}

fn make(job: &Job, backend: &Backend, order: Order, judge: &mut Judge) -> Option<Vec<Attempt>> {
    let mut attempts = Vec::new();
    for salt in 0..backend.tries.max(1) {
        let (attempt, failed) = converse(job, backend, order, salt, judge)?;
        let good = attempt.refusals.is_empty();
        attempts.push(attempt);
        // A server that does not answer will not answer another card either.
        if good || failed {
            break;
        }
    }
    Some(attempts)
}

/// One card: the draft, and its rewriting. The flag tells that the server gave no answer.
fn converse(
    job: &Job,
    backend: &Backend,
    order: Order,
    salt: u32,
    judge: &mut Judge,
) -> Option<(Attempt, bool)> {
    let request = request(job, order, salt);
    let card = Card::draw(&job.inventory, request);
    let excerpt = order.flagged.map_or("", |at| job.flagged[at].excerpt.as_str());
    let (rules, inventory, format) = (&job.constitution, &job.inventory, request.format);
    let mut messages = prompt::draft(rules, inventory, format, &card, excerpt);
    for turn in 0..=backend.rewrites {
        let body = backend.body(&messages, &card.id);
        let text = match backend.server.ask(&body, backend.longest) {
            Ok(answer) if answer.cut => Err(("cut off at the token limit".into(), false)),
            Ok(answer) => Ok(answer.text),
            Err(Unanswered::Failed(fault)) => Err((fault, true)),
            Err(Unanswered::Halted) => return None,
        };
        let text = match text {
            Ok(text) => text,
            Err((fault, failed)) => {
                return Some((answered(job, order, card, Err(fault), judge), failed));
            }
        };
        if turn == backend.rewrites {
            return Some((answered(job, order, card, Ok(text), judge), false));
        }
        let found = found(job, order, &card, &text, judge);
        messages = prompt::rewrite(rules, inventory, format, &card, &text, &found);
    }
    None
}

/// What the verifier has against a draft, for the model to mend.
fn found(job: &Job, order: Order, card: &Card, text: &str, judge: &mut Judge) -> Vec<Refusal> {
    answered(job, order, card.clone(), Ok(text.into()), judge).refusals
}

impl Backend {
    /// The whole request. Its seed follows from the card, so that a server which heeds seeds
    /// answers the same again.
    fn body(&self, messages: &Value, card: &str) -> Value {
        let seed = xxhash_rust::xxh3::xxh3_64(card.as_bytes()) >> 33;
        let mut body = json!({
            "model": self.model, "messages": messages, "max_tokens": self.longest,
            "temperature": self.temperature, "seed": seed,
        });
        for (name, value) in &self.fields {
            match body.as_object_mut() {
                Some(body) if value.is_null() => drop(body.shift_remove(name)),
                _ => body[name] = value.clone(),
            }
        }
        body
    }
}
