//! What a corpus is made of and what a pass made of it: documents and bytes of text, by source and
//! by the traits that its documents carry.
//!
//! Compositions add up: that of a corpus is the sum of those of its pieces, in any order, to the
//! last digit.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::taxonomy::Category;

/// The probability from which a document carries a trait.
pub const THRESHOLD: f32 = 0.5;
/// Unit of [`Cell::squares`], in bytes squared: so that 64 bits hold any corpus.
pub const SQUARE: f64 = 4096.0;
/// Sources that are counted by name; beyond that they are counted together, without a name.
const SOURCES: usize = 1024;
/// Categories that a set names at most, the likeliest ones; so the number of sets stays bounded.
const MOST_CATEGORIES: usize = 3;

/// A set of traits: `coercion`, `enacted`, `admirable`, and the categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Traits(u32);

const GENERAL: [&str; 3] = ["coercion", "enacted", "admirable"];

impl Traits {
    pub const NONE: Self = Self(0);

    /// The traits whose probability, by `score` over their ids, reaches [`THRESHOLD`]; of the
    /// categories the three likeliest.
    #[must_use]
    pub fn of(score: impl Fn(&str) -> f32) -> Self {
        let mut reached: Vec<(usize, f32)> = Self::names()
            .enumerate()
            .map(|(nth, id)| (nth, score(id)))
            .filter(|(_, score)| *score >= THRESHOLD)
            .collect();
        let categories = reached.iter().filter(|(nth, _)| *nth >= GENERAL.len()).count();
        if categories > MOST_CATEGORIES {
            let rank = |(nth, score): &(usize, f32)| (*nth >= GENERAL.len(), -score);
            reached.sort_by(|a, b| rank(a).0.cmp(&rank(b).0).then(rank(a).1.total_cmp(&rank(b).1)));
            reached.truncate(reached.len() - categories + MOST_CATEGORIES);
        }
        Self(reached.iter().fold(0, |set, (nth, _)| set | 1 << nth))
    }

    /// The set of one trait.
    #[must_use]
    pub fn one(id: &str) -> Option<Self> {
        Self::names().position(|name| name == id).map(|nth| Self(1 << nth))
    }

    /// Whether all traits of `other` are among these.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Ids of the traits in the set.
    #[must_use]
    pub fn ids(self) -> Vec<&'static str> {
        Self::names()
            .enumerate()
            .filter(|(nth, _)| self.0 & (1 << nth) != 0)
            .map(|(_, id)| id)
            .collect()
    }

    /// Ids of all traits.
    pub fn names() -> impl Iterator<Item = &'static str> {
        GENERAL.into_iter().chain(Category::ALL.iter().map(|c| c.id()))
    }
}

/// Documents of one source with the same traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Records that came in.
    pub documents: u64,
    /// Bytes of their texts; of records that were not decoded, as they stand in the record.
    pub bytes: u64,
    /// Sum of the squares of these bytes, in units of [`SQUARE`], for the spread of a sum over
    /// sampled documents.
    pub squares: u64,
    /// Documents that went out; copies count.
    pub documents_out: u64,
    /// Bytes of their texts before any edit, times their copies or their weight.
    pub bytes_out: u64,
    /// The same three in tokens; 0 where no tokenizer was named.
    pub tokens: u64,
    pub token_squares: u64,
    pub tokens_out: u64,
}

/// How large a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub bytes: u64,
    /// 0 where no tokenizer was named.
    pub tokens: u64,
}

impl Cell {
    /// One document that came in.
    #[must_use]
    pub fn document(size: Size) -> Self {
        // The cast saturates.
        let squares = |size: u64| ((size as f64).powi(2) / SQUARE).ceil() as u64;
        let Size { bytes, tokens } = size;
        let (squares, token_squares) = (squares(bytes), squares(tokens));
        Self { documents: 1, bytes, squares, tokens, token_squares, ..Self::default() }
    }

    /// What goes out of a document that is written `times` times.
    #[must_use]
    pub fn written(self, size: Size, times: f64) -> Self {
        let times = |size: u64| (size as f64 * times).round() as u64;
        Self { bytes_out: times(size.bytes), tokens_out: times(size.tokens), ..self }
    }

