//! `run --dry-run`: what policies would do, from one reading and without writing anything.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;

use crate::composition::{THRESHOLD, Traits};
use crate::policy::preview::{Part, Preview};
use crate::policy::{Facts, Policy};
use crate::portrait::{Features, Moves, Portrait};
use crate::scan::{Gate, GateLevel};
use crate::score::{Judge, Verdict};
use crate::shard::documents::{self, Found};
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Piece, expand};
use crate::text::span::count_chars;
use crate::tokens::Tokenizer;

/// What a dry run is told.
pub struct Plan<'a> {
    pub inputs: &'a [String],
    pub fields: &'a FieldPaths,
    pub gate: GateLevel,
    pub seed: u64,
    /// Records read of each piece of a shard.
    pub limit: Option<u64>,
    pub threads: usize,
    pub tokenizer: Option<&'a Tokenizer>,
}

/// What policies would do.
#[derive(Serialize)]
pub struct Effects<'p> {
    policies: Vec<Preview<'p>>,
    /// Records and damaged places that could not be read.
    unread: u64,
    #[serde(skip)]
    in_tokens: bool,
}

impl Effects<'_> {
    /// The tables of a terminal.
    pub fn print(&self) {
        table(&self.policies, self.in_tokens);
        self.policies.iter().for_each(detail);
        if self.unread > 0 {
            anstream::println!("\n{} records or damaged places could not be read", self.unread);
        }
    }

    pub fn exit(&self) -> ExitCode {
        match self.unread {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(super::DONE_WITH_DAMAGE),
        }
    }
}

/// Reads every record once and lets each policy decide on it.
///
/// # Errors
/// Where an input cannot be read.
pub fn run<'p>(
    plan: &Plan<'_>,
    policies: &'p [Policy],
    gate: &Gate,
    judge: &Judge,
) -> Result<Effects<'p>> {
    let shards: Vec<Shard> = expand(plan.inputs)?
        .iter()
        .map(documents::open)
        .collect::<Result<_, documents::ReadError>>()?;
    let pieces: Vec<(&Shard, &Piece)> =
        shards.iter().flat_map(|shard| shard.pieces.iter().map(move |p| (shard, p))).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(plan.threads).build()?;
    let read: Vec<(u64, Portrait, Vec<Preview>)> = pool.install(|| {
        let of_piece = |judge: &mut Judge, (shard, piece): &(&Shard, &Piece)| {
            plan.piece(shard, piece, policies, gate, judge)
        };
        pieces.par_iter().map_init(|| judge.fork(), of_piece).collect::<Result<_>>()
    })?;
    let mut unread = 0;
    let mut previews: Vec<Preview> = policies.iter().map(Preview::new).collect();
    let mut before = Portrait::default();
    for (missed, portrait, later) in read {
        unread += missed;
        before.merge(&portrait);
        previews.iter_mut().zip(later).for_each(|(mine, later)| mine.merge(later));
    }
    previews.iter_mut().for_each(|preview| preview.close(&before));
    Ok(Effects { policies: previews, unread, in_tokens: plan.tokenizer.is_some() })
}

/// The same for one policy, with everything else as it is by default.
///
/// # Errors
/// Where an input cannot be read.
pub fn of_policy<'p>(inputs: &[String], policy: &'p Policy) -> Result<Effects<'p>> {
    let (filters, level) = (super::load_filters(None)?, GateLevel::Fast);
    let gate = Gate::new(&filters, level);
    let plan = Plan {
        inputs,
        fields: &FieldPaths::default(),
        gate: level,
        seed: 0,
        limit: None,
        threads: 0,
        tokenizer: None,
    };
    let policies = std::slice::from_ref(policy);
    run(&plan, policies, &gate, &Judge::new(super::load_model(None)?, filters))
}

impl Plan<'_> {
    /// One piece of a shard, and how many of its records could not be read.
    fn piece<'p>(
        &self,
        shard: &Shard,
        piece: &Piece,
        policies: &'p [Policy],
        gate: &Gate,
        judge: &mut Judge,
    ) -> Result<(u64, Portrait, Vec<Preview<'p>>)> {
        let mut portrait = Portrait::default();
        let mut previews: Vec<Preview<'p>> = policies.iter().map(Preview::new).collect();
        let mut left = self.limit.unwrap_or(u64::MAX);
        let take = |found: &Found<'_>| -> Result<ControlFlow<()>> {
            if left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            let document = found.document;
            let text: &str = &document.text;
            let admitted = gate.admits(text.as_bytes());
            let verdict = admitted.then(|| judge.sift(document, self.gate)).flatten();
            let verdict = verdict.unwrap_or_else(Verdict::default);
            let tokens = self.tokenizer.map(|t| t.count(text)).transpose();
            let tokens = tokens.with_context(|| document.id.to_string())?.map(|n| n as u64);
            let facts = Facts {
                id: &document.id,
                source: document.source.as_deref(),
                chars: count_chars(text.as_bytes()) as u64,
                metadata: found.metadata,
            };
            let features = Features::of(text, facts.source, traits(&verdict), |k| found.value(k));
            portrait.add(&features, 1.0);
            let seed = self.seed;
            previews
                .iter_mut()
                .for_each(|p| p.add(text, tokens, &verdict, &facts, &features, seed));
            Ok(ControlFlow::Continue(()))
        };
        let (unread, _) = documents::of_piece(shard, piece, self.fields, take)?;
        Ok((unread, portrait, previews))
    }
}

