//! Filter definitions: data, compiled once, shared by all threads.

mod lexicon;

use std::sync::{Arc, OnceLock};

pub use lexicon::{FilterError, Lexicons};

/// One definition file: its name below the filter folder and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded_filters.rs"));

/// A compiled, immutable set of filters.
#[derive(Debug)]
pub struct FilterSet {
    lexicons: Lexicons,
    version: String,
}

impl FilterSet {
    /// Compiles definition files.
    ///
    /// # Errors
    /// With file, line, column and a caret.
    pub fn compile(files: &[SourceFile]) -> Result<Self, FilterError> {
        let mut hasher = blake3::Hasher::new();
        for file in files {
            hasher.update(file.path.as_bytes());
            hasher.update(&[0]);
            hasher.update(file.text.as_bytes());
            hasher.update(&[0]);
        }
        let version = hasher.finalize().to_hex()[..16].to_string();
        Ok(Self { lexicons: Lexicons::parse(files)?, version })
    }

    /// The definitions that ship with the program.
    #[must_use]
    pub fn embedded() -> &'static Arc<FilterSet> {
        static SET: OnceLock<Arc<FilterSet>> = OnceLock::new();
        SET.get_or_init(|| {
            let files: Vec<SourceFile> = EMBEDDED
                .iter()
                .map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() })
                .collect();
            // The embedded files are part of the program and compiled by its tests.
            Arc::new(FilterSet::compile(&files).expect("the embedded filters compile"))
        })
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash over all files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The terms of a lexicon, includes resolved; none where there is no such lexicon.
    #[must_use]
    pub fn lexicon(&self, name: &str) -> Vec<&str> {
        self.lexicons.terms(name)
    }
}
