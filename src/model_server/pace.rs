//! When requests go out: a rate for all of them, and pauses that the server asks for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);
/// Longest pause between two tries that the client chooses itself.
const LONGEST: Duration = Duration::from_secs(60);

/// The rate of requests, shared by all threads.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// At most so many requests a minute, evenly spread; any number where none is given.
    #[must_use]
    pub fn new(per_minute: Option<u32>) -> Self {
        let gap = per_minute.map_or(Duration::ZERO, |n| Duration::from_secs(60) / n.max(1));
        Self { gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for its turn; false where `ended` came first.
    pub fn wait(&self, ended: impl Fn() -> bool) -> bool {
        loop {
            if ended() {
                return false;
            }
            let left = {
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                if now >= *next {
                    *next = now + self.gap;
                    return true;
                }
                *next - now
            };
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// No request goes out for so long: the server has asked for it.
    pub fn hold(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + time);
    }
}

/// Sleeps for so long, or until `ended`.
pub fn pause(time: Duration, ended: impl Fn() -> bool) {
    let until = Instant::now() + time;
    while !ended() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// The pause before the next try: twice as long each time, and between half and all of that, so
/// that clients which failed together do not come back together. Which part, a hash decides.
#[must_use]
pub fn back_off(base: Duration, attempt: u32, request: &str) -> Duration {
    let whole = base.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LONGEST);
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(request.as_bytes(), u64::from(attempt));
    whole.mul_f64(0.5 + 0.5 * (hash >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_bounds_and_differ() {
        let base = Duration::from_secs(1);
        for attempt in 0..70 {
            let most = Duration::from_secs(1 << attempt.min(6)).min(LONGEST);
            let pause = back_off(base, attempt, "a");
            assert!(pause >= most / 2 && pause <= most, "{attempt}: {pause:?}");
        }
        assert_ne!(back_off(base, 3, "a"), back_off(base, 3, "b"));
        assert_eq!(back_off(base, 3, "a"), back_off(base, 3, "a"));
    }

    #[test]
    fn a_rate_spreads_requests_and_a_hold_stops_them() {
        let pace = Pace::new(Some(1200));
        let start = Instant::now();
        for _ in 0..3 {
            assert!(pace.wait(|| false));
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
        pace.hold(Duration::from_secs(600));
        let waited = Instant::now();
        assert!(!pace.wait(|| waited.elapsed() > Duration::from_millis(30)));
    }
}
