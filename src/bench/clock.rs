//! CPU time and memory of this process.

use std::time::Duration;

/// CPU time of all threads of this process so far; where the system cannot tell, wall time.
#[must_use]
pub fn cpu() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    }
    #[cfg(not(unix))]
    {
        static START: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}

/// The most memory in bytes that this process held since [`forget_peak`], file maps that were read
/// included; none where the system does not say.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Starts [`peak_memory`] anew; where the system cannot, it goes on from the start of the process.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let start = cpu();
        let mut sum = 0_u64;
        while (cpu() - start).as_micros() < 2_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0 && cpu() > start);
    }
}
