//! L2-regularised logistic regression by L-BFGS: deterministic, no randomness, no dependencies.

/// Sparse rows: indices and values of row `i` are `starts[i]..starts[i + 1]`.
#[derive(Default)]
pub struct Rows {
    pub starts: Vec<usize>,
    pub columns: Vec<u32>,
    pub values: Vec<f32>,
    pub width: usize,
}

impl Rows {
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { starts: vec![0], columns: Vec::new(), values: Vec::new(), width }
    }

    pub fn push(&mut self, row: impl Iterator<Item = (u32, f32)>) {
        for (column, value) in row {
            self.columns.push(column);
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn dot(&self, row: usize, weights: &[f32]) -> f32 {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()]
            .iter()
            .zip(&self.values[range])
            .map(|(c, v)| weights[*c as usize] * v)
            .sum()
    }

    fn add(&self, row: usize, factor: f32, out: &mut [f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        for (c, v) in self.columns[range.clone()].iter().zip(&self.values[range]) {
            out[*c as usize] += factor * v;
        }
    }
}

/// A fitted linear head.
#[derive(Clone, Debug, Default)]
pub struct Linear {
    pub weights: Vec<f32>,
    pub bias: f32,
}

/// One example's target in `0..=1` and its weight; weight 0 leaves it out.
pub type Target = (f32, f32);

#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

const MEMORY: usize = 6;

/// Fits one head. `penalty` is the L2 weight on the sum (not the mean) of the losses; the bias is
/// not penalised. Heads without both kinds of example become the constant log-odds.
#[must_use]
pub fn fit(rows: &Rows, targets: &[Target], penalty: f32, iterations: usize) -> Linear {
    fit_near(rows, targets, &vec![0.0; rows.width], penalty, iterations)
}

/// As [`fit`], but the penalty is on the distance to `prior`.
#[must_use]
pub fn fit_near(
    rows: &Rows,
    targets: &[Target],
    prior: &[f32],
    penalty: f32,
    iterations: usize,
) -> Linear {
    let width = rows.width;
    let total: f32 = targets.iter().map(|t| t.1).sum();
    let positive: f32 = targets.iter().map(|t| t.0 * t.1).sum();
    let rate = ((positive + 0.1) / (total + 0.2)).clamp(1e-4, 1.0 - 1e-4);
    let mut x = prior.to_vec();
    x.push((rate / (1.0 - rate)).ln());
    if positive < 1.5 || total - positive < 1.5 {
        x.truncate(width);
        return Linear { weights: x, bias: (rate / (1.0 - rate)).ln() };
    }
    let used: Vec<usize> = (0..rows.len()).filter(|i| targets[*i].1 > 0.0).collect();
    let problem = Problem { rows, targets, prior, used, penalty };
    let mut gradient = vec![0.0; width + 1];
    let mut loss = problem.loss(&x, &mut gradient);
    let mut history = History::default();
    for _ in 0..iterations {
        let direction = history.direction(&gradient);
        let slope: f64 = dot(&direction, &gradient);
        if slope > -1e-7 {
            break;
        }
        let Some((next, next_gradient, next_loss)) =
            problem.step(&x, &direction, loss, slope, history.steps.is_empty())
        else {
            break;
        };
        history.remember(&x, &next, &gradient, &next_gradient);
        let gain = (loss - next_loss) / loss.abs().max(1.0);
        (x, gradient, loss) = (next, next_gradient, next_loss);
        if gain < 1e-5 {
            break;
        }
    }
    let bias = x[width];
    x.truncate(width);
    Linear { weights: x, bias }
}

struct Problem<'a> {
    rows: &'a Rows,
    targets: &'a [Target],
    prior: &'a [f32],
    used: Vec<usize>,
    penalty: f32,
}

impl Problem<'_> {
    fn loss(&self, x: &[f32], gradient: &mut [f32]) -> f64 {
        let width = self.rows.width;
        let mut loss = 0.0_f64;
        for (at, slot) in gradient[..width].iter_mut().enumerate() {
            let away = x[at] - self.prior[at];
            *slot = self.penalty * away;
            loss += 0.5 * f64::from(self.penalty) * f64::from(away) * f64::from(away);
        }
        gradient[width] = 0.0;
        for &i in &self.used {
            let (target, weight) = self.targets[i];
            let z = self.rows.dot(i, x) + x[width];
            // log(1 + e^z) - y z, written so that neither side overflows.
            loss += f64::from(weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z));
            let slope = weight * (sigmoid(z) - target);
            self.rows.add(i, slope, gradient);
            gradient[width] += slope;
        }
        loss
    }

    /// Backtracks until the loss has fallen enough.
    fn step(
        &self,
        x: &[f32],
        direction: &[f32],
        loss: f64,
        slope: f64,
        first: bool,
    ) -> Option<(Vec<f32>, Vec<f32>, f64)> {
        let mut size =
            if first { (1.0 / dot(direction, direction).sqrt()).min(1.0) as f32 } else { 1.0 };
        for _ in 0..12 {
            let next: Vec<f32> = x.iter().zip(direction).map(|(a, d)| a + size * d).collect();
            let mut gradient = vec![0.0; x.len()];
            let value = self.loss(&next, &mut gradient);
            if value <= loss + 1e-4 * f64::from(size) * slope {
                return Some((next, gradient, value));
            }
            size *= 0.4;
        }
        None
    }
}

#[derive(Default)]
struct History {
    steps: Vec<(Vec<f32>, Vec<f32>, f64)>,
}

impl History {
    fn remember(&mut self, x: &[f32], next: &[f32], gradient: &[f32], next_gradient: &[f32]) {
        let s: Vec<f32> = next.iter().zip(x).map(|(a, b)| a - b).collect();
        let y: Vec<f32> = next_gradient.iter().zip(gradient).map(|(a, b)| a - b).collect();
        let sy = dot(&s, &y);
        if sy > 1e-10 {
            if self.steps.len() == MEMORY {
                self.steps.remove(0);
            }
            self.steps.push((s, y, 1.0 / sy));
        }
    }

    /// The two-loop recursion: minus the approximate inverse Hessian times the gradient.
    fn direction(&self, gradient: &[f32]) -> Vec<f32> {
        let mut q: Vec<f32> = gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.steps.len());
        for (s, y, rho) in self.steps.iter().rev() {
            let alpha = rho * dot(s, &q);
            alphas.push(alpha);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= (alpha as f32) * y);
        }
        if let Some((_, y, rho)) = self.steps.last() {
            let scale = (1.0 / (rho * dot(y, y))) as f32;
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((s, y, rho), alpha) in self.steps.iter().zip(alphas.iter().rev()) {
            let beta = rho * dot(y, &q);
            let factor = (alpha - beta) as f32;
            q.iter_mut().zip(s).for_each(|(q, s)| *q += factor * s);
        }
        q
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separable_problem_is_learnt_and_repeats_exactly() {
        let mut rows = Rows::new(2);
        let mut targets = Vec::new();
        for i in 0..40 {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            rows.push([(0, sign), (1, (i as f32 / 40.0) - 0.5)].into_iter());
            targets.push((f32::from(u8::from(sign > 0.0)), 1.0));
        }
        let first = fit(&rows, &targets, 0.1, 50);
        let second = fit(&rows, &targets, 0.1, 50);
        assert_eq!(first.weights, second.weights);
        assert!(first.weights[0] > 1.0 && first.weights[1].abs() < 0.5, "{first:?}");
    }
}