/// Ids of what reaches the threshold of a verdict.
fn traits(verdict: &Verdict) -> Vec<&'static str> {
    Traits::names().filter(|id| verdict.get(id) >= THRESHOLD).collect()
}

/// One line for each policy; shares are of documents and of tokens, or of bytes where tokens were
/// not counted.
fn table(previews: &[Preview<'_>], tokens: bool) {
    anstream::println!(
        "{:24} {:>11} {:>11} {:>9} {:>9}  does",
        "policy",
        "read",
        "touched",
        "share",
        if tokens { "tokens" } else { "bytes" }
    );
    for preview in previews {
        let does: Vec<String> = preview
            .actions
            .iter()
            .filter(|(name, _)| **name != "keep")
            .map(|(name, amount)| format!("{name} {}", amount.documents))
            .collect();
        let Part { touched, all } = preview.total;
        anstream::println!(
            "{:24} {:>11} {:>11} {:>9} {:>9}  {}",
            super::harmless(&preview.policy),
            all.documents,
            touched.documents,
            percent(touched.documents, all.documents),
            if tokens {
                percent(touched.tokens, all.tokens)
            } else {
                percent(touched.bytes, all.bytes)
            },
            if does.is_empty() { "nothing".into() } else { does.join(", ") }
        );
    }
}

/// Where the touched documents lie, and the first that each rule decided on.
fn detail(preview: &Preview<'_>) {
    if preview.total.touched.documents == 0 {
        return;
    }
    anstream::println!("\n{}", super::harmless(&preview.policy));
    let mut sources: Vec<(&String, &Part)> =
        preview.sources.iter().filter(|(_, part)| part.touched.documents > 0).collect();
    sources.sort_by_key(|(name, part)| (std::cmp::Reverse(part.touched.documents), *name));
    for (name, part) in sources.iter().take(5) {
        line(&format!("source {}", super::harmless(name)), part);
    }
    let names = ["up to 500", "up to 2,000", "up to 8,000", "up to 32,000", "longer"];
    for (name, part) in names.iter().zip(&preview.lengths) {
        if part.touched.documents > 0 {
            line(&format!("{name} characters"), part);
        }
    }
    for example in &preview.examples {
        anstream::println!(
            "  {} by {}: {} ({:.2}) {}…",
            example.action,
            example.rule,
            super::harmless(&example.id),
            example.coercion,
            super::harmless(&example.text.replace('\n', " "))
        );
    }
    preview.moves.iter().for_each(moves);
    if preview.faults > 0 {
        anstream::println!("  {} times a rule could not be evaluated", preview.faults);
    }
}

/// What moved without being asked to.
pub fn moves(moves: &Moves) {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    for m in moves.facets.iter().filter(|m| (m.after - m.before).abs() >= 0.000_05) {
        anstream::println!(
            "  {:32} {:>9} to {:>9} of the documents",
            format!("{} {}", m.facet, super::harmless(&m.name)),
            percent(m.before),
            percent(m.after)
        );
    }
    let words: Vec<String> = moves
        .words
        .iter()
        .map(|m| {
            let sign = if m.after < m.before { "−" } else { "+" };
            format!("{sign}{}", super::harmless(&m.name))
        })
        .collect();
    if !words.is_empty() {
        anstream::println!("  words: {}", words.join(" "));
    }
    for c in &moves.correlations {
        anstream::println!(
            "  {} with {}: φ {:.2} to {:.2}",
            c.traits[0],
            c.traits[1],
            c.before,
            c.after
        );
    }
    if (moves.tone[0] - moves.tone[1]).abs() >= 0.01 {
        anstream::println!(
            "  words of sermon in 1,000: {:.2} to {:.2}",
            moves.tone[0],
            moves.tone[1]
        );
    }
}

fn line(name: &str, part: &Part) {
    anstream::println!(
        "  {name:32} {:>9} of {:>9} documents, {} of their bytes",
        part.touched.documents,
        part.all.documents,
        percent(part.touched.bytes, part.all.bytes)
    );
}

fn percent(part: u64, all: u64) -> String {
    format!("{:.2} %", 100.0 * part as f64 / all.max(1) as f64)
}
