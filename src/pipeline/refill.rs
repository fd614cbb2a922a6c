//! The pool from which replaced documents are refilled, held in bounded memory.

use std::collections::BTreeMap;

use super::RunError;
use crate::apply::{CHAT_FIELDS, Substitute};
use crate::shard::lines::Chunk;
use crate::shard::piece::Shard;
use crate::shard::{FieldPaths, Format, Limits, Record, expand};

/// How many documents of the nearest lengths a draw chooses among.
const NEAREST: usize = 16;

/// Documents that may take another's place.
#[derive(Debug, Default)]
pub struct Pool {
    /// Ascending by length in bytes.
    texts: Vec<Substitute>,
    chats: Vec<Substitute>,
    hash: String,
}

impl Pool {
    /// Reads a pool from shards of JSON lines. Where they hold more than `most` bytes of text, the
    /// documents with the lowest hash of seed and id are kept: a sample that does not depend on
    /// their order.
    ///
    /// # Errors
    /// Where the shards cannot be read or hold no document.
    pub fn read(
        inputs: &[String],
        fields: &FieldPaths,
        seed: u64,
        most: usize,
        limits: Limits,
    ) -> Result<Self, RunError> {
        let mut kept: BTreeMap<(u64, String), Substitute> = BTreeMap::new();
        let mut bytes = 0;
        let mut hasher = blake3::Hasher::new();
        for input in expand(inputs)? {
            if input.format != Format::JsonLines {
                return Err(RunError::Refill(format!("{}: only JSON lines", input.path.display())));
            }
            let opened = Shard::open(&input);
            input.intact()?;
            let shard = opened.map_err(|e| RunError::io(&input.path, e))?;
            for piece in &shard.pieces {
                let mut lines =
                    shard.lines(piece, limits).map_err(|e| RunError::io(&input.path, e))?;
                loop {
                    match lines.next_chunk() {
                        Chunk::End => break,
                        Chunk::Lines(block) => {
                            hasher.update(block);
                            for line in block.split(|b| *b == b'\n') {
                                let Some(found) = substitute(line, fields) else { continue };
                                bytes += found.text.len();
                                let key = super::seeded(seed, &found.id);
                                kept.insert((key, found.id.clone()), found);
                                while bytes > most && kept.len() > 1 {
                                    let Some((_, out)) = kept.pop_last() else { break };
                                    bytes -= out.text.len();
                                }
                            }
                        }
                        Chunk::TooLong { .. } | Chunk::Broken { .. } => {
                            input.intact()?;
                            return Err(RunError::Refill(format!(
                                "{}: damaged, or a line above --max-line-bytes",
                                input.path.display()
                            )));
                        }
                    }
                }
            }
        }
        if kept.is_empty() {
            return Err(RunError::Refill(format!("{}: no document in it", inputs.join(" "))));
        }
        let mut pool = Self { hash: hasher.finalize().to_hex()[..16].into(), ..Self::default() };
        for found in kept.into_values() {
            let shelf = if found.messages.is_some() { &mut pool.chats } else { &mut pool.texts };
            shelf.push(found);
        }
        for shelf in [&mut pool.texts, &mut pool.chats] {
            shelf.sort_by(|a, b| a.text.len().cmp(&b.text.len()).then_with(|| a.id.cmp(&b.id)));
        }
        Ok(pool)
    }

    /// The document that takes the place of `id`, which is `bytes` long: drawn by seed and id among
    /// those of the nearest lengths, so that the tokens of the corpus stay about the same.
    #[must_use]
    pub fn draw(&self, id: &str, bytes: usize, chat: bool, seed: u64) -> Option<&Substitute> {
        let shelf = if chat { &self.chats } else { &self.texts };
        let middle = shelf.partition_point(|s| s.text.len() < bytes);
        let first = middle.saturating_sub(NEAREST / 2).min(shelf.len().saturating_sub(NEAREST));
        let near = &shelf[first..shelf.len().min(first + NEAREST)];
        let nth = super::seeded(seed, id) % near.len().max(1) as u64;
        near.get(usize::try_from(nth).unwrap_or(0))
    }

    /// Hash of the shards' decoded bytes.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

fn substitute(line: &[u8], fields: &FieldPaths) -> Option<Substitute> {
    let record = Record::parse(line).ok()?;
    let document = record.document(fields, || blake3::hash(line).to_hex()[..16].into()).ok()?;
    let messages = (!document.turns.is_empty())
        .then(|| CHAT_FIELDS.iter().find_map(|name| record.raw(name)))
        .flatten()
        .and_then(|raw| serde_json::from_str(raw).ok());
    Some(Substitute { id: document.id.into_owned(), text: document.text.into_owned(), messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_near_in_length_and_repeat() {
        let of = |n: usize| Substitute { id: n.to_string(), text: "x".repeat(n), messages: None };
        let pool = Pool { texts: (0..200).map(of).collect(), ..Pool::default() };
        for bytes in [0, 7, 100, 199, 9000] {
            let drawn = pool.draw("a", bytes, false, 3).expect("one");
            assert!(drawn.text.len().abs_diff(bytes.min(199)) <= NEAREST, "{bytes}");
            assert_eq!(pool.draw("a", bytes, false, 3), Some(drawn));
        }
        assert_eq!(pool.draw("a", 10, true, 3), None);
    }
}
