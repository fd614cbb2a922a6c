//! Reading an object at any place, a window of bytes at a time, with the next windows on their way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::RemoteError;
use super::fetch::Object;
use super::store::runtime;

/// Windows on their way while one is being read.
const AHEAD: usize = 2;
/// Bytes of a window where nothing is known of what is read next: footers, line ends.
const GLANCE: u64 = 64 << 10;

/// A reader of one object. Holds at most one window and those on their way.
#[derive(Debug)]
pub struct Windows {
    object: Object,
    /// What will be read from end to end.
    expected: Range<u64>,
    block: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    start: u64,
    held: Bytes,
    coming: VecDeque<Coming>,
}

#[derive(Debug)]
struct Coming {
    range: Range<u64>,
    task: JoinHandle<Result<Bytes, RemoteError>>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Windows {
    /// Bytes of a window where reading goes from end to end.
    pub const BLOCK: u64 = 2 << 20;

    /// Reads here and there.
    #[must_use]
    pub fn new(object: &Object) -> Self {
        let (object, state) = (object.clone(), Mutex::default());
        Self { object, expected: 0..0, block: GLANCE, state }
    }

    /// Reads `range` from end to end, in windows of `block` bytes.
    #[must_use]
    pub fn ahead(self, range: Range<u64>, block: u64) -> Self {
        let expected = range.start..range.end.min(self.object.len());
        Self { expected, block: block.max(GLANCE), ..self }
    }

    /// Copies what is there from byte `at` on; 0 at the end of the object only.
    ///
    /// # Errors
    /// Where the object cannot be read; it keeps the failure.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, RemoteError> {
        if at >= self.object.len() || buffer.is_empty() {
            return Ok(0);
        }
        if let Some(failed) = self.object.failure() {
            return Err(failed.clone());
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.holds(at) {
            self.advance(&mut state, at).map_err(|error| self.object.note(error))?;
        }
        let from = usize::try_from(at - state.start).unwrap_or(usize::MAX);
        let there = &state.held[from..];
        let n = there.len().min(buffer.len());
        buffer[..n].copy_from_slice(&there[..n]);
        Ok(n)
    }

    /// Moves the window to where `at` lies in it, and sends for the next ones.
    fn advance(&self, state: &mut State, at: u64) -> Result<(), RemoteError> {
        let runtime = runtime()?;
        while state.coming.front().is_some_and(|next| !next.range.contains(&at)) {
            state.coming.pop_front();
        }
        let (start, bytes) = match state.coming.pop_front() {
            Some(mut next) => {
                let bytes = runtime.block_on(&mut next.task).map_err(|error| {
                    let url = self.object.url().to_string();
                    RemoteError::Failed { url, detail: error.to_string() }
                })??;
                (next.range.start, bytes)
            }
            None => {
                let range = self.window(at);
                (range.start, runtime.block_on(self.object.range(range))?)
            }
        };
        (state.start, state.held) = (start, bytes);
        let mut next = state.coming.back().map_or(state.end(), |last| last.range.end);
        while self.expected.contains(&next) && state.coming.len() < AHEAD {
            let range = self.window(next);
            let object = self.object.clone();
            next = range.end;
            let fetched = range.clone();
            let task = runtime.spawn(async move { object.range(fetched).await });
            state.coming.push_back(Coming { range, task });
        }
        Ok(())
    }

    /// The window that begins at `at`, or, near the end of the object, holds it.
    fn window(&self, at: u64) -> Range<u64> {
        if self.expected.contains(&at) {
            return at..(at + self.block).min(self.expected.end);
        }
        // Parquet readers come from the end: one window for all of their steps.
        let start = at.min(self.object.len().saturating_sub(GLANCE));
        start..(start + GLANCE).min(self.object.len())
    }
}

impl State {
    fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    fn holds(&self, at: u64) -> bool {
        (self.start..self.end()).contains(&at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, PutOptions};

    use super::super::store::Store;
    use super::*;

    fn put(store: &InMemory, bytes: &[u8]) {
        let key = Path::from("a");
        let put = store.put_opts(&key, bytes.to_vec().into(), PutOptions::default());
        runtime().expect("a runtime").block_on(put).expect("is put");
    }

    fn object(bytes: &[u8]) -> (Arc<InMemory>, Object) {
        let memory = Arc::new(InMemory::new());
        put(&memory, bytes);
        let store = Store { objects: memory.clone(), uploads: None, root: "mem://".into() };
        let listed = runtime().expect("a runtime").block_on(async {
            let options = object_store::GetOptions { head: true, ..Default::default() };
            store.objects.get_opts(&Path::from("a"), options).await
        });
        (memory, Object::new(&store, &listed.expect("is there").meta))
    }

    /// Reads `length` bytes in steps that do not fit the windows.
    fn read(windows: &Windows, mut at: u64, length: usize) -> Vec<u8> {
        let (mut got, mut buffer) = (Vec::new(), [0; 7001]);
        while got.len() < length {
            let wanted = buffer.len().min(length - got.len());
            match windows.read_at(&mut buffer[..wanted], at).expect("is read") {
                0 => break,
                n => {
                    got.extend_from_slice(&buffer[..n]);
                    at += n as u64;
                }
            }
        }
        got
    }

    #[test]
    fn any_order_of_reads_gives_the_bytes_of_the_object() {
        let bytes: Vec<u8> = (0..1_000_003u32).map(|i| (i / 3 % 251) as u8).collect();
        let (_, object) = object(&bytes);
        let here_and_there = Windows::new(&object);
        let through = Windows::new(&object).ahead(100..900_000, GLANCE);
        for (at, length) in [
            (0, 10),
            (100, 900_000),
            (999_990, 99),
            (500_000, 200_000),
            (90, 150_000),
            (0, 1 << 20),
        ] {
            let expected = &bytes[at..bytes.len().min(at + length)];
            assert!(read(&here_and_there, at as u64, length) == expected, "{at} {length}");
            assert!(read(&through, at as u64, length) == expected, "ahead: {at} {length}");
        }
        assert_eq!(read(&through, bytes.len() as u64, 10), b"");
    }

    #[test]
    fn another_content_is_a_failure_that_stays() {
        let (memory, object) = object(&vec![b'x'; 300_000]);
        let windows = Windows::new(&object);
        assert_eq!(windows.read_at(&mut [0; 10], 0), Ok(10));
        put(&memory, &vec![b'y'; 300_000]);
        let failed = windows.read_at(&mut [0; 10], 200_000).expect_err("has changed");
        assert_eq!(windows.read_at(&mut [0; 10], 0), Err(failed.clone()), "nothing is read on");
        assert!(
            matches!(&failed, RemoteError::Changed { url, .. } if url == "mem://a"),
            "{failed}"
        );
        assert_eq!(object.failure(), Some(&failed));
    }
}
