//! One attribute row, borrowed from its line.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// Document-level scores of a row: the five overall ones, then the categories.
pub const SCORES: usize = 5 + Category::COUNT;
pub const COERCION: usize = 0;
pub const ENACTED: usize = 1;
/// Expected severity, 0 to 4; every other score is a probability.
pub const SEVERITY: usize = 2;
pub const ADMIRABLE: usize = 3;

/// The id of a score: `coercion`, `enacted`, …, then the ids of the categories.
#[must_use]
pub fn score_id(index: usize) -> &'static str {
    const OVERALL: [&str; 5] = ["coercion", "enacted", "severity", "admirable", "reason_given"];
    match OVERALL.get(index) {
        Some(id) => id,
        None => Category::ALL[index - OVERALL.len()].id(),
    }
}

/// The score of a category.
#[must_use]
pub fn score_of(category: Category) -> usize {
    5 + category.index()
}

fn score_index(id: &str) -> Option<usize> {
    Some(match id {
        "coercion" => COERCION,
        "enacted" => ENACTED,
        "severity" => SEVERITY,
        "admirable" => ADMIRABLE,
        "reason_given" => 4,
        category => score_of(Category::from_id(category)?),
    })
}

/// A place that speaks for a category, in code points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub category: Category,
    pub start: u32,
    pub end: u32,
    pub strength: f32,
}

/// What an attribute row says of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row<'a> {
    pub id: Cow<'a, str>,
    pub source: Option<Cow<'a, str>>,
    /// False where the map is empty: the gate cleared the document, or it went to quarantine.
    pub scored: bool,
    /// Length of the text in code points; 0 where it was not scored.
    pub chars: u64,
    /// Length of the text in bytes, where the row tells it.
    pub bytes: Option<u64>,
    /// Indexed by [`COERCION`] … and [`score_of`]; a missing score is 0.
    pub scores: [f32; SCORES],
    pub frame: [f32; Frame::COUNT],
    pub agent: [f32; Agent::COUNT],
    pub portrayal: [f32; Portrayal::COUNT],
    pub evidence: Vec<Mark>,
    /// Rules whose hits named evidence.
    pub rules: Vec<Cow<'a, str>>,
}

impl<'a> Row<'a> {
    /// Reads one line of an attribute file.
    ///
    /// # Errors
    /// Where the line is no attribute row.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let raw: Line<'a> = serde_json::from_slice(line)?;
        let mut row = raw.attributes.0;
        row.id = raw.id;
        row.source = raw.source;
        Ok(row)
    }

    /// Reads the attribute map alone, as Parquet rows carry it.
    ///
    /// # Errors
    /// Where it is no attribute map.
    pub fn parse_map(map: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Attributes<'a>>(map).map(|attributes| attributes.0)
    }

    /// The same row, no longer tied to its line.
    #[must_use]
    pub fn into_owned(self) -> Row<'static> {
        Row {
            id: Cow::Owned(self.id.into_owned()),
            source: self.source.map(|s| Cow::Owned(s.into_owned())),
            rules: self.rules.into_iter().map(|r| Cow::Owned(r.into_owned())).collect(),
            scored: self.scored,
            chars: self.chars,
            bytes: self.bytes,
            scores: self.scores,
            frame: self.frame,
            agent: self.agent,
            portrayal: self.portrayal,
            evidence: self.evidence,
        }
    }

    #[must_use]
    pub fn category(&self, category: Category) -> f32 {
        self.scores[score_of(category)]
    }

    /// The likeliest frame; `none` where the row says nothing.
    #[must_use]
    pub fn top_frame(&self) -> Frame {
        top(&self.frame).map_or(Frame::None, |i| Frame::ALL[i])
    }

    #[must_use]
    pub fn top_agent(&self) -> Agent {
        top(&self.agent).map_or(Agent::None, |i| Agent::ALL[i])
    }

    #[must_use]
    pub fn top_portrayal(&self) -> Portrayal {
        top(&self.portrayal).map_or(Portrayal::None, |i| Portrayal::ALL[i])
    }

    /// Length in bytes; code points where the row does not tell bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.unwrap_or(self.chars)
    }

    fn take<'de, M: MapAccess<'de>>(&mut self, name: &str, map: &mut M) -> Result<bool, M::Error> {
        let Some((group, id)) = name.split_once("__") else { return Ok(false) };
        let slot = match group {
            "score" => score_index(id).map(|i| &mut self.scores[i]),
            "frame" => Frame::from_id(id).map(|f| &mut self.frame[f.index()]),
            "agent" => Agent::from_id(id).map(|a| &mut self.agent[a.index()]),
            "portrayal" => Portrayal::from_id(id).map(|p| &mut self.portrayal[p.index()]),
            "length" if id == "bytes" => {
                self.bytes = map.next_value::<First>()?.0.map(|(_, _, n)| n.max(0.0) as u64);
                return Ok(true);
            }
            "evidence" => {
                let Some(category) = Category::from_id(id) else { return Ok(false) };
                let spans: Vec<(u32, u32, f32)> = map.next_value()?;
                self.evidence.extend(spans.into_iter().map(|(start, end, strength)| Mark {
                    category,
                    start,
                    end,
                    strength,
                }));
                return Ok(true);
            }
            _ => None,
        };
        let Some(slot) = slot else { return Ok(false) };
        if let Some((_, end, value)) = map.next_value::<First>()?.0 {
            *slot = if value.is_finite() { value.max(0.0) as f32 } else { 0.0 };
            self.chars = self.chars.max(end);
        }
        Ok(true)
    }
}

