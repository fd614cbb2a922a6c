//! Near-duplicates among the flagged texts that were sampled: one story copied a hundred times is
//! one finding, not a hundred. Texts are compared by the smallest hashes of their word 5-grams.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Words of a shingle.
const SHINGLE: usize = 5;
/// Smallest hashes kept of each text.
const SKETCH: usize = 128;
/// Estimated Jaccard similarity from which two texts count as copies of each other.
const ALIKE: f64 = 0.7;

/// Sampled flagged texts that are nearly the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cluster {
    /// Sampled texts in the cluster.
    pub size: usize,
    /// Their documents as `shard: id`, at most ten.
    pub documents: Vec<String>,
}

/// What was found among the sampled flagged texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Copies {
    /// Flagged texts that were compared.
    pub compared: usize,
    /// Clusters of two and more, largest first.
    pub clusters: Vec<Cluster>,
}

/// The sketch of a text: its smallest shingle hashes in order.
fn sketch(text: &str) -> Vec<u64> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    let width = SHINGLE.min(words.len().max(1));
    let mut hashes: Vec<u64> =
        words.windows(width).map(|shingle| xxh3_64(shingle.join(" ").as_bytes())).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.truncate(SKETCH);
    hashes
}

/// Estimated Jaccard similarity: of the smallest hashes of both together, the share that both have.
fn similarity(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both, mut seen) = (0, 0, 0usize, 0usize);
    while seen < SKETCH && i < a.len() && j < b.len() {
        seen += 1;
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
        }
    }
    // What one text has left belongs to the union too.
    let seen = (seen + a.len() - i + b.len() - j).min(SKETCH);
    if seen == 0 { 0.0 } else { both as f64 / seen as f64 }
}

/// Clusters of named texts: linked where two are alike.
#[must_use]
pub fn copies(texts: &[(String, &str)]) -> Copies {
    let sketches: Vec<Vec<u64>> = texts.iter().map(|(_, text)| sketch(text)).collect();
    let mut head: Vec<usize> = (0..texts.len()).collect();
    fn find(head: &[usize], mut at: usize) -> usize {
        while head[at] != at {
            at = head[at];
        }
        at
    }
    for i in 0..texts.len() {
        for j in 0..i {
            if similarity(&sketches[i], &sketches[j]) >= ALIKE {
                let (a, b) = (find(&head, i), find(&head, j));
                head[a.max(b)] = a.min(b);
            }
        }
    }
    let mut members: std::collections::BTreeMap<usize, Vec<&str>> = Default::default();
    for (i, (name, _)) in texts.iter().enumerate() {
        members.entry(find(&head, i)).or_default().push(name);
    }
    let mut clusters: Vec<Cluster> = members
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|mut names| {
            names.sort_unstable();
            let documents = names.iter().take(10).map(ToString::to_string).collect();
            Cluster { size: names.len(), documents }
        })
        .collect();
    clusters.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.documents.cmp(&b.documents)));
    Copies { compared: texts.len(), clusters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(n: usize) -> String {
        (0..300).map(|i| format!("word{} ", (i * 7 + n * 1009) % 9973)).collect()
    }

    #[test]
    fn copies_with_small_changes_meet_and_other_texts_do_not() {
        let first = story(1);
        let mended = first.replace("word1016 ", "another ").to_uppercase();
        let texts = [
            ("a".to_string(), first.as_str()),
            ("b".into(), &story(2)),
            ("c".into(), &mended),
            ("d".into(), ""),
            ("e".into(), ""),
        ];
        let found = copies(&texts);
        assert_eq!(found.compared, 5);
        assert_eq!(found.clusters, [Cluster { size: 2, documents: vec!["a".into(), "c".into()] }]);
    }

    #[test]
    fn similarity_is_near_the_true_one() {
        let (a, b): (Vec<u64>, Vec<u64>) = (
            (0..4000u64).map(|i| xxh3_64(&i.to_le_bytes())).collect(),
            (1000..5000u64).map(|i| xxh3_64(&i.to_le_bytes())).collect(),
        );
        let cut = |mut v: Vec<u64>| {
            v.sort_unstable();
            v.truncate(SKETCH);
            v
        };
        // 3,000 of 5,000 are in both.
        assert!((similarity(&cut(a), &cut(b)) - 0.6).abs() < 0.13);
    }
}
