//! Intervals on a prevalence, raw and corrected for a scorer that errs.
//!
//! The raw interval is Jeffreys', whose coverage is near nominal for rare things too; a count of
//! zero gives an upper bound. The corrected one inverts a likelihood-ratio test of the model
//! `P(flag) = π·recall + (1 − π)·false-alarm rate` over three independent binomials (the corpus, the
//! labelled positives, the labelled negatives). Near π = 0 the test orders outcomes as Feldman and
//! Cousins do (Phys. Rev. D 57, 1998): the interval turns into an upper bound by itself and keeps
//! its coverage. `tests/audit.rs` simulates the coverage of both.

use serde::{Deserialize, Serialize};

use super::quality::Counts;

/// The confidence level of every interval.
pub const LEVEL: f64 = 0.95;
/// Normal quantile of a two-sided interval at [`LEVEL`].
const Z_TWO: f64 = 1.959_963_984_540_054;
/// And of a one-sided bound.
const Z_ONE: f64 = 1.644_853_626_951_472_7;
/// Size of the signed root of the likelihood ratio from which the corpus shows fewer flags than the
/// measured false alarms alone would give, or more than the measured recall (one chance in 100).
const CONFLICT: f64 = 2.326;

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// `high` is a one-sided upper bound and `low` is 0.
    pub bound: bool,
}

/// A share corrected for the scorer's errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Corrected {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub bound: bool,
    /// The corpus shows fewer flags than the measured false alarms alone would give, or more than
    /// the measured recall allows: the labelled documents are of another kind than this corpus, and
    /// the interval holds only what can be said without that rate.
    pub conflict: bool,
}

/// The share of `count` among `of` with its interval; none where there is nothing to divide by.
#[must_use]
pub fn share(count: u64, of: u64) -> Option<Estimate> {
    if of == 0 || count > of {
        return None;
    }
    let (value, n) = (count as f64 / of as f64, of as f64);
    let alpha = 1.0 - LEVEL;
    Some(if count == 0 {
        Estimate { value, low: 0.0, high: 1.0 - alpha.powf(1.0 / n), bound: true }
    } else if count == of {
        Estimate { value, low: alpha.powf(1.0 / n), high: 1.0, bound: false }
    } else {
        let (low, high) = jeffreys(count, of);
        Estimate { value, low, high, bound: false }
    })
}

/// Two-sided limits of a share, for sums of shares.
#[must_use]
pub(crate) fn limits(count: u64, of: u64) -> (f64, f64) {
    if of == 0 || count > of { (0.0, 1.0) } else { jeffreys(count, of) }
}

/// Counts from which the normal approximation (Wilson) and Jeffreys agree to more digits than are
/// shown, and the beta distribution's fraction grows long.
const MANY: f64 = 2000.0;

/// Two-sided limits; at the ends of the range the outer one is the end itself.
fn jeffreys(count: u64, of: u64) -> (f64, f64) {
    let (x, n) = (count as f64, of as f64);
    if x >= MANY && n - x >= MANY {
        let (p, zz) = (x / n, Z_TWO * Z_TWO);
        let middle = (p + zz / (2.0 * n)) / (1.0 + zz / n);
        let half = Z_TWO / (1.0 + zz / n) * (p * (1.0 - p) / n + zz / (4.0 * n * n)).sqrt();
        return (middle - half, middle + half);
    }
    let (a, b) = (x + 0.5, n - x + 0.5);
    let tail = (1.0 - LEVEL) / 2.0;
    let low = if count == 0 { 0.0 } else { beta_quantile(tail, a, b) };
    let high = if count == of { 1.0 } else { beta_quantile(1.0 - tail, a, b) };
    (low, high)
}

/// How much larger the second share is than the first, with its interval: Newcombe's hybrid of the
/// two shares' own limits, for independent samples. None where either has nothing to divide by.
#[must_use]
pub fn difference(first: (u64, u64), second: (u64, u64)) -> Option<Estimate> {
    if first.1 == 0 || second.1 == 0 || first.0 > first.1 || second.0 > second.1 {
        return None;
    }
    let (p, q) = (first.0 as f64 / first.1 as f64, second.0 as f64 / second.1 as f64);
    let ((p_low, p_high), (q_low, q_high)) =
        (jeffreys(first.0, first.1), jeffreys(second.0, second.1));
    let value = q - p;
    let low = value - (q - q_low).hypot(p_high - p);
    let high = value + (q_high - q).hypot(p - p_low);
    Some(Estimate { value, low, high, bound: false })
}

