//! What each rule costs when it is run on every admitted document.
//!
//! The pass itself runs rules only where the score is worth a look, so these figures tell which rule
//! is slow, not what rules cost a corpus: that is the step `rules`.

use std::time::{Duration, Instant};

use super::report::RuleCost;
use super::{BenchError, Settings};
use crate::scan::{Gate, Scanner};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{Input, Limits, Record};

/// Bytes of admitted lines after which enough was seen.
const ENOUGH: usize = 20 << 20;

/// Times every rule, slowest first.
///
/// # Errors
/// Where a shard cannot be read.
pub fn measure(settings: &Settings, inputs: &[Input]) -> Result<Vec<RuleCost>, BenchError> {
    let gate = Gate::new(&settings.filters, settings.gate);
    let mut clock = RuleClock::new(settings);
    'shards: for input in inputs {
        let fail = |error| BenchError::io(&input.path, error);
        let shard = Shard::open(input).map_err(fail)?;
        for piece in &shard.pieces {
            let mut lines = shard.lines(piece, Limits::default()).map_err(fail)?;
            while let Chunk::Lines(block) = lines.next_chunk() {
                for line in block.split(|b| *b == b'\n').filter(|line| gate.admits(line)) {
                    clock.line(line, settings);
                }
                if clock.bytes > ENOUGH {
                    break 'shards;
                }
            }
        }
    }
    Ok(clock.costs(settings))
}

struct RuleClock {
    scanner: Scanner,
    /// Time and hits by rule.
    spent: Vec<(Duration, u64)>,
    documents: u64,
    bytes: usize,
}

impl RuleClock {
    fn new(settings: &Settings) -> Self {
        let mut scanner = Scanner::new(settings.filters.clone());
        // Patterns compile when they are first asked for, which is no cost of a document.
        for rule in settings.filters.rules() {
            for example in rule.file.matches.iter().chain(&rule.file.passes) {
                scanner.scan(&crate::document::Document::plain("", &example.text));
            }
        }
        let spent = vec![(Duration::ZERO, 0); settings.filters.rules().len()];
        Self { scanner, spent, documents: 0, bytes: 0 }
    }

    fn line(&mut self, line: &[u8], settings: &Settings) {
        let Ok(record) = Record::parse(line) else { return };
        let Ok(document) = record.document(&settings.fields, String::new) else { return };
        self.documents += 1;
        self.bytes += line.len();
        let mut last: Option<Instant> = None;
        let spent = &mut self.spent;
        let scan = self.scanner.scan_watched(&document, &mut |rule| {
            let now = Instant::now();
            if let (Some(last), Some(rule)) = (last, rule) {
                spent[rule].0 += now - last;
            }
            last = Some(now);
        });
        for hit in &scan.hits {
            spent[hit.rule].1 += 1;
        }
    }

    fn costs(self, settings: &Settings) -> Vec<RuleCost> {
        let documents = self.documents.max(1) as f64;
        let total: f64 = self.spent.iter().map(|(time, _)| time.as_secs_f64()).sum();
        let mut costs: Vec<RuleCost> = settings
            .filters
            .rules()
            .iter()
            .zip(&self.spent)
            .map(|(rule, (time, hits))| RuleCost {
                id: rule.file.id.clone(),
                microseconds_per_document: time.as_secs_f64() * 1e6 / documents,
                share: time.as_secs_f64() / total.max(f64::MIN_POSITIVE),
                hits: *hits,
            })
            .collect();
        costs.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.id.cmp(&b.id)));
        costs
    }
}
