//! The audit: intervals that cover, figures through the binary, bad input.

use parable::audit::interval;
use parable::audit::quality::Counts;
use rayon::prelude::*;

// --- coverage ---------------------------------------------------------------------------------

/// A stream of numbers in 0..1 (SplitMix64): the simulation must be the same on every machine.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A binomial draw by waiting times: as many steps as there are successes.
    fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        if p <= 0.0 {
            return 0;
        }
        let (mut at, mut hits) = (0.0, 0);
        loop {
            at += ((1.0 - self.next()).ln() / (-p).ln_1p()).floor() + 1.0;
            if at > n as f64 {
                return hits;
            }
            hits += 1;
        }
    }
}

/// One kind of corpus and of labelled set.
#[derive(Clone, Copy, Debug)]
struct Scene {
    prevalence: f64,
    documents: u64,
    recall: f64,
    alarm: f64,
    positives: u64,
    negatives: u64,
}

/// Corpora of each scene.
const CORPORA: u64 = 2000;

/// Share of corpora whose interval holds the truth: raw and corrected.
fn coverage(scene: Scene, seed: u64) -> (f64, f64) {
    let flag_rate = scene.prevalence * scene.recall + (1.0 - scene.prevalence) * scene.alarm;
    let hits: Vec<(bool, bool)> = (0..CORPORA)
        .into_par_iter()
        .map(|nth| {
            let mut stream = Stream(seed ^ nth.wrapping_mul(0xD134_2543_DE82_EF95));
            stream.next();
            let found = stream.binomial(scene.positives, scene.recall);
            let alarms = stream.binomial(scene.negatives, scene.alarm);
            // The corpus: its true documents, then what the scorer flags among them and the rest.
            let truly = stream.binomial(scene.documents, scene.prevalence);
            let flagged = stream.binomial(truly, scene.recall)
                + stream.binomial(scene.documents - truly, scene.alarm);
            let quality = Counts {
                true_positives: found,
                false_negatives: scene.positives - found,
                false_positives: alarms,
                true_negatives: scene.negatives - alarms,
            };
            let raw = interval::share(flagged, scene.documents).expect("documents");
            let fixed = interval::corrected(flagged, scene.documents, &quality);
            (
                raw.low <= flag_rate && flag_rate <= raw.high,
                fixed.is_some_and(|f| f.low <= scene.prevalence && scene.prevalence <= f.high),
            )
        })
        .collect();
    let share =
        |f: fn(&(bool, bool)) -> bool| hits.iter().filter(|h| f(h)).count() as f64 / CORPORA as f64;
    (share(|h| h.0), share(|h| h.1))
}

fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (prevalence, documents) in
        [(0.0005, 40_000), (0.0005, 400_000), (0.003, 100_000), (0.02, 20_000), (0.2, 5_000)]
    {
        for (recall, alarm, positives, negatives) in [
            (0.25, 0.002, 160, 10_000),
            (0.6, 0.01, 160, 1_240),
            (0.8, 0.0005, 400, 60_000),
            (0.9, 0.05, 1_000, 2_000),
        ] {
            scenes.push(Scene { prevalence, documents, recall, alarm, positives, negatives });
        }
    }
    scenes
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let mut wrong = Vec::new();
    let mut means = (0.0, 0.0);
    let scenes = scenes();
    for (nth, scene) in scenes.iter().enumerate() {
        let (raw, fixed) = coverage(*scene, nth as u64 + 1);
        println!("raw {raw:.4} corrected {fixed:.4} {scene:?}");
        means.0 += raw / scenes.len() as f64;
        means.1 += fixed / scenes.len() as f64;
        if !(0.93..=0.97).contains(&raw) || !(0.93..=0.97).contains(&fixed) {
            wrong.push(format!("raw {raw:.4} corrected {fixed:.4} {scene:?}"));
        }
    }
    println!("means {means:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// --- the human check --------------------------------------------------------------------------

/// Share of corpora in which the interval from people's answers holds the true prevalence.
fn review_coverage(rates: [f64; 6], sizes: [u64; 6], most: usize, seed: u64) -> f64 {
    use parable::audit::review::{Answer, Label, allocation, review};
    let held = (0..CORPORA)
        .into_par_iter()
        .filter(|nth| {
            let mut stream = Stream(seed ^ nth.wrapping_mul(0xD134_2543_DE82_EF95));
            stream.next();
            let drawn = allocation(&sizes, most);
            let mut labels = Vec::new();
            for band in 0..6u8 {
                let n = drawn[usize::from(band)] as u64;
                let yes = stream.binomial(n, rates[usize::from(band)]);
                labels.extend((0..n).map(|i| Label {
                    shard: String::new(),
                    id: format!("{band} {i}"),
                    band,
                    answer: if i < yes { Answer::Yes } else { Answer::No },
                    versions: String::new(),
                }));
            }
            let all: u64 = sizes.iter().sum();
            let truth: f64 = rates.iter().zip(sizes).map(|(r, n)| r * n as f64 / all as f64).sum();
            let found = review(&labels, &sizes).prevalence.expect("every band is read");
            found.low <= truth && truth <= found.high
        })
        .count();
    held as f64 / CORPORA as f64
}

#[test]
fn answers_of_people_give_intervals_that_hold() {
    // Where a large band has next to no true ones the interval is cautious; it may not be bold.
    for (nth, (rates, sizes, least)) in [
        ([0.0005, 0.01, 0.1, 0.3, 0.6, 0.9], [900_000, 90_000, 8_000, 1_500, 400, 100], 0.93),
        ([0.05, 0.1, 0.2, 0.4, 0.6, 0.8], [5_000, 3_000, 2_000, 900, 500, 300], 0.93),
        ([0.2, 0.3, 0.4, 0.5, 0.7, 0.9], [10_000, 10_000, 10_000, 10_000, 10_000, 10_000], 0.93),
    ]
    .into_iter()
    .enumerate()
    {
        let held = review_coverage(rates, sizes, 300, nth as u64 + 77);
        println!("{held:.4} {rates:?}");
        assert!(held >= least, "{held} {rates:?}");
    }
}
