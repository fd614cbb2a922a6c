//! A walk over a fastText file before it is loaded: every size that it states must fit its bytes,
//! so that a damaged file is told by its place and cannot ask for memory that is not there.

use super::ClassifierError;

const MAGIC: i32 = 793_712_314;
const NEWEST: i32 = 12;
const TREE: i32 = 1;
const SUPERVISED: i32 = 3;
/// Centroids of one product quantiser's part.
const CENTROIDS: usize = 256;
/// fastText's own mark for "more often than anything".
const MOST_COUNTED: i64 = 1_000_000_000_000_000;

/// What the sizes of the matrices depend on.
struct Header {
    dim: usize,
    loss: i32,
    bucket: usize,
    words: usize,
    labels: usize,
    /// Rows left of the buckets, where the dictionary was pruned.
    pruned: Option<usize>,
}

/// Checks a whole file.
pub fn check(bytes: &[u8]) -> Result<(), ClassifierError> {
    let mut walk = Walk { bytes, at: 0 };
    if bytes.len() < 8 || walk.int()? != MAGIC {
        return Err(ClassifierError::Magic);
    }
    let version = walk.int()?;
    if !(0..=NEWEST).contains(&version) {
        return Err(ClassifierError::Version(version));
    }
    let header = arguments(&mut walk, version).and_then(|h| dictionary(&mut walk, h))?;
    let quantised = walk.flag()?;
    if quantised && header.loss == TREE {
        return Err(ClassifierError::QuantisedTree);
    }
    let rows = header.words + header.pruned.unwrap_or(header.bucket);
    matrix(&mut walk, quantised, rows, header.dim)?;
    let output_quantised = walk.flag()?;
    matrix(&mut walk, quantised && output_quantised, header.labels, header.dim)?;
    if walk.at == bytes.len() { Ok(()) } else { walk.damaged("bytes behind the end of the model") }
}

fn arguments(walk: &mut Walk<'_>, version: i32) -> Result<Header, ClassifierError> {
    let dim = walk.size("dimensions")?;
    for _ in ["ws", "epoch", "minCount", "neg"] {
        walk.int()?;
    }
    let ngrams = walk.size("wordNgrams")?;
    let loss = walk.int()?;
    if walk.int()? != SUPERVISED {
        return Err(ClassifierError::NotSupervised);
    }
    let bucket = walk.size("bucket")?;
    let (minn, mut maxn) = (walk.size("minn")?, walk.size("maxn")?);
    walk.int()?;
    walk.take(8)?;
    if version == 11 {
        maxn = 0;
    }
    if dim == 0 || !(1..=4).contains(&loss) || ngrams > 64 || minn > 64 || maxn > 64 {
        return walk.damaged("options out of range");
    }
    if bucket == 0 && (ngrams > 1 || maxn > 0) {
        return walk.damaged("n-grams without buckets");
    }
    Ok(Header { dim, loss, bucket, words: 0, labels: 0, pruned: None })
}

fn dictionary(walk: &mut Walk<'_>, header: Header) -> Result<Header, ClassifierError> {
    let size = walk.size("entries")?;
    let (words, labels) = (walk.size("words")?, walk.size("labels")?);
    walk.long()?;
    let pruned = walk.long()?;
    if labels == 0 || words.checked_add(labels) != Some(size) {
        return walk.damaged("words and labels are not the entries");
    }
    for nth in 0..size {
        let rest = &walk.bytes[walk.at..];
        let Some(end) = rest.iter().position(|b| *b == 0) else {
            return walk.damaged("an entry without an end");
        };
        walk.take(end + 1)?;
        if !(0..=MOST_COUNTED).contains(&walk.long()?) {
            return walk.damaged("an entry counted out of range");
        }
        if walk.take(1)?[0] != u8::from(nth >= words) {
            return walk.damaged("a label among the words, or the other way round");
        }
    }
    let pruned = usize::try_from(pruned).ok();
    for _ in 0..pruned.unwrap_or(0) {
        let (from, to) = (walk.int()?, walk.int()?);
        let bound = |value: i32, most: usize| usize::try_from(value).is_ok_and(|v| v < most);
        if !bound(from, header.bucket) || !bound(to, pruned.unwrap_or(0)) {
            return walk.damaged("a pruned row out of range");
        }
    }
    Ok(Header { words, labels, pruned, ..header })
}

fn matrix(
    walk: &mut Walk<'_>,
    quantised: bool,
    rows: usize,
    columns: usize,
) -> Result<(), ClassifierError> {
    let norms = quantised && walk.flag()?;
    let shape = [walk.long()?, walk.long()?].map(usize::try_from);
    if shape != [Ok(rows), Ok(columns)] {
        return walk.damaged("a matrix of another shape than the dictionary asks for");
    }
    if !quantised {
        walk.take(rows.saturating_mul(columns).saturating_mul(4))?;
        return Ok(());
    }
    let codes = walk.size("codes")?;
    walk.take(codes)?;
    if quantiser(walk, columns)?.checked_mul(rows) != Some(codes) {
        return walk.damaged("codes that are not rows times parts");
    }
    if norms {
        walk.take(rows)?;
        quantiser(walk, 1)?;
    }
    Ok(())
}

/// Checks a product quantiser; gives its parts.
fn quantiser(walk: &mut Walk<'_>, columns: usize) -> Result<usize, ClassifierError> {
    let (dim, parts) = (walk.size("dimensions")?, walk.size("parts")?);
    let (width, last) = (walk.size("width")?, walk.size("last width")?);
    let whole = parts.checked_sub(1).and_then(|p| p.checked_mul(width)?.checked_add(last));
    if dim != columns || whole != Some(dim) || width == 0 || last == 0 || last > width {
        return walk.damaged("a quantiser whose parts do not make its width");
    }
    walk.take(dim.saturating_mul(CENTROIDS * 4))?;
    Ok(parts)
}

/// Reads from front to back.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, wanted: usize) -> Result<&'a [u8], ClassifierError> {
        let left = self.bytes.len() - self.at;
        if wanted > left {
            return Err(ClassifierError::Short { at: self.at, wanted, left });
        }
        let taken = &self.bytes[self.at..self.at + wanted];
        self.at += wanted;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, ClassifierError> {
        let b = self.take(4)?;
        Ok(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn long(&mut self) -> Result<i64, ClassifierError> {
        let low = u32::from_le_bytes(self.int()?.to_le_bytes());
        Ok(i64::from(self.int()?) << 32 | i64::from(low))
    }

    fn size(&mut self, what: &str) -> Result<usize, ClassifierError> {
        let value = self.int()?;
        match usize::try_from(value) {
            Ok(size) => Ok(size),
            Err(_) => self.damaged(&format!("{value} {what}")),
        }
    }

    fn flag(&mut self) -> Result<bool, ClassifierError> {
        match self.take(1)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.damaged("a flag that is neither 0 nor 1"),
        }
    }

    fn damaged<T>(&self, what: &str) -> Result<T, ClassifierError> {
        Err(ClassifierError::Damaged { at: self.at, what: what.to_owned() })
    }
}