    /// The cell with tokens in the place of bytes.
    #[must_use]
    pub fn in_tokens(self) -> Self {
        let (bytes, squares, bytes_out) = (self.tokens, self.token_squares, self.tokens_out);
        Self { bytes, squares, bytes_out, ..self }
    }

    pub fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.squares = self.squares.saturating_add(other.squares);
        self.documents_out += other.documents_out;
        self.bytes_out += other.bytes_out;
        self.tokens += other.tokens;
        self.token_squares = self.token_squares.saturating_add(other.token_squares);
        self.tokens_out += other.tokens_out;
    }
}

/// Cells by source and traits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// Those whose names have the smallest hashes: a source that stays was never let go in any
    /// part, so its counts are whole. Records without a source stand under the empty name.
    sources: BTreeMap<(u64, String), Cells>,
    others: Cells,
}

type Cells = BTreeMap<Traits, Cell>;

/// One cell as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenLine", into = "WrittenLine")]
pub struct CellLine {
    /// None for the records without a source, and for those of sources that are not told apart.
    pub source: Option<String>,
    /// True for the sources that are not told apart.
    pub others: bool,
    pub traits: Vec<String>,
    pub cell: Cell,
}

/// [`CellLine`] with its fields side by side: serde cannot read numbers of 128 bits through
/// `flatten`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CellLine", description = "One cell as it is written.")]
struct WrittenLine {
    /// None for the records without a source, and for those of sources that are not told apart.
    source: Option<String>,
    /// True for the sources that are not told apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    others: bool,
    traits: Vec<String>,
    /// Records that came in.
    documents: u64,
    /// Bytes of their texts; of records that were not decoded, as they stand in the record.
    bytes: u64,
    /// Sum of the squares of these bytes, for the spread of a sum over sampled documents.
    squares: u64,
    /// Documents that went out; copies count.
    documents_out: u64,
    /// Bytes of their texts before any edit, times their copies or their weight.
    bytes_out: u64,
    /// The same three in tokens; missing where no tokenizer was named.
    #[serde(default, skip_serializing_if = "is_zero")]
    tokens: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    token_squares: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    tokens_out: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<WrittenLine> for CellLine {
    fn from(line: WrittenLine) -> Self {
        let cell = Cell {
            documents: line.documents,
            bytes: line.bytes,
            squares: line.squares,
            documents_out: line.documents_out,
            bytes_out: line.bytes_out,
            tokens: line.tokens,
            token_squares: line.token_squares,
            tokens_out: line.tokens_out,
        };
        Self { source: line.source, others: line.others, traits: line.traits, cell }
    }
}

impl From<CellLine> for WrittenLine {
    fn from(line: CellLine) -> Self {
        let CellLine { source, others, traits, cell } = line;
        Self {
            source,
            others,
            traits,
            documents: cell.documents,
            bytes: cell.bytes,
            squares: cell.squares,
            documents_out: cell.documents_out,
            bytes_out: cell.bytes_out,
            tokens: cell.tokens,
            token_squares: cell.token_squares,
            tokens_out: cell.tokens_out,
        }
    }
}

impl Composition {
    /// Counts one record.
    pub fn put(&mut self, source: Option<&str>, traits: Traits, cell: &Cell) {
        let name = source.unwrap_or("");
        let key = (xxhash_rust::xxh3::xxh3_64(name.as_bytes()), name.to_string());
        put(self.cells(key), traits, cell);
        self.shrink();
    }

    pub fn add(&mut self, other: &Self) {
        for (key, cells) in &other.sources {
            let mine = self.cells(key.clone());
            cells.iter().for_each(|(traits, cell)| put(mine, *traits, cell));
            self.shrink();
        }
        for (traits, cell) in &other.others {
            put(&mut self.others, *traits, cell);
        }
    }

    /// Where the source is counted.
    fn cells(&mut self, key: (u64, String)) -> &mut Cells {
        let full = self.sources.len() >= SOURCES;
        if full && self.sources.last_key_value().is_some_and(|(last, _)| key > *last) {
            return &mut self.others;
        }
        self.sources.entry(key).or_default()
    }

