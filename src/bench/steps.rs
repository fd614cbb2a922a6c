//! The steps of the pass over lines, each doing one thing more than the one before.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::{BenchError, Settings};
use crate::attribute;
use crate::document::Document;
use crate::pipeline::Undecoded;
use crate::policy::Facts;
use crate::scan::Gate;
use crate::score::{Judge, Scorer, judge};
use crate::shard::codec::{self, Encoder};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::stored::Stored;
use crate::shard::table::{self, Table};
use crate::shard::{Codec, FieldPaths, Input, Limits, Record, columns};

/// Bytes that bare decompression takes at a time, as the block reader does.
const BLOCK: usize = 256 << 10;

/// How far a walk over the shards goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Recompress,
    Decompress,
    Lines,
    Gate,
    Parse,
    Sieve,
    Score,
    Rules,
    Policy,
    Attributes,
}

impl Step {
    pub const ALL: [Step; 10] = [
        Step::Decompress,
        Step::Recompress,
        Step::Lines,
        Step::Gate,
        Step::Parse,
        Step::Sieve,
        Step::Score,
        Step::Rules,
        Step::Policy,
        Step::Attributes,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Decompress => "decompress",
            Step::Recompress => "recompress",
            Step::Lines => "lines",
            Step::Gate => "gate",
            Step::Parse => "parse",
            Step::Sieve => "sieve",
            Step::Score => "score",
            Step::Rules => "rules",
            Step::Policy => "policy",
            Step::Attributes => "attributes",
        }
    }

    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Step::Decompress => "read and decompress, nothing else",
            Step::Recompress => "decompress and compress again at the written level",
            Step::Lines => "decompress, cut into blocks and lines",
            Step::Gate => "and search each block for the gate's atoms",
            Step::Parse => "and check every line as JSON",
            Step::Sieve => "and ask the sieve which of them are worth scoring",
            Step::Score => "and score those",
            Step::Rules => "and run the rules where the score is worth a look",
            Step::Policy => "and decide by the policy",
            Step::Attributes => "and write attribute rows, compressed",
        }
    }

    /// Whether the step is of use for compressed shards only.
    #[must_use]
    pub fn recompresses(self) -> bool {
        self == Step::Recompress
    }
}

/// What a walk has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub pieces: usize,
    pub bytes: u64,
    pub records: u64,
    pub admitted: u64,
    /// Bytes of the admitted lines.
    pub admitted_bytes: u64,
    /// Records that were scored: admitted, and not cleared by the sieve.
    pub scored: u64,
    pub flagged: u64,
    pub changed: u64,
}

/// The tools of one thread.
pub struct Steps<'s> {
    settings: &'s Settings,
    gate: Gate,
    scorer: Scorer,
    judge: Judge,
    marks: Vec<usize>,
    undecoded: Undecoded,
    rows: Vec<u8>,
}

