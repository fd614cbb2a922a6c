//! A corpus of a stated size that is the same bytes everywhere, for when no shards are at hand.
//!
//! Common words in the order of their frequency, in sentences and paragraphs; one document in eight
//! holds an example text of a rule, so that gate, scorer and rules have their usual share of work.
//! It compresses worse than prose and its vocabulary is small: ratios on it are near those on web
//! text, but only near.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::BenchError;
use crate::filter::FilterSet;
use crate::shard::{Codec, codec};

const SHARDS: u64 = 8;
/// One document in so many has an example text.
const EXAMPLE_EVERY: u64 = 8;
/// Words of a document: this many and, rarely, up to sixteen times as many.
const WORDS: u64 = 120;

const COMMON: &str = "the of and to a in that it was he is for with as his on be at by i this had \
not are but from or have an they which one you were all her she there would their we him been has \
when who will no more if out so up said what its about than into them can only other time new some \
could these two may first then do any like my now over such our man me even most made after also \
did many off before must well back through years where much your way down should because long each \
just state those people too mister how little good world make very year still see own work men day \
get here old life both between being under three never know same last another while us might great \
go come since against right came take used himself few house american use place during high without \
again home around small however found part school thought went say general once upon every war left \
until always something fact less though water public put think almost hand enough far took yet \
better set told nothing night end why find asked going look later point next city give group toward \
young days room side social present given several order second early large within form important \
often white light things name need best family country morning kitchen river garden letter road \
window market bread winter teacher harbour village doctor mountain ticket summer field bridge paper";

/// Writes the corpus as `.jsonl.zst` shards into `folder`.
///
/// # Errors
/// Those of the disk.
pub fn write(folder: &Path, bytes: u64, seed: u64, filters: &FilterSet) -> Result<(), BenchError> {
    std::fs::create_dir_all(folder).map_err(|error| BenchError::io(folder, error))?;
    let mut writer = Generator::new(seed, filters);
    for shard in 0..SHARDS {
        let path = folder.join(format!("part-{shard}.jsonl.zst"));
        shard_file(&path, bytes / SHARDS, &mut writer)
            .map_err(|error| BenchError::io(&path, error))?;
    }
    Ok(())
}

/// Lines of the same corpus in memory, of at least so many bytes.
#[must_use]
pub fn sample(bytes: usize, seed: u64, filters: &FilterSet) -> Vec<u8> {
    let mut writer = Generator::new(seed, filters);
    let mut lines = Vec::with_capacity(bytes + (64 << 10));
    while lines.len() < bytes {
        lines.extend(writer.line());
    }
    lines
}

fn shard_file(path: &Path, bytes: u64, writer: &mut Generator<'_>) -> std::io::Result<()> {
    let mut out = codec::encoder(Codec::Zstd, BufWriter::new(File::create(path)?))?;
    let mut written = 0;
    while written < bytes.max(1) {
        let line = writer.line();
        out.write_all(&line)?;
        written += line.len() as u64;
    }
    out.finish()?.flush()
}

struct Generator<'f> {
    seed: u64,
    drawn: u64,
    document: u64,
    words: Vec<&'static str>,
    examples: Vec<&'f str>,
}

impl<'f> Generator<'f> {
    fn new(seed: u64, filters: &'f FilterSet) -> Self {
        let rules = filters.rules().iter();
        let examples = rules
            .flat_map(|rule| rule.file.matches.iter().chain(&rule.file.passes))
            .map(|example| example.text.as_str())
            .collect();
        Self { seed, drawn: 0, document: 0, words: COMMON.split_whitespace().collect(), examples }
    }

    /// A number below `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % below.max(1)
    }

    /// The next record as a line.
    fn line(&mut self) -> Vec<u8> {
        self.document += 1;
        let id = format!("generated-{:08}", self.document);
        let text = self.text();
        let (year, page) = (1990 + self.draw(35), self.draw(1 << 40));
        let source = ["forum", "news", "books"][self.draw(3) as usize];
        let record = serde_json::json!({
            "id": id,
            "text": text,
            "source": source,
            "created": format!("{year}-01-01T00:00:00Z"),
            "metadata": { "url": format!("https://example.org/{page:x}") },
        });
        let mut line = record.to_string().into_bytes();
        line.push(b'\n');
        line
    }

    fn text(&mut self) -> String {
        let longer = 1 << self.draw(16).saturating_sub(11);
        let words = WORDS / 2 + self.draw(WORDS * longer);
        let example = !self.examples.is_empty() && self.draw(EXAMPLE_EVERY) == 0;
        let place = self.draw(words.max(1));
        let mut text = String::new();
        let (mut sentence, mut paragraph) = (0, 0);
        for at in 0..words {
            if example && at >= place && sentence == 0 && !text.contains(EXAMPLE_MARK) {
                let nth = self.draw(self.examples.len() as u64) as usize;
                text.push_str(self.examples[nth]);
                text.push_str(EXAMPLE_MARK);
            }
            if sentence == 0 {
                sentence = 4 + self.draw(20);
                paragraph += 1;
                self.word(&mut text, true);
            } else {
                text.push(' ');
                self.word(&mut text, false);
            }
            sentence -= 1;
            if sentence == 0 {
                text.push_str(if paragraph % 5 == 0 { ".\n" } else { ". " });
            }
        }
        text
    }

    /// A common word: the chance falls with the rank, as in any language.
    fn word(&mut self, text: &mut String, capital: bool) {
        let count = self.words.len() as u64;
        let reach = 1 + self.draw(count);
        let rank = self.draw(reach) as usize;
        let word = self.words[rank];
        let (first, rest) = word.split_at(1);
        if capital {
            text.push_str(&first.to_ascii_uppercase());
        } else {
            text.push_str(first);
        }
        text.push_str(rest);
    }
}

/// Stands behind an example, so that a document has one only.
const EXAMPLE_MARK: &str = "\n\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Gate, GateLevel};

    #[test]
    fn the_same_seed_gives_the_same_documents_and_some_matter() {
        let filters = FilterSet::embedded();
        let lines = |seed| -> Vec<Vec<u8>> {
            let mut generator = Generator::new(seed, filters);
            (0..400).map(|_| generator.line()).collect()
        };
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
        let gate = Gate::new(filters, GateLevel::Named);
        let admitted = lines(1).iter().filter(|line| gate.admits(line)).count();
        assert!((20..120).contains(&admitted), "{admitted} of 400");
    }

    #[test]
    fn shards_hold_the_stated_size() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), 400_000, 0, FilterSet::embedded()).expect("is written");
        let mut total = 0;
        for entry in std::fs::read_dir(folder.path()).expect("is a folder") {
            let file = File::open(entry.expect("an entry").path()).expect("opens");
            let mut reader =
                codec::decoder(Codec::Zstd, file, Default::default()).expect("decodes");
            total += std::io::copy(&mut reader, &mut std::io::sink()).expect("reads");
        }
        assert!((400_000..480_000).contains(&total), "{total}");
    }
}
