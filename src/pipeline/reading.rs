//! Reading one piece of lines: blocks to the worker, damage to the books.

use std::cell::OnceCell;
use std::io;
use std::ops::Range;

use crate::ledger::{Counts, DamageNote};
use crate::shard::Located;
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;

use super::Observer;
use super::journal::PiecePage;
use super::parts::Parts;
use super::records::{Place, Worker};
use super::stop::Stop;

/// One reading of a piece.
pub struct Reading<'r> {
    pub shard: &'r Shard,
    pub nth: usize,
    pub observer: &'r dyn Observer,
    pub stop: &'r Stop,
    /// Stored bytes that the observer was told of.
    pub told: u64,
    /// Decoded bytes of the piece that turned out doubtful after their lines had been taken.
    pub doubtful: Vec<Range<u64>>,
}

impl Reading<'_> {
    /// Reads the piece; lines that hold any of the `doubtful` bytes go to quarantine. False where the
    /// run was told to stop at once.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn lines(
        &mut self,
        worker: &mut Worker<'_>,
        parts: &mut Parts,
        page: &mut PiecePage,
        doubtful: &[Range<u64>],
    ) -> io::Result<bool> {
        let (shard, piece) = (self.shard, &self.shard.pieces[self.nth]);
        let limits = worker.config.limits;
        let mut lines = shard.lines(piece, limits)?;
        let known = OnceCell::new();
        let base = || *known.get_or_init(|| shard.lines_before(piece, limits));
        let name = shard.input.name();
        let mut left = worker.config.limit.unwrap_or(u64::MAX);
        let mut place = Place {
            shard: &name,
            format: shard.input.format,
            base: &base,
            line: 0,
            byte: 0,
            after_damage: false,
            doubtful,
        };
        let stored = shard.stored_bytes(piece);
        loop {
            if self.stop.at_once() {
                return Ok(false);
            }
            let skipped = lines.skipped();
            let mut counts = Counts::default();
            match lines.next_chunk() {
                Chunk::End => return Ok(true),
                Chunk::Lines(block) => {
                    counts = worker.block(block, &mut place, &mut left, parts)?
                }
                Chunk::TooLong { bytes, head } => {
                    let reason = format!(
                        "a line of {bytes} bytes; the limit is {} (raise --max-line-bytes)",
                        limits.line_bytes
                    );
                    unusable(head, bytes, &reason, worker, &mut place, &mut counts);
                }
                Chunk::Broken { torn, why } => {
                    let at = place.line;
                    page.damage.push(DamageNote {
                        byte_offset: Located::of(&why).unwrap_or(0),
                        message: format!("damaged after {at} whole lines of this piece: {why}"),
                    });
                    let own = |byte: u64| byte.saturating_sub(skipped);
                    let doubts = Located::doubtful(&why);
                    self.doubtful.extend(doubts.map(|range| own(range.start)..own(range.end)));
                    if !torn.is_empty() {
                        let bytes = torn.len() as u64;
                        unusable(
                            torn,
                            bytes,
                            "torn off by damage",
                            worker,
                            &mut place,
                            &mut counts,
                        );
                    }
                    place.after_damage = true;
                }
            }
            worker.flush(parts)?;
            page.counts.add(&counts);
            self.observer.progress(&counts);
            let read = lines.stored_read().min(stored);
            self.observer.advance(read.saturating_sub(self.told));
            self.told = self.told.max(read);
            if left == 0 {
                return Ok(true);
            }
        }
    }
}

/// Puts what is no whole line into quarantine.
fn unusable(
    head: &[u8],
    bytes: u64,
    reason: &str,
    worker: &mut Worker<'_>,
    place: &mut Place<'_>,
    counts: &mut Counts,
) {
    place.line += 1;
    worker.reject(head, bytes, reason, place, counts);
    place.byte += bytes;
    counts.bytes_decoded += bytes;
}
