//! The principles that every product follows, each with its reasons.

use serde::Deserialize;

use super::draw::Draw;
use crate::taxonomy::Category;

static EMBEDDED: &str = include_str!("../../filters/constitution.toml");

/// Why a constitution cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConstitutionError {
    #[error("{path}: {message}")]
    Syntax { path: String, message: String },
    #[error("{path}: no principle stands against `{category}`")]
    Missing { path: String, category: Category },
    #[error("{path}: principle `{id}`: {message}")]
    Principle { path: String, id: String, message: String },
}

/// A checked set of principles.
#[derive(Clone, Debug)]
pub struct Constitution {
    pub preamble: String,
    pub principles: Vec<Principle>,
    hash: String,
}

/// One principle: what it asks, and what goes wrong otherwise, for whom, and what to do instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principle {
    pub id: String,
    pub title: String,
    pub text: String,
    /// Coercion categories that it stands against.
    pub against: Vec<Category>,
    /// Admirable categories that keep it.
    pub courses: Vec<Category>,
    /// What goes wrong otherwise: whole sentences.
    pub breaks: Vec<String>,
    /// Who pays for it: whole sentences.
    pub whom: Vec<String>,
    /// What to do instead: whole sentences.
    pub instead: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    preamble: String,
    principle: Vec<Principle>,
}

impl Constitution {
    /// The principles that ship with the program.
    ///
    /// # Errors
    /// None in a release: the embedded file is parsed by the tests.
    pub fn embedded() -> Result<Self, ConstitutionError> {
        Self::parse("filters/constitution.toml", EMBEDDED)
    }

    /// Reads and checks a constitution; `path` stands in errors.
    ///
    /// # Errors
    /// With line, column and a caret where the text is no valid TOML of this shape; with the
    /// category where no principle stands against it.
    pub fn parse(path: &str, text: &str) -> Result<Self, ConstitutionError> {
        let file: File = toml::from_str(text).map_err(|error| ConstitutionError::Syntax {
            path: path.into(),
            message: error.to_string(),
        })?;
        for category in Category::coercion() {
            if !file.principle.iter().any(|p| p.against.contains(category)) {
                return Err(ConstitutionError::Missing { path: path.into(), category: *category });
            }
        }
        for principle in &file.principle {
            principle.check().map_err(|message| ConstitutionError::Principle {
                path: path.into(),
                id: principle.id.clone(),
                message,
            })?;
        }
        let hash = blake3::hash(text.as_bytes()).to_hex()[..16].to_string();
        Ok(Self { preamble: file.preamble, principles: file.principle, hash })
    }

    /// First 16 hexadecimal digits of the BLAKE3 hash of the file.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// One of the principles that stand against a category.
    #[must_use]
    pub fn for_category(&self, category: Category, draw: &mut Draw) -> Option<&Principle> {
        let fitting: Vec<&Principle> =
            self.principles.iter().filter(|p| p.against.contains(&category)).collect();
        draw.pick(&fitting).copied()
    }

    /// Ids of all principles that stand against a category.
    #[must_use]
    pub fn ids_for(&self, category: Category) -> Vec<String> {
        self.principles
            .iter()
            .filter(|p| p.against.contains(&category))
            .map(|p| p.id.clone())
            .collect()
    }
}

impl Principle {
    fn check(&self) -> Result<(), String> {
        if let Some(category) = self.against.iter().find(|c| !c.is_coercion()) {
            return Err(format!("`against` names `{category}`, which is admirable"));
        }
        if let Some(category) = self.courses.iter().find(|c| c.is_coercion()) {
            return Err(format!("`courses` names `{category}`, which is coercion"));
        }
        for (name, list) in
            [("breaks", &self.breaks), ("whom", &self.whom), ("instead", &self.instead)]
        {
            if list.is_empty() {
                return Err(format!(
                    "`{name}` is empty: a principle without reasons is a bare rule"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_constitution_covers_every_category_with_reasons() {
        let constitution = Constitution::embedded().expect("it parses");
        for category in Category::coercion() {
            assert!(!constitution.ids_for(*category).is_empty(), "{category}");
        }
    }

    #[test]
    fn errors_name_line_and_fault() {
        let error = Constitution::parse("c.toml", "[[principle]]\nid = 3\n").expect_err("typed");
        assert!(error.to_string().contains("line 2"), "{error}");
        let error = Constitution::parse("c.toml", "principle = []\n").expect_err("empty");
        assert!(error.to_string().contains("blackmail"), "{error}");
    }
}
