//! A short run of every fuzz target: its seeds and small changes of them, the same ones each time.
//! `fuzz/run SECONDS` searches for longer and by coverage; what it finds becomes a seed.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Changed inputs for each target, unless `PARABLE_FUZZ_CASES` says otherwise.
const CASES: usize = 400;
/// Longest input that is made.
const LONGEST: usize = 8 << 10;

/// Numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let number = xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes());
        (number % bound.max(1) as u64) as usize
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// A seed with a few bytes changed, taken out, doubled, or taken from another seed.
fn changed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let length = numbers.below(24).min(bytes.len() - at);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.extend_from_within(at..at + length),
            4 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len() + 1);
                let to = (from + numbers.below(40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn run(target: &str) {
    let (name, body) = targets::ALL.iter().find(|(name, _)| *name == target).expect("a target");
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let cases = std::env::var("PARABLE_FUZZ_CASES").ok().and_then(|n| n.parse().ok());
    let mut numbers = Numbers(0);
    let made = (0..cases.unwrap_or(CASES)).map(|_| changed(&seeds, &mut numbers));
    for input in seeds.iter().cloned().chain(made.collect::<Vec<_>>()) {
        if let Err(panic) = std::panic::catch_unwind(|| body(&input)) {
            eprintln!("{name} fails on {}", input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}

macro_rules! short_runs {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                run(stringify!($target));
            }
        )*

        #[test]
        fn every_target_has_a_short_run_and_a_fuzzer() {
            let here = [$(stringify!($target)),*];
            let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, here);
            let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
            let manifest = fs::read_to_string(manifest).expect("fuzz/Cargo.toml");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
        }
    };
}

short_runs! {
    json_lines chats attributes rules policies blocks damaged_blocks edits pages gates
}
