//! Weights for classes of documents that meet linear targets and stay as near to 1 as they can: a
//! quadratic programme, solved by an interior-point method (Clarabel).

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};

/// `Σ coefficients · weights ≤ right` (or `=` where `exact`).
#[derive(Clone, Debug)]
pub struct Row {
    pub coefficients: Vec<f64>,
    pub right: f64,
    pub exact: bool,
    /// The target that the row comes from; none for bounds, which always hold.
    pub target: Option<usize>,
}

/// The weights, or the targets that cannot be met together.
#[derive(Debug)]
pub enum Solution {
    Weights(Vec<f64>),
    Infeasible(Vec<usize>),
}

/// Finds weights in `0..=most`, one for each share of the corpus in `shares`, that meet `rows`.
/// What is not asked for costs `share · (weight − 1)²`.
#[must_use]
pub fn solve(shares: &[f64], rows: &[Row], most: f64) -> Solution {
    if let Some(weights) = attempt(shares, rows, most, false) {
        return Solution::Weights(weights);
    }
    // With a slack for every target the programme always has a solution; the targets whose slack is
    // used are those that do not fit.
    let Some(slacks) = attempt(shares, rows, most, true) else {
        return Solution::Infeasible(Vec::new());
    };
    let mut missed: Vec<usize> = rows
        .iter()
        .zip(&slacks[shares.len()..])
        .filter(|(_, slack)| **slack > 1e-7)
        .filter_map(|(row, _)| row.target)
        .collect();
    missed.sort_unstable();
    missed.dedup();
    Solution::Infeasible(missed)
}

/// What a unit of slack costs beside the weights' own cost.
const SLACK_COST: f64 = 1e4;

fn attempt(shares: &[f64], rows: &[Row], most: f64, elastic: bool) -> Option<Vec<f64>> {
    let classes = shares.len();
    let width = classes + if elastic { rows.len() } else { 0 };
    let mut quadratic = vec![1e-9; width];
    let mut linear = vec![SLACK_COST; width];
    for (at, share) in shares.iter().enumerate() {
        quadratic[at] = 2.0 * share.max(1e-9);
        linear[at] = -2.0 * share.max(1e-9);
    }
    // Exact rows first, then all others: the cones follow one another.
    let mut matrix: Vec<Vec<f64>> = Vec::new();
    let mut right = Vec::new();
    let slack = |nth: usize, sign: f64, line: &mut Vec<f64>| {
        if elastic {
            line[classes + nth] = sign;
        }
    };
    let mut exact = 0;
    for (nth, row) in rows.iter().enumerate().filter(|(_, row)| row.exact && !elastic) {
        let mut line = row.coefficients.clone();
        line.resize(width, 0.0);
        slack(nth, -1.0, &mut line);
        matrix.push(line);
        right.push(row.right);
        exact += 1;
    }
    for (nth, row) in rows.iter().enumerate().filter(|(_, row)| !row.exact || elastic) {
        let signs: &[f64] = if row.exact { &[1.0, -1.0] } else { &[1.0] };
        for sign in signs {
            let mut line: Vec<f64> = row.coefficients.iter().map(|c| c * sign).collect();
            line.resize(width, 0.0);
            slack(nth, -1.0, &mut line);
            matrix.push(line);
            right.push(row.right * sign);
        }
    }
    for at in 0..width {
        let mut line = vec![0.0; width];
        line[at] = -1.0;
        matrix.push(line);
        right.push(0.0);
        if at < classes {
            let mut line = vec![0.0; width];
            line[at] = 1.0;
            matrix.push(line);
            right.push(most);
        }
    }
    let cones =
        [SupportedConeT::ZeroConeT(exact), SupportedConeT::NonnegativeConeT(matrix.len() - exact)];
    let settings = DefaultSettingsBuilder::default().verbose(false).max_iter(200).build().ok()?;
    let p = diagonal(&quadratic);
    let a = sparse(&matrix, width);
    let mut solver = DefaultSolver::new(&p, &linear, &a, &right, &cones, settings).ok()?;
    solver.solve();
    let solved =
        matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved);
    solved.then(|| solver.solution.x.clone())
}

fn diagonal(values: &[f64]) -> CscMatrix<f64> {
    let n = values.len();
    CscMatrix::new(n, n, (0..=n).collect(), (0..n).collect(), values.to_vec())
}

fn sparse(rows: &[Vec<f64>], width: usize) -> CscMatrix<f64> {
    let (mut starts, mut at, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in 0..width {
        for (nth, row) in rows.iter().enumerate() {
            if row[column] != 0.0 {
                at.push(nth);
                values.push(row[column]);
            }
        }
        starts.push(at.len());
    }
    CscMatrix::new(rows.len(), width, starts, at, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(coefficients: &[f64], right: f64, target: usize) -> Row {
        Row { coefficients: coefficients.to_vec(), right, exact: false, target: Some(target) }
    }

    #[test]
    fn what_is_not_asked_for_stays_at_one() {
        let rows = [at_most(&[1.0, 0.0], 0.2, 0)];
        let Solution::Weights(weights) = solve(&[0.5, 0.5], &rows, 10.0) else {
            panic!("it has a solution")
        };
        assert!((weights[0] - 0.2).abs() < 1e-6 && (weights[1] - 1.0).abs() < 1e-6, "{weights:?}");
    }

    #[test]
    fn the_targets_that_do_not_fit_are_named() {
        let rows = [at_most(&[1.0, 0.0], 0.5, 0), at_most(&[0.0, -1.0], -20.0, 1)];
        let Solution::Infeasible(missed) = solve(&[0.5, 0.5], &rows, 10.0) else {
            panic!("the second asks for more than the greatest weight")
        };
        assert_eq!(missed, [1]);
    }
}
