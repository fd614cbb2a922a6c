//! What a plan should reach, as the user writes it.

use crate::composition::Traits;

/// One wanted property of the composition. Shares are shares of the text's bytes, which stand for
/// its tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `enacted <= 10% of itself`: what is left of a trait, against what there was.
    Left { what: Group, bound: Bound, share: f64 },
    /// `admirable = 1% of tokens`: a trait's share of what goes out.
    Share { what: Group, bound: Bound, share: f64 },
    /// `sources within 0.5 points`: how far any source's share may move.
    Sources { within: f64 },
    /// `tokens within 1%`, `tokens same`: the size of what goes out, against what came in.
    Tokens { within: f64 },
}

/// What a target speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    Trait(Traits, String),
    Source(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Exactly,
    AtMost,
    AtLeast,
}

/// A target that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}`: {message}; {FORMS}")]
pub struct TargetError {
    text: String,
    message: String,
}

const FORMS: &str = "a target is one of `TRAIT <= 10% of itself`, `TRAIT = 1% of tokens`, \
    `source:NAME >= 5% of tokens` (with =, <= or >=), `sources within 0.5 points`, \
    `tokens within 1%`, `tokens same`";

impl Target {
    /// Reads one target.
    ///
    /// # Errors
    /// Where it has none of the known forms; the error names them.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let fail =
            |message: &str| TargetError { text: text.trim().into(), message: message.into() };
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["tokens", "same"] => return Ok(Self::Tokens { within: 0.0 }),
            ["tokens", "within", amount] => {
                return Ok(Self::Tokens { within: percent(amount).ok_or(fail("no percentage"))? });
            }
            ["sources", "within", amount, "points"] => {
                let points: f64 = amount.parse().map_err(|_| fail("no number of points"))?;
                return Ok(Self::Sources { within: points / 100.0 });
            }
            _ => {}
        }
        let (at, sign, bound) =
            [("<=", Bound::AtMost), (">=", Bound::AtLeast), ("=", Bound::Exactly)]
                .into_iter()
                .find_map(|(sign, bound)| text.find(sign).map(|at| (at, sign, bound)))
                .ok_or(fail("no =, <= or >="))?;
        let what = group(text[..at].trim()).map_err(|message| fail(&message))?;
        let right: Vec<&str> = text[at + sign.len()..].split_whitespace().collect();
        let (amount, rest) = right.split_first().ok_or(fail("nothing after the sign"))?;
        let share = percent(amount).ok_or(fail("no percentage"))?;
        match rest {
            ["of", "itself" | "its", ..] => Ok(Self::Left { what, bound, share }),
            ["of", "tokens"] | [] => Ok(Self::Share { what, bound, share }),
            _ => Err(fail("the percentage is neither `of itself` nor `of tokens`")),
        }
    }

    /// The traits that the target speaks of.
    #[must_use]
    pub fn traits(&self) -> Traits {
        match self {
            Self::Left { what: Group::Trait(traits, _), .. }
            | Self::Share { what: Group::Trait(traits, _), .. } => *traits,
            _ => Traits::NONE,
        }
    }

    /// Whether sources must be told apart for it.
    #[must_use]
    pub fn needs_sources(&self) -> bool {
        match self {
            Self::Left { what, .. } | Self::Share { what, .. } => matches!(what, Group::Source(_)),
            Self::Sources { .. } => true,
            Self::Tokens { .. } => false,
        }
    }
}

fn group(text: &str) -> Result<Group, String> {
    if let Some(source) = text.strip_prefix("source:") {
        return Ok(Group::Source(source.trim().into()));
    }
    let id = text.replace(' ', "_");
    Traits::one(&id).map(|traits| Group::Trait(traits, id.clone())).ok_or_else(|| {
        let known: Vec<&str> = Traits::names().collect();
        format!("there is no trait `{text}`; known: {}", known.join(", "))
    })
}

fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_mistakes_named() {
        let enacted = Group::Trait(Traits::one("enacted").expect("known"), "enacted".into());
        assert_eq!(
            Target::parse("enacted <= 10% of itself"),
            Ok(Target::Left { what: enacted, bound: Bound::AtMost, share: 0.1 })
        );
        assert_eq!(
            Target::parse("source:books>=5.5% of tokens"),
            Ok(Target::Share {
                what: Group::Source("books".into()),
                bound: Bound::AtLeast,
                share: 0.055
            })
        );
        let points = Target::parse("sources within 0.5 points");
        assert_eq!(points, Ok(Target::Sources { within: 0.005 }));
        assert_eq!(Target::parse("tokens same"), Ok(Target::Tokens { within: 0.0 }));
        for wrong in ["enactd = 1% of tokens", "enacted = 1 of tokens", "enacted 1%", "", "= 1%"] {
            let error = Target::parse(wrong).expect_err(wrong).to_string();
            assert!(error.contains("a target is one of"), "{error}");
        }
    }
}