/// The share of true positives in the corpus, given how many were flagged and how the scorer did on
/// labelled documents; none where the scorer was not shown to be better than chance.
#[must_use]
pub fn corrected(count: u64, of: u64, quality: &Counts) -> Option<Corrected> {
    let model = Model::new(count, of, quality)?;
    let at_zero = model.root(0.0);
    let (flags, conflict) = (share(count, of)?, true);
    if at_zero < -CONFLICT {
        // Were no flag false, this would be the most.
        let recall = share(quality.true_positives, quality.positives())?;
        let high = (flags.high / recall.low.max(1e-9)).min(1.0);
        return Some(Corrected { value: 0.0, low: 0.0, high, bound: true, conflict });
    }
    if model.root(1.0) > CONFLICT {
        // Were nothing missed, this would be the least.
        let alarm = share(quality.false_positives, quality.negatives())?;
        let true_part = |flagged: f64, alarm: f64| ((flagged - alarm) / (1.0 - alarm)).max(0.0);
        let value = true_part(flags.value, alarm.value);
        let low = true_part(flags.low, alarm.high);
        return Some(Corrected { value, low, high: 1.0, bound: false, conflict });
    }
    let accepts = |pi: f64| {
        let distance = at_zero - model.root(pi);
        let t = acceptance(distance);
        (at_zero - distance, at_zero >= lower_edge(distance, t), at_zero <= distance + t)
    };
    let value = model.estimate().clamp(0.0, 1.0);
    let high = bisect(value, 1.0, |pi| accepts(pi).1);
    let low = if accepts(0.0).2 { 0.0 } else { bisect(value, 0.0, |pi| accepts(pi).2) };
    Some(Corrected { value, low, high, bound: low == 0.0, conflict: false })
}

/// The farthest point from `inside` towards `outside` that still holds, to nine digits.
fn bisect(inside: f64, outside: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(outside) {
        return outside;
    }
    let (mut good, mut bad) = (inside, outside);
    for _ in 0..60 {
        let middle = f64::midpoint(good, bad);
        if (good - bad).abs() <= 1e-9 * good.abs().max(bad.abs()).max(1e-6) {
            break;
        }
        if holds(middle) { good = middle } else { bad = middle }
    }
    good
}

/// Three binomials tied by one prevalence.
struct Model {
    x: f64,
    n: f64,
    tp: f64,
    pos: f64,
    fp: f64,
    neg: f64,
}

impl Model {
    fn new(count: u64, of: u64, quality: &Counts) -> Option<Self> {
        let (pos, neg) = (quality.positives(), quality.negatives());
        if of == 0 || pos == 0 || neg == 0 {
            return None;
        }
        let model = Self {
            x: count as f64,
            n: of as f64,
            tp: quality.true_positives as f64,
            pos: pos as f64,
            fp: quality.false_positives as f64,
            neg: neg as f64,
        };
        (model.tp / model.pos > model.fp / model.neg).then_some(model)
    }

    /// Rogan and Gladen's estimate; may lie outside 0..1.
    fn estimate(&self) -> f64 {
        let (recall, alarm) = (self.tp / self.pos, self.fp / self.neg);
        (self.x / self.n - alarm) / (recall - alarm)
    }

    /// Signed root of twice the log-likelihood ratio of prevalence `pi` against the best fit:
    /// positive where the data speak for more.
    fn root(&self, pi: f64) -> f64 {
        let (recall, alarm) = (self.tp / self.pos, self.fp / self.neg);
        let side = self.x / self.n - (pi * recall + (1.0 - pi) * alarm);
        let (p, s, f) = self.constrained(pi);
        let deviance =
            2.0 * (gap(self.x, self.n, p) + gap(self.tp, self.pos, s) + gap(self.fp, self.neg, f));
        deviance.max(0.0).sqrt().copysign(side)
    }

    /// The likeliest flag rate, recall and false-alarm rate that agree with prevalence `pi`, by a
    /// Lagrange multiplier: for a given one each rate has a closed form, and the constraint is
    /// monotone in it.
    fn constrained(&self, pi: f64) -> (f64, f64, f64) {
        let at = |m: f64| {
            (
                tilted(self.x, self.n, -m),
                tilted(self.tp, self.pos, m * pi),
                tilted(self.fp, self.neg, m * (1.0 - pi)),
            )
        };
        let excess = |m: f64| {
            let (p, s, f) = at(m);
            p - pi * s - (1.0 - pi) * f
        };
        let (mut low, mut high) = (-1.0, 1.0);
        while excess(low) < 0.0 && low > -1e15 {
            low *= 4.0;
        }
        while excess(high) > 0.0 && high < 1e15 {
            high *= 4.0;
        }
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if excess(middle) > 0.0 { low = middle } else { high = middle }
        }
        at(f64::midpoint(low, high))
    }
}

/// The rate q at which a binomial's slope (n·q − x) / (q·(1 − q)) equals `slope`.
fn tilted(x: f64, n: f64, slope: f64) -> f64 {
    if slope == 0.0 {
        return x / n;
    }
    let rest = n - slope;
    let root = (rest * rest + 4.0 * slope * x).max(0.0).sqrt();
    let q = if rest > 0.0 { 2.0 * x / (rest + root) } else { (root - rest) / (2.0 * slope) };
    q.clamp(0.0, 1.0)
}

