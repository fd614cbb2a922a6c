//! Asking the sieve before a text is decoded: most records are cleared here and never copied.

use crate::document::Document;
use crate::scan::GateLevel;
use crate::score::Judge;
use crate::shard::fields::decode;
use crate::shard::{FieldPaths, Record};

/// Scratch of one thread.
#[derive(Default)]
pub struct Undecoded {
    text: String,
}

impl Undecoded {
    /// Whether the sieve clears the record's text. False for chats, and for texts with a lone
    /// surrogate: whoever decodes those asks again.
    pub fn clears(
        &mut self,
        record: &Record<'_>,
        fields: &FieldPaths,
        judge: &Judge,
        level: GateLevel,
    ) -> bool {
        let Some(inner) = record.plain_text(fields) else { return false };
        if let Some(admits) = judge.admits_json(inner, level) {
            return !admits;
        }
        self.text.clear();
        decode(inner, &mut self.text) && !judge.admits(&Document::plain("", &self.text), level)
    }
}
