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
/// Signed root of the likelihood ratio below which the corpus shows fewer flags than the measured
/// false alarms alone would give (one chance in 100).
const CONFLICT: f64 = -2.326;

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// `high` is a one-sided upper bound and `low` is 0.
    pub bound: bool,
}

/// A share corrected for the scorer's errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub bound: bool,
    /// The corpus shows fewer flags than the measured false-alarm rate would give: the labelled
    /// documents are harder than this corpus, and only an upper bound can be said.
    pub conflict: bool,
}

/// The share of `count` among `of` with its interval; none where there is nothing to divide by.
#[must_use]
pub fn share(count: u64, of: u64) -> Option<Estimate> {
    if of == 0 || count > of {
        return None;
    }
    let (x, n) = (count as f64, of as f64);
    let alpha = 1.0 - LEVEL;
    let value = x / n;
    Some(if count == 0 {
        Estimate { value, low: 0.0, high: 1.0 - alpha.powf(1.0 / n), bound: true }
    } else if count == of {
        Estimate { value, low: alpha.powf(1.0 / n), high: 1.0, bound: false }
    } else {
        let (a, b) = (x + 0.5, n - x + 0.5);
        let low = beta_quantile(alpha / 2.0, a, b);
        let high = beta_quantile(1.0 - alpha / 2.0, a, b);
        Estimate { value, low, high, bound: false }
    })
}

/// The share of true positives in the corpus, given how many were flagged and how the scorer did on
/// labelled documents; none where the scorer was not shown to be better than chance.
#[must_use]
pub fn corrected(count: u64, of: u64, quality: &Counts) -> Option<Corrected> {
    let model = Model::new(count, of, quality)?;
    let at_zero = model.root(0.0);
    if at_zero < CONFLICT {
        // Were no flag false, this would be the most; the measured rate cannot hold here.
        let flags = share(count, of)?;
        let recall = share(quality.true_positives, quality.positives())?;
        let high = (flags.high / recall.low.max(1e-9)).min(1.0);
        return Some(Corrected { value: 0.0, low: 0.0, high, bound: true, conflict: true });
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
        return 1.0 - beta(1.0 - x, b, a);
    }
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