/// Log-likelihood of the observed rate less that of rate `q`.
fn gap(x: f64, n: f64, q: f64) -> f64 {
    let part = |k: f64, rate: f64| {
        if k == 0.0 { 0.0 } else { k * (k / n / rate.max(1e-300)).ln() }
    };
    part(x, q) + part(n - x, 1.0 - q)
}

/// Half-width of the acceptance region at `distance` standard deviations above the bound.
fn acceptance(distance: f64) -> f64 {
    let d = distance.max(0.0);
    if d >= Z_TWO {
        return Z_TWO;
    }
    let inside = |t: f64| normal(t) - normal(lower_edge(d, t) - d);
    let (mut low, mut high) = (Z_ONE, Z_TWO);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if inside(middle) < LEVEL { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Lower edge of the acceptance region: below the bound, outcomes are ranked against the bound.
fn lower_edge(distance: f64, t: f64) -> f64 {
    if distance >= t {
        distance - t
    } else if distance <= 0.0 {
        f64::NEG_INFINITY
    } else {
        (distance - t * t / distance) / 2.0
    }
}

/// The normal distribution function.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Quantile of the beta distribution by bisection.
#[must_use]
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if beta(middle, a, b) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function, by Lentz's continued fraction.
#[must_use]
pub fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - lower(1.0 - x, b, a);
    }
    lower(x, a, b)
}

/// The same below the mean, where the fraction converges.
fn lower(x: f64, a: f64, b: f64) -> f64 {
    let front =
        a * x.ln() + b * (-x).ln_1p() - (libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b));
    front.exp() / a * fraction(x, a, b)
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * b.abs().max(1e-3)
    }

    #[test]
    fn raw_intervals_agree_with_published_values() {
        // The beta distribution at known points, and bounds for a count of zero (the rule of three).
        assert!(near(beta(0.5, 2.0, 3.0), 0.6875));
        assert!(near(beta(0.1, 1.0, 10.0), 1.0 - 0.9f64.powi(10)));
        assert!(near(beta_quantile(beta(0.003, 4.5, 996.5), 4.5, 996.5), 0.003));
        let none = share(0, 1000).expect("documents");
        assert!(none.bound && near(none.high, 1.0 - 0.05f64.powf(0.001)));
        assert!(share(0, 0).is_none() && share(2, 1).is_none());
        let rare = share(3, 1_000_000_000).expect("documents");
        assert!(rare.low > 0.5e-9 && rare.high < 9e-9, "{rare:?}");
    }

    #[test]
    fn wilson_and_jeffreys_meet_where_one_takes_over() {
        let (low, high) = jeffreys(2000, 1_000_000);
        let (a, b) = (2000.5, 998_000.5);
        assert!((low / beta_quantile(0.025, a, b) - 1.0).abs() < 1e-3, "{low}");
        assert!((high / beta_quantile(0.975, a, b) - 1.0).abs() < 1e-3, "{high}");
    }

    fn counts(tp: u64, fnn: u64, fp: u64, tn: u64) -> Counts {
        Counts { true_positives: tp, false_negatives: fnn, false_positives: fp, true_negatives: tn }
    }

    #[test]
    fn a_perfect_scorer_corrects_little_and_a_poor_one_widens() {
        let good = corrected(300, 10_000, &counts(5000, 0, 0, 50_000)).expect("an estimate");
        let raw = share(300, 10_000).expect("documents");
        assert!((good.low - raw.low).abs() < 1e-3 && (good.high - raw.high).abs() < 1e-3);
        let poor = corrected(300, 10_000, &counts(60, 100, 10, 1230)).expect("an estimate");
        assert!(poor.high - poor.low > 2.0 * (raw.high - raw.low) && poor.value > 0.03);
        assert!(corrected(300, 10_000, &counts(1, 99, 10, 90)).is_none(), "worse than chance");
    }

    #[test]
    fn fewer_flags_than_false_alarms_allow_an_upper_bound_only() {
        let conflict = corrected(39, 48_848, &counts(37, 122, 14, 1226)).expect("an estimate");
        assert!(conflict.conflict && conflict.bound && conflict.low == 0.0);
        assert!(conflict.high > 0.003 && conflict.high < 0.01, "{conflict:?}");
        let above = corrected(700, 1_000, &counts(37, 122, 14, 1226)).expect("an estimate");
        assert!(above.conflict && above.low > 0.6 && above.low < 0.7 && above.high == 1.0);
        let within = corrected(50, 5_000, &counts(37, 122, 14, 1226)).expect("an estimate");
        assert!(!within.conflict && within.bound && within.low == 0.0, "{within:?}");
    }

    #[test]
    fn differences_have_a_direction() {
        let up = difference((10, 10_000), (60, 10_000)).expect("documents");
        assert!(up.low > 0.0 && near(up.value, 0.005));
        let flat = difference((50, 10_000), (55, 10_000)).expect("documents");
        assert!(flat.low < 0.0 && flat.high > 0.0);
        assert!(difference((0, 0), (1, 2)).is_none());
    }
}
