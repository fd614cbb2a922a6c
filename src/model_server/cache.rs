//! Answers on disk by the hash of their request: what was paid for once is not asked again.
//!
//! One JSON object a line, appended as answers come in, so that a kill costs the answers under way
//! at most. The order of the lines depends on the server; nothing else does.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::reply::Answer;

/// The answers of one file.
#[derive(Debug)]
pub struct Cache {
    state: Mutex<State>,
    /// Lines that could not be read; their requests are asked again.
    pub damaged: u64,
}

#[derive(Debug)]
struct State {
    file: File,
    end: u64,
    /// Place and length of a line by its key.
    lines: HashMap<u128, (u64, usize)>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// The first 32 hexadecimal digits of the BLAKE3 hash of the request.
    request: String,
    text: String,
    cut: bool,
}

/// The key of a request.
#[must_use]
pub fn key(request: &[u8]) -> String {
    blake3::hash(request).to_hex()[..32].to_string()
}

impl Cache {
    /// Opens the file or makes it, and takes it for this process alone.
    ///
    /// # Errors
    /// Those of the disk; `WouldBlock` where another process has the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().read(true).append(true).create(true).open(path)?;
        fs4::FileExt::try_lock(&file).map_err(|_| io::ErrorKind::WouldBlock)?;
        let mut reader = BufReader::new(&file);
        let (mut lines, mut end, mut damaged) = (HashMap::new(), 0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            // A last line without its end is what a kill left.
            if !line.ends_with(b"\n") {
                break;
            }
            match parse(&line).and_then(|line| u128::from_str_radix(&line.request, 16).ok()) {
                Some(key) => drop(lines.insert(key, (end, length))),
                None => damaged += 1,
            }
            end += length as u64;
        }
        file.set_len(end)?;
        Ok(Self { state: Mutex::new(State { file, end, lines }), damaged })
    }

    /// The answer to a request, if it is there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn get(&self, key: &str) -> io::Result<Option<Answer>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let place = u128::from_str_radix(key, 16).ok().and_then(|key| state.lines.get(&key));
        let Some((at, length)) = place.copied() else { return Ok(None) };
        let mut line = vec![0; length];
        state.file.seek(SeekFrom::Start(at))?;
        state.file.read_exact(&mut line)?;
        Ok(parse(&line).map(|line| Answer { text: line.text, cut: line.cut, tokens: None }))
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put(&self, key: &str, answer: &Answer) -> io::Result<()> {
        let line = Line { request: key.into(), text: answer.text.clone(), cut: answer.cut };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = state.file.write_all(&bytes) {
            // Half a line must not stand before the next.
            let end = state.end;
            state.file.set_len(end)?;
            return Err(error);
        }
        let at = state.end;
        state.end += bytes.len() as u64;
        if let Ok(key) = u128::from_str_radix(key, 16) {
            state.lines.insert(key, (at, bytes.len()));
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_outlive_a_kill_and_damage_costs_one_of_them() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("deep/answers.jsonl");
        let answer = |text: &str| Answer { text: text.into(), cut: false, tokens: None };
        let (one, two) = (key(b"one"), key(b"two"));
        let cache = Cache::open(&path).expect("opened");
        cache.put(&one, &answer("a\n\"1\"")).expect("kept");
        assert!(Cache::open(&path).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock));
        drop(cache);
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, [b"{]\n", &whole[..], b"{\"request\":\"00"].concat()).expect("wrote");

        let cache = Cache::open(&path).expect("opened");
        assert_eq!(cache.damaged, 1);
        assert_eq!(cache.get(&one).expect("read"), Some(answer("a\n\"1\"")));
        assert_eq!(cache.get(&two).expect("read"), None);
        cache.put(&two, &answer("b")).expect("kept");
        drop(cache);
        let cache = Cache::open(&path).expect("opened");
        assert_eq!(cache.get(&two).expect("read"), Some(answer("b")));
        assert_eq!(cache.get(&one).expect("read"), Some(answer("a\n\"1\"")));
    }
}
