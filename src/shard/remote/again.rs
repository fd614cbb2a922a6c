//! Steps done again after a broken connection. The store's client repeats requests that got no
//! answer or a bad one, but not those whose answer broke off in the middle.

use std::future::Future;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};
use tokio::time::Instant;

/// How often a step may break in a row without anything gained.
const FRUITLESS: u32 = 6;
/// The pause after a break; it doubles with each that gained nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// After so long without a gain no further attempt is begun: the client has repeated each request
/// for as long already.
const PATIENCE: Duration = Duration::from_secs(180);

/// Counts the breaks that gained nothing.
pub(super) struct Breaks {
    fruitless: u32,
    gained: Instant,
}

impl Breaks {
    pub(super) fn new() -> Self {
        Self { fruitless: 0, gained: Instant::now() }
    }

    /// Waits before the next attempt; false where there should be none.
    pub(super) async fn pause(&mut self, gained: bool) -> bool {
        if gained {
            *self = Self::new();
        } else {
            self.fruitless += 1;
        }
        if self.fruitless > FRUITLESS || self.gained.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(FIRST_PAUSE * 2u32.pow(self.fruitless)).await;
        true
    }
}

/// Does a step until its answer arrives whole. For steps that may be done twice.
pub(super) async fn again<T, Doing>(
    mut step: impl FnMut() -> Doing,
) -> Result<T, object_store::Error>
where
    Doing: Future<Output = Result<T, object_store::Error>>,
{
    let mut breaks = Breaks::new();
    loop {
        match step().await {
            Err(error) if broke_off(&error) && breaks.pause(false).await => {}
            done => return done,
        }
    }
}

/// Whether the line broke, rather than the server saying no or being out of reach.
pub(super) fn broke_off(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(broken) = error.downcast_ref::<HttpError>() {
            return broken.kind() != HttpErrorKind::Connect;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::store::runtime;
    use super::*;

    fn broken(kind: HttpErrorKind) -> object_store::Error {
        let source = Box::new(HttpError::new(kind, std::io::Error::other("cut")));
        object_store::Error::Generic { store: "test", source }
    }

    fn attempts(error: impl Fn() -> object_store::Error, failing: u32) -> (bool, u32) {
        let done = Cell::new(0);
        let step = || {
            done.set(done.get() + 1);
            let failed = done.get() <= failing;
            let answer = if failed { Err(error()) } else { Ok(()) };
            async { answer }
        };
        let end = runtime().expect("a runtime").block_on(again(step));
        (end.is_ok(), done.get())
    }

    #[test]
    fn only_broken_answers_are_asked_for_again() {
        let cut = || broken(HttpErrorKind::Decode);
        assert_eq!(attempts(cut, 0), (true, 1));
        assert_eq!(attempts(cut, 2), (true, 3));
        assert_eq!(attempts(|| broken(HttpErrorKind::Connect), 2), (false, 1));
        let gone = || object_store::Error::NotFound { path: "a".into(), source: "no".into() };
        assert_eq!(attempts(gone, 2), (false, 1));
    }
}
