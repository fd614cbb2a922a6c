//! Filter definitions: data, compiled once, shared by all threads.

pub mod check;
mod lexicon;
mod pattern;
mod rewrite;
mod rule;

use std::sync::{Arc, OnceLock};

pub use lexicon::{FilterError, Lexicons};
pub use pattern::{Compile, Pattern};
pub use rule::{Condition, Rule, RuleFile, Scope, Signal, Target, Window};

/// One definition file: its name below the filter folder and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded_filters.rs"));

/// The part of a path that does not depend on where the filter folder lies.
fn below_folder(path: &str) -> &str {
    let starts = ["rules/", "lexicons/", "frames/"].map(|part| path.rfind(part));
    path.get(starts.into_iter().flatten().min().unwrap_or(0)..).unwrap_or(path)
}

/// A compiled, immutable set of filters.
#[derive(Debug)]
pub struct FilterSet {
    lexicons: Lexicons,
    rules: Vec<Rule>,
    version: String,
}

impl FilterSet {
    /// Compiles definition files.
    ///
    /// # Errors
    /// With file, line, column and a caret.
    pub fn compile(files: &[SourceFile]) -> Result<Self, FilterError> {
        Self::assemble(files, Compile::Now)
    }

    fn assemble(files: &[SourceFile], when: Compile) -> Result<Self, FilterError> {
        let mut hasher = blake3::Hasher::new();
        for file in files {
            hasher.update(below_folder(&file.path).as_bytes());
            hasher.update(&[0]);
            hasher.update(file.text.as_bytes());
            hasher.update(&[0]);
        }
        let version = hasher.finalize().to_hex()[..16].to_string();
        let lexicons = Lexicons::parse(files)?;
        let mut rules: Vec<Rule> = Vec::new();
        for file in files.iter().filter(|f| !f.path.contains("lexicons/")) {
            let rule = Rule::parse(file, &lexicons, when)?;
            if let Some(other) = rules.iter().find(|other| other.file.id == rule.file.id) {
                let message = format!("the id `{}` stands in {} too", rule.file.id, other.path);
                return Err(FilterError::Meaning { path: file.path.clone(), message });
            }
            rules.push(rule);
        }
        Ok(Self { lexicons, rules, version })
    }

    /// The definitions that ship with the program.
    #[must_use]
    pub fn embedded() -> &'static Arc<FilterSet> {
        static SET: OnceLock<Arc<FilterSet>> = OnceLock::new();
        SET.get_or_init(|| {
            let files = Self::embedded_files();
            // The embedded files are part of the program and compiled by its tests.
            Arc::new(
                FilterSet::assemble(&files, Compile::WhenNeeded)
                    .expect("the embedded filters are well formed"),
            )
        })
    }

    /// The files behind [`FilterSet::embedded`].
    #[must_use]
    pub fn embedded_files() -> Vec<SourceFile> {
        let file =
            |(path, text): &(&str, &str)| SourceFile { path: (*path).into(), text: (*text).into() };
        EMBEDDED.iter().map(file).collect()
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash over all files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Compiles words and `@lexicons` into one pattern.
    ///
    /// # Errors
    /// Where a lexicon is missing.
    pub fn terms(&self, terms: &[String]) -> Result<Pattern, String> {
        Pattern::terms(terms, &self.lexicons, Compile::WhenNeeded)
    }

    /// The terms of a lexicon, includes resolved; none where there is no such lexicon.
    #[must_use]
    pub fn lexicon(&self, name: &str) -> Vec<&str> {
        self.lexicons.terms(name)
    }
}