/// Index of the greatest value; none where all are 0.
fn top(values: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    (values[best] > 0.0).then_some(best)
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Attributes<'a>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
}

struct Attributes<'a>(Row<'a>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Attributes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of attributes")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut row = Row::default();
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    // Attributes of other taggers may stand in the same file.
                    let ours = key.strip_prefix("parable__");
                    row.scored |= ours.is_some();
                    let taken = match ours {
                        Some(name) if name.starts_with("rule__") => false,
                        Some(name) => row.take(name, &mut map)?,
                        None => false,
                    };
                    if !taken {
                        map.next_value::<IgnoredAny>()?;
                        if let Some(id) = rule_id(key) {
                            row.rules.push(id);
                        }
                    }
                }
                Ok(Attributes(row))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The rule that an attribute's name tells, borrowed where the name is.
fn rule_id(key: Cow<'_, str>) -> Option<Cow<'_, str>> {
    const PREFIX: &str = "parable__rule__";
    match key {
        Cow::Borrowed(key) => key.strip_prefix(PREFIX).map(Cow::Borrowed),
        Cow::Owned(key) => key.strip_prefix(PREFIX).map(|id| Cow::Owned(id.to_string())),
    }
}

/// The first span of a list; the others are passed over.
struct First(Option<(u64, u64, f64)>);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spans;
        impl<'de> Visitor<'de> for Spans {
            type Value = First;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of [start, end, value]")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut spans: S) -> Result<First, S::Error> {
                let first = spans.next_element()?;
                while spans.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(Spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_and_foreign_attributes_are_passed_over() {
        let line = br#"{"id":"a\u0041","attributes":{"other__x":[[0,3,1.0]],"parable__score__coercion":[[0,90,0.75]],
            "parable__score__blackmail":[[0,90,0.5]],"parable__frame__fiction":[[0,90,0.9]],"parable__length__bytes":[[0,90,97.0]],
            "parable__evidence__blackmail":[[3,8,0.5],[9,12,0.25]],"parable__evidence_bytes__blackmail":[[3,9,0.5]],
            "parable__rule__blackmail/veiled":[[3,8,0.5]],"parable__score__not_ours_yet":[[0,90,1.0]]},"source":"s"}"#;
        let row = Row::parse(line).expect("a row");
        assert_eq!(
            (&*row.id, row.source.as_deref(), row.chars, row.bytes),
            ("aA", Some("s"), 90, Some(97))
        );
        assert_eq!(row.scores[COERCION], 0.75);
        assert_eq!(row.category(Category::Blackmail), 0.5);
        assert_eq!((row.top_frame(), row.top_agent()), (Frame::Fiction, Agent::None));
        assert_eq!(row.evidence.len(), 2);
        assert_eq!(row.rules, ["blackmail/veiled"]);
    }

    #[test]
    fn an_empty_map_is_not_scored_and_bad_lines_are_errors() {
        let row = Row::parse(br#"{"id":"1","attributes":{}}"#).expect("a row");
        assert!(!row.scored && row.source.is_none());
        assert!(Row::parse(br#"{"id":"1"}"#).is_err());
        assert!(Row::parse(br#"{"id":"1","attributes":{"parable__score__coercion":7}}"#).is_err());
    }

    #[test]
    fn scores_stand_in_the_order_of_the_attribute_writer() {
        let written = crate::attribute::scores(&Default::default());
        for (i, (name, _)) in written.iter().take(SCORES).enumerate() {
            assert_eq!(name, &format!("parable__score__{}", score_id(i)));
            assert_eq!(score_index(score_id(i)), Some(i));
        }
    }
}
