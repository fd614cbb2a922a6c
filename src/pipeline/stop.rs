//! Being told to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals: interrupt and terminate stop at once (the piece is done again later), the first user
/// signal lets running pieces finish.
pub(super) struct Stop {
    now: Arc<AtomicBool>,
    soon: Arc<AtomicBool>,
    /// Taken back when the run is over: the process may go on to other things.
    #[cfg(unix)]
    listening: Vec<signal_hook::SigId>,
}

#[cfg(unix)]
impl Drop for Stop {
    fn drop(&mut self) {
        for id in self.listening.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

impl Stop {
    pub(super) fn listen() -> io::Result<Self> {
        let (now, soon) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        #[cfg(unix)]
        let listening = {
            use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
            use signal_hook::flag::{register, register_conditional_default};
            let mut ids = Vec::new();
            for signal in [SIGINT, SIGTERM] {
                // A second signal ends the process the usual way.
                ids.push(register_conditional_default(signal, now.clone())?);
                ids.push(register(signal, now.clone())?);
            }
            ids.push(register(SIGUSR1, soon.clone())?);
            ids
        };
        Ok(Stop {
            now,
            soon,
            #[cfg(unix)]
            listening,
        })
    }

    pub(super) fn at_once(&self) -> bool {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn asked(&self) -> bool {
        self.at_once() || self.soon.load(Ordering::Relaxed)
    }
}
