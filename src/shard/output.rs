//! Files that are either whole or not there: written under a temporary name in the same folder,
//! synced, then renamed. The temporary name follows from the final one, so that what a killed run
//! left behind is overwritten by the run that resumes it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// A file under construction.
pub struct Atomic {
    file: BufWriter<File>,
    temporary: TempPath,
    to: PathBuf,
}

impl Atomic {
    /// Creates the folder and a temporary file beside `to`.
    ///
    /// # Errors
    /// Where either cannot be made.
    pub fn create(to: &Path) -> io::Result<Self> {
        let folder = folder_of(to);
        fs::create_dir_all(folder)?;
        let name = to.file_name().unwrap_or_default().as_encoded_bytes();
        // A hash, as the name with anything added may be too long for the file system.
        let hash = blake3::hash(name).to_hex();
        let temporary = folder.join(format!(".parable-{}.tmp", &hash[..16]));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // `create_new` never follows a link that somebody has put there.
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        let temporary = TempPath::try_from_path(temporary)?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), temporary, to: to.to_path_buf() })
    }

    /// Syncs and renames; from here on the file is whole.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        self.temporary.persist(&self.to).map_err(|error| error.error)?;
        sync_folder(folder_of(&self.to))
    }
}

impl Write for Atomic {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The folder of a file; a bare name lies in the working folder.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes renames and new names in a folder durable.
///
/// # Errors
/// Those of the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(handle) => handle.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a small file atomically.
///
/// # Errors
/// Those of the disk.
pub fn write_whole(to: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Atomic::create(to)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Joins part files, in order, into one file. Missing parts count as empty.
///
/// # Errors
/// Those of the disk.
pub fn join(parts: &[PathBuf], to: &Path) -> io::Result<()> {
    let mut out = Atomic::create(to)?;
    for part in parts {
        match File::open(part) {
            Ok(file) => {
                io::copy(&mut BufReader::with_capacity(1 << 20, file), &mut out)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    out.finish()
}