    fn shrink(&mut self) {
        while self.sources.len() > SOURCES {
            let Some((_, cells)) = self.sources.pop_last() else { break };
            cells.iter().for_each(|(traits, cell)| put(&mut self.others, *traits, cell));
        }
    }

    /// All cells, by source name and traits.
    #[must_use]
    pub fn lines(&self) -> Vec<CellLine> {
        let mut lines = Vec::new();
        let mut sources: Vec<_> = self.sources.iter().map(|((_, name), c)| (name, c)).collect();
        sources.sort_by_key(|(name, _)| *name);
        let line = |source: Option<String>, others, (traits, cell): (&Traits, &Cell)| CellLine {
            source,
            others,
            traits: traits.ids().into_iter().map(Into::into).collect(),
            cell: *cell,
        };
        for (name, cells) in sources {
            let source = (!name.is_empty()).then(|| name.clone());
            lines.extend(cells.iter().map(|cell| line(source.clone(), false, cell)));
        }
        lines.extend(self.others.iter().map(|cell| line(None, true, cell)));
        lines
    }

    /// The composition that [`Composition::lines`] wrote. Traits that this version does not know
    /// are left out of their sets.
    #[must_use]
    pub fn from_lines(lines: &[CellLine]) -> Self {
        let mut composition = Self::default();
        for line in lines {
            let known = line.traits.iter().filter_map(|id| Traits::one(id));
            let traits = known.fold(Traits::NONE, Traits::or);
            if line.others {
                put(&mut composition.others, traits, &line.cell);
            } else {
                composition.put(line.source.as_deref(), traits, &line.cell);
            }
        }
        composition
    }
}

fn put(cells: &mut Cells, traits: Traits, cell: &Cell) {
    cells.entry(traits).or_default().add(cell);
}

impl JsonSchema for Composition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Composition".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<WrittenLine>::json_schema(generator)
    }
}

impl Serialize for Composition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lines().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Composition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_lines(&Vec::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(bytes: u64) -> Cell {
        Cell::document(Size { bytes, tokens: bytes / 4 })
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let mut composition = Composition::default();
        let large = Cell { squares: u64::MAX - 5, ..cell(7) };
        composition.put(Some("web"), Traits::default(), &large);
        composition.put(None, Traits::default(), &cell(3));
        let text = serde_json::to_string(&composition).expect("it is written");
        assert!(text.contains("\"squares\":18446744073709551610"), "{text}");
        assert_eq!(serde_json::from_str::<Composition>(&text).expect("it is read"), composition);
    }

    #[test]
    fn parts_add_up_in_any_order_also_beyond_the_limit() {
        let mut whole = Composition::default();
        let mut parts = vec![Composition::default(); 3];
        for n in 0..3000_u64 {
            let source = format!("s{}", n % 1500);
            let traits = Traits(u32::try_from(n % 5).expect("small"));
            whole.put(Some(&source), traits, &cell(n));
            parts[(n % 3) as usize].put(Some(&source), traits, &cell(n));
        }
        let sum = |order: [usize; 3]| {
            let mut sum = Composition::default();
            order.iter().for_each(|i| sum.add(&parts[*i]));
            sum
        };
        assert_eq!(sum([0, 1, 2]), whole);
        assert_eq!(sum([2, 0, 1]), whole);
        let total: u64 = whole.lines().iter().map(|l| l.cell.documents).sum();
        assert_eq!(total, 3000);
        let read: Composition =
            serde_json::from_str(&serde_json::to_string(&whole).expect("JSON")).expect("reads");
        assert_eq!(read, whole);
    }

    #[test]
    fn traits_have_names() {
        let traits = Traits::of(|id| if id == "enacted" || id == "blackmail" { 0.9 } else { 0.1 });
        assert_eq!(traits.ids(), ["enacted", "blackmail"]);
        assert!(traits.has(Traits::one("blackmail").expect("known")));
        assert!(Traits::one("nonsense").is_none());
    }
}