impl<'s> Steps<'s> {
    #[must_use]
    pub fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            gate: Gate::new(&settings.filters, settings.gate),
            scorer: Scorer::new(settings.model.clone()),
            judge: Judge::new(settings.model.clone(), settings.filters.clone()),
            marks: Vec::new(),
            undecoded: Undecoded::default(),
            rows: Vec::new(),
        }
    }

    /// Walks over all shards as far as `to`.
    ///
    /// # Errors
    /// Where a shard cannot be read or is damaged.
    pub fn walk(&mut self, inputs: &[Input], to: Step) -> Result<Seen, BenchError> {
        let mut seen = Seen::default();
        for input in inputs {
            let walked = match to {
                Step::Decompress => drain(input, &mut io::sink(), &mut seen),
                Step::Recompress => recompress(input, &mut seen),
                _ => self.shard(input, to, &mut seen),
            };
            input.intact()?;
            walked.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::Other => BenchError::Damaged {
                    path: input.path.display().to_string(),
                    reason: error.to_string(),
                },
                _ => BenchError::io(&input.path, error),
            })?;
        }
        Ok(seen)
    }

    fn shard(&mut self, input: &Input, to: Step, seen: &mut Seen) -> io::Result<()> {
        let shard = Shard::open(input)?;
        for piece in &shard.pieces {
            seen.pieces += 1;
            let mut lines = shard.lines(piece, Limits::default())?;
            let mut out = codec::encoder(input.codec, io::sink())?;
            loop {
                match lines.next_chunk() {
                    Chunk::End => break,
                    Chunk::Lines(block) => self.block(block, to, seen, &mut out)?,
                    Chunk::TooLong { bytes, .. } => seen.bytes += bytes,
                    Chunk::Broken { why, .. } => return Err(io::Error::other(why.to_string())),
                }
            }
            out.finish()?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        block: &[u8],
        to: Step,
        seen: &mut Seen,
        out: &mut Encoder<io::Sink>,
    ) -> io::Result<()> {
        seen.bytes += block.len() as u64;
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        if to >= Step::Gate {
            self.gate.marks(block, &mut marks);
        }
        let mut next = marks.iter().copied().peekable();
        let mut start = 0;
        while start < block.len() {
            let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |i| start + i + 1);
            while next.next_if(|mark| *mark < start).is_some() {}
            let marked = next.peek().is_some_and(|mark| *mark < end);
            let line = &block[start..end];
            start = end;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            seen.records += 1;
            seen.admitted += u64::from(marked);
            seen.admitted_bytes += if marked { line.len() as u64 } else { 0 };
            if to >= Step::Parse {
                self.line(line, marked, to, seen);
            }
        }
        self.marks = marks;
        out.write_all(&self.rows)?;
        self.rows.clear();
        Ok(())
    }

    fn line(&mut self, line: &[u8], marked: bool, to: Step, seen: &mut Seen) {
        let Ok(record) = Record::parse(line) else { return };
        let fields = &self.settings.fields;
        let wanted = marked
            && to >= Step::Sieve
            && !self.undecoded.clears(&record, fields, &self.judge, self.settings.gate);
        let Ok(document) = record.document_if(fields, wanted, String::new) else { return };
        if wanted
            && self.gate.admits(document.text.as_bytes())
            && self.document(&document, to, seen)
        {
            return;
        }
        if to >= Step::Attributes {
            let source = document.source.as_deref();
            attribute::write_row(&document.id, source, "", None, &mut self.rows);
        }
        std::hint::black_box(&document);
    }

    /// What follows for an admitted document; false where the sieve clears it.
    fn document(&mut self, document: &Document<'_>, to: Step, seen: &mut Seen) -> bool {
        let (gate, mesh) = (self.settings.gate, judge::mesh(self.settings.gate));
        if to == Step::Sieve {
            return mesh.is_none_or(|mesh| self.scorer.admits(document, mesh));
        }
        let verdict = match (to >= Step::Rules, mesh) {
            (true, _) => self.judge.sift(document, gate),
            (false, Some(mesh)) => self.scorer.sifted(document, mesh),
            (false, None) => Some(self.scorer.score(document)),
        };
        let Some(verdict) = verdict else { return false };
        seen.scored += 1;
        seen.flagged += u64::from(verdict.coercion >= 0.5);
        let source = document.source.as_deref();
        if to >= Step::Policy {
            let chars = crate::text::span::count_chars(document.text.as_bytes()) as u64;
            let metadata = None;
            let facts = Facts { id: &document.id, source, chars, metadata };
            let (policy, seed) = (&self.settings.policy, self.settings.seed);
            let decision = policy.decide(&verdict, &facts, seed, &mut |_, _| {});
            seen.changed += u64::from(decision.action != crate::policy::Action::Keep);
        }
        if to >= Step::Attributes {
            let rows = &mut self.rows;
            attribute::write_row(&document.id, source, &document.text, Some(&verdict), rows);
        }
        true
    }
}

/// Reads a shard to its end, decompressed, into `out`.
fn drain(input: &Input, out: &mut impl Write, seen: &mut Seen) -> io::Result<()> {
    let stored = Arc::new(Stored::open(input)?.through(0..usize::MAX));
    let stored = stored.section(0..usize::MAX);
    let mut reader = codec::decoder(input.codec, stored, Limits::default())?;
    let mut buffer = vec![0; BLOCK];
    loop {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(std::hint::black_box(&buffer[..n]))?;
        seen.bytes += n as u64;
    }
}

fn recompress(input: &Input, seen: &mut Seen) -> io::Result<()> {
    let codec: Codec = input.codec;
    let mut encoder = codec::encoder(codec, io::sink())?;
    drain(input, &mut encoder, seen)?;
    encoder.finish()?;
    Ok(())
}

/// Decodes the columns of every row group that a scan reads; `bytes` counts the text.
///
/// # Errors
/// Where a shard cannot be read.
pub fn decode_tables(inputs: &[Input], fields: &FieldPaths) -> Result<Seen, BenchError> {
    let mut seen = Seen::default();
    let needed = columns::of_documents(fields);
    for input in inputs {
        let damaged =
            |reason: String| BenchError::Damaged { path: input.path.display().to_string(), reason };
        let opened = Table::open(input).map_err(|e| damaged(e.to_string()))?;
        for group in 0..opened.footer().row_groups {
            seen.pieces += 1;
            let batches =
                opened.row_group(group, Some(&needed)).map_err(|e| damaged(e.to_string()))?;
            for batch in batches {
                let batch = batch.map_err(damaged)?;
                seen.records += batch.num_rows() as u64;
                let Some(texts) = table::column(&batch, &fields.text) else { continue };
                let bytes = (0..batch.num_rows()).filter_map(|row| table::text(&texts, row));
                seen.bytes += bytes.map(|text| text.len() as u64).sum::<u64>();
            }
        }
    }
    Ok(seen)
}
