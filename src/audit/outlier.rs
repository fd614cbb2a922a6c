//! Shards whose rate is not that of the others.

use super::figures::ShardLine;
use super::interval;
use super::tally::Tally;

/// Expected share of false discoveries among the shards that are called outliers.
const FALSE_DISCOVERIES: f64 = 0.01;

/// Every shard with the chance of its count under the rate of all shards together, most telling
/// first; outliers by Benjamini and Hochberg's step-up procedure.
#[must_use]
pub fn shards(tally: &Tally) -> Vec<ShardLine> {
    let (flagged, rows) = (tally.marked[super::row::COERCION].documents, tally.rows);
    let rate = if rows == 0 { 0.0 } else { flagged as f64 / rows as f64 };
    let mut lines: Vec<ShardLine> = tally
        .shards
        .iter()
        .map(|(name, group)| ShardLine {
            key: name.to_string(),
            documents: group.rows,
            flagged: group.flagged.documents,
            admirable: group.admirable.documents,
            raw: interval::share(group.flagged.documents, group.rows),
            p_value: two_sided(group.flagged.documents, group.rows, rate),
            outlier: false,
        })
        .collect();
    lines.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| a.key.cmp(&b.key)));
    let tests = lines.len() as f64;
    let last = lines
        .iter()
        .enumerate()
        .rposition(|(i, line)| line.p_value <= FALSE_DISCOVERIES * (i as f64 + 1.0) / tests);
    if let Some(last) = last.filter(|_| lines.len() > 1) {
        lines[..=last].iter_mut().for_each(|line| line.outlier = true);
    }
    lines
}

/// Twice the smaller binomial tail, at most 1.
fn two_sided(count: u64, of: u64, rate: f64) -> f64 {
    if of == 0 || rate <= 0.0 || rate >= 1.0 {
        return 1.0;
    }
    let (x, n) = (count as f64, of as f64);
    // P(X ≥ x) and P(X ≤ x) through the beta distribution.
    let above = if count == 0 { 1.0 } else { interval::beta(rate, x, n - x + 1.0) };
    let below = if count == of { 1.0 } else { 1.0 - interval::beta(rate, x + 1.0, n - x) };
    (2.0 * above.min(below)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::row::{COERCION, Row};

    #[test]
    fn a_shard_that_differs_stands_out_and_its_like_do_not() {
        let mut tally = Tally::new(0, 0);
        for shard in 0..40 {
            let name = format!("s{shard:02}").into();
            for i in 0..500 {
                let every = if shard == 17 { 10 } else { 100 };
                let mut row =
                    Row { id: format!("{i}").into(), scored: true, chars: 9, ..Row::default() };
                row.scores[COERCION] = if i % every == 3 { 0.9 } else { 0.0 };
                tally.add(&name, &row);
            }
        }
        let lines = shards(&tally);
        let out: Vec<&str> = lines.iter().filter(|l| l.outlier).map(|l| l.key.as_str()).collect();
        assert_eq!(out, ["s17"]);
    }

    #[test]
    fn tails_agree_with_sums() {
        // P(X ≥ 3) for n = 10, p = 0.1 is 0.070190826; P(X ≤ 0) is 0.34867844.
        assert!((two_sided(3, 10, 0.1) - 2.0 * 0.070_190_826).abs() < 1e-8);
        assert!((two_sided(0, 10, 0.1) - 2.0 * 0.348_678_44).abs() < 1e-8);
    }
}
