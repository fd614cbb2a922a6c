//! The part files of one piece and the outputs that they are joined into.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::shard::codec::{self, Encoder};
use crate::shard::{Codec, Format, Input, output};

/// The kinds of output that a shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Documents,
    Attributes,
    Quarantine,
    Dropped,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Documents, Kind::Attributes, Kind::Quarantine, Kind::Dropped];

    fn ending(self) -> &'static str {
        match self {
            Kind::Documents => "documents",
            Kind::Attributes => "attributes",
            Kind::Quarantine => "quarantine",
            Kind::Dropped => "dropped",
        }
    }

    /// Where the finished file lies below `out`.
    #[must_use]
    pub fn path(self, out: &Path, input: &Input) -> PathBuf {
        match self {
            Kind::Documents => out.join("documents").join(&input.rel),
            Kind::Attributes => out.join("attributes/parable").join(&input.rel),
            Kind::Quarantine => with_ending(&out.join("quarantine").join(&input.rel), "jsonl"),
            // Dropped rows of tables are JSON lines.
            Kind::Dropped if input.format == Format::Parquet => {
                out.join("dropped").join(input.rel.with_extension("jsonl"))
            }
            Kind::Dropped => out.join("dropped").join(&input.rel),
        }
    }

    /// Quarantine is read by people: it is not compressed.
    fn codec(self, input: &Input) -> Codec {
        if self == Kind::Quarantine { Codec::Plain } else { input.codec }
    }

    /// Documents and attributes are there even when empty; the others only when they hold a row.
    fn always(self) -> bool {
        matches!(self, Kind::Documents | Kind::Attributes)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The folder of a shard's parts: named by a hash, so that no shard name can lead elsewhere.
#[must_use]
pub fn folder(out: &Path, input: &Input) -> PathBuf {
    let hash = blake3::hash(input.name().as_bytes()).to_hex();
    out.join(".parable/parts").join(&hash[..16])
}

/// The part file of one kind and piece.
#[must_use]
pub fn part(folder: &Path, piece: usize, kind: Kind) -> PathBuf {
    folder.join(format!("{piece:08}.{}", kind.ending()))
}

/// Writers for the parts of one piece. Each is made at its first byte.
pub struct Parts {
    folder: PathBuf,
    piece: usize,
    codecs: [Codec; 4],
    open: [Option<Encoder<BufWriter<File>>>; 4],
}

impl Parts {
    /// Begins a piece; what an unfinished attempt left behind is removed.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn begin(folder: &Path, piece: usize, input: &Input) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for kind in Kind::ALL {
            match fs::remove_file(part(folder, piece, kind)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let codecs = Kind::ALL.map(|kind| kind.codec(input));
        Ok(Self { folder: folder.to_path_buf(), piece, codecs, open: [None, None, None, None] })
    }

    /// Appends to one of the outputs.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&mut self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let slot = &mut self.open[kind as usize];
        let writer = match slot {
            Some(writer) => writer,
            None => {
                let file = File::create(part(&self.folder, self.piece, kind))?;
                let file = BufWriter::with_capacity(256 << 10, file);
                slot.insert(codec::encoder(self.codecs[kind as usize], file)?)
            }
        };
        writer.write_all(bytes)
    }

    /// Ends the frames and syncs, the names of the parts too: a part that is missing counts as empty.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(self) -> io::Result<()> {
        for writer in self.open.into_iter().flatten() {
            let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_data()?;
        }
        output::sync_folder(&self.folder)
    }
}

/// Joins the parts of a finished shard into its outputs and removes them.
///
/// # Errors
/// Those of the disk, with the output's path.
pub fn join(
    out: &Path,
    input: &Input,
    pieces: usize,
    scan_only: bool,
) -> Result<(), (PathBuf, io::Error)> {
    let folder = folder(out, input);
    for kind in Kind::ALL {
        if scan_only && matches!(kind, Kind::Documents | Kind::Dropped) {
            continue;
        }
        let to = kind.path(out, input);
        let parts: Vec<PathBuf> = (0..pieces).map(|piece| part(&folder, piece, kind)).collect();
        let any = parts.iter().any(|part| part.exists());
        if any {
            output::join(&parts, &to).map_err(|error| (to, error))?;
        } else if kind.always() {
            empty(kind.codec(input), &to).map_err(|error| (to, error))?;
        }
    }
    Ok(())
}

/// An empty file that the codec's readers accept.
fn empty(codec: Codec, to: &Path) -> io::Result<()> {
    let bytes = codec::encoder(codec, Vec::new())?.finish()?;
    output::write_whole(to, &bytes)
}
