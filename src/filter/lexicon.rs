//! Shared term sets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SourceFile;

/// Why filter definitions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("{path}: {message}")]
    Syntax { path: String, message: String },
    #[error("{path}: {message}")]
    Meaning { path: String, message: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconFile {
    name: String,
    #[serde(rename = "summary")]
    _summary: String,
    terms: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
}

/// All lexicons by name.
#[derive(Debug, Default)]
pub struct Lexicons {
    by_name: BTreeMap<String, LexiconFile>,
}

impl Lexicons {
    pub(super) fn parse(files: &[SourceFile]) -> Result<Self, FilterError> {
        let mut by_name = BTreeMap::new();
        for file in files.iter().filter(|f| f.path.contains("lexicons/")) {
            let lexicon: LexiconFile =
                toml::from_str(&file.text).map_err(|error| FilterError::Syntax {
                    path: file.path.clone(),
                    message: error.to_string().trim_end().to_string(),
                })?;
            let name = lexicon.name.clone();
            if by_name.insert(name.clone(), lexicon).is_some() {
                return Err(FilterError::Meaning {
                    path: file.path.clone(),
                    message: format!("lexicon `{name}` stands twice"),
                });
            }
        }
        for (name, lexicon) in &by_name {
            for include in &lexicon.include {
                if !by_name.contains_key(include.trim_start_matches('@')) {
                    let message = format!("includes `{include}`, which is no lexicon");
                    return Err(FilterError::Meaning { path: name.clone(), message });
                }
            }
        }
        Ok(Self { by_name })
    }

    pub(super) fn terms(&self, name: &str) -> Vec<&str> {
        let (mut open, mut seen, mut terms) = (vec![name], Vec::new(), Vec::new());
        while let Some(name) = open.pop() {
            let Some(lexicon) = self.by_name.get(name) else { continue };
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            terms.extend(lexicon.terms.iter().map(String::as_str));
            open.extend(lexicon.include.iter().map(|i| i.trim_start_matches('@')));
        }
        terms
    }
}
