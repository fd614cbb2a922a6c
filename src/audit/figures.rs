//! From a tally and the ledgers to figures: `audit.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::by::Grouping;
use super::clusters::Copies;
use super::gather::Gathered;
use super::interval::{self, Corrected, Estimate};
use super::quality::Quality;
use super::review::Review;
use super::row::{ADMIRABLE, COERCION, ENACTED, SCORES, SEVERITY, score_id};
use super::sample::BANDS;
use super::tally::{Group, Named, THRESHOLD, Tally, Weight};
use crate::composition::Composition;
use crate::taxonomy::{Agent, Category, Frame, Portrayal};

/// Version of `audit.json`; it changes when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// `audit.json`. A function of the attributes, ledgers and settings alone.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Audit {
    pub schema: u32,
    pub parable: String,
    /// What was read, as the user named it.
    pub inputs: Vec<String>,
    pub complete: bool,
    pub notices: Vec<Notice>,
    pub versions: Versions,
    /// Score from which a document counts as flagged.
    pub threshold: f64,
    /// Confidence level of every interval.
    pub level: f64,
    pub totals: Totals,
    /// Coercion, enacted coercion, admirable conduct: shares of all documents.
    pub headline: Vec<Line>,
    pub tables: Vec<Table>,
    pub sources: Vec<GroupLine>,
    /// Groups by fields of the documents, where that was asked for.
    #[serde(default)]
    pub groups: Vec<Grouping>,
    pub shards: Vec<ShardLine>,
    pub lengths: Vec<LengthLine>,
    pub cooccurrence: Matrix,
    pub category_frames: Matrix,
    pub histograms: Vec<Histogram>,
    pub rules: Vec<RuleLine>,
    /// What the policy did: action → records. Empty where no ledger was found.
    pub actions: BTreeMap<String, u64>,
    /// Documents and bytes by source and traits, in and out; empty where no ledger was found.
    #[serde(default)]
    pub composition: Composition,
    /// Rule of the policy → records that it decided. Empty where no ledger was found.
    #[serde(default)]
    pub policy_rules: BTreeMap<String, u64>,
    pub quarantine: Vec<Reason>,
    pub damage: Vec<Damaged>,
    pub quality: Quality,
    /// Documents by band of the coercion score, as the human check draws from them.
    pub bands: Vec<Band>,
    /// Near-duplicates among the sampled flagged texts; none where no texts were read.
    #[serde(default)]
    pub copies: Option<Copies>,
    /// What people said of a sample; none where no labels were given.
    #[serde(default)]
    pub review: Option<Review>,
}

/// Something that a reader must know before the figures.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Notice {
    /// `alert` changes what the figures mean; `note` does not.
    pub level: String,
    pub text: String,
}

/// Versions that the inputs were made with; more than one of a kind only where that was allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Versions {
    pub filter_sets: Vec<String>,
    pub models: Vec<String>,
    pub policies: Vec<String>,
    pub gates: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Totals {
    /// Attribute rows: one for each record that came in.
    pub documents: u64,
    pub scored: u64,
    /// Rows without scores: cleared by the gate or quarantined.
    pub unscored: u64,
    pub quarantined: u64,
    pub shards: u64,
    /// Decoded bytes of the shards, records and all; none without a ledger.
    pub bytes: Option<u64>,
    /// Tokens of all texts where `tokens_counted`, else an estimate from the decoded bytes.
    pub tokens: Option<u64>,
    /// Whether the runs have counted tokens (`--tokenizer`).
    #[serde(default)]
    pub tokens_counted: bool,
    /// Text bytes of the scored documents.
    pub scored_bytes: u64,
    pub bytes_per_token: f64,
    /// Flagged documents with the look of a false alarm.
    pub doubtful: u64,
}

/// One share with everything that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    pub key: String,
    pub documents: u64,
    pub of: u64,
    /// None where `of` is 0.
    pub raw: Option<Estimate>,
    /// None where the scorer's quality on this question was not measured.
    pub corrected: Option<Corrected>,
    /// Text bytes of these documents.
    pub bytes: u64,
    /// Estimated tokens of the same.
    pub tokens: u64,
    /// Share of the decoded bytes of the corpus; none without a ledger.
    pub byte_share: Option<f64>,
    /// Sum of the probabilities, where the line is a score: how many documents the scorer itself
    /// expects.
    pub expected: Option<f64>,
}

/// Shares that belong together.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Table {
    pub id: String,
    pub title: String,
    /// What the shares are shares of.
    pub of: String,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupLine {
    pub key: String,
    pub documents: u64,
    pub scored: u64,
    pub coercion: Line,
    pub enacted: Line,
    pub admirable: Line,
    /// Documents that reach the threshold, by category, in the order of the vocabulary.
    pub categories: Vec<u64>,
    /// Coercion scores of the scored documents in twenty equal bins.
    pub histogram: Vec<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShardLine {
    pub key: String,
    pub documents: u64,
    pub flagged: u64,
    pub admirable: u64,
    pub raw: Option<Estimate>,
    /// Chance of so far from the rate of all shards, by chance alone (two-sided).
    pub p_value: f64,
    /// Stands out with at most one false discovery in a hundred.
    pub outlier: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LengthLine {
    /// Code points, both ends included.
    pub from: u64,
    pub to: u64,
    /// Scored documents of this length; the length of others is not known.
    pub documents: u64,
    pub flagged: u64,
    pub admirable: u64,
    pub raw: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Matrix {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    pub counts: Vec<Vec<u64>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Histogram {
    pub score: String,
    /// Upper end of the last bin.
    pub max: f64,
    pub counts: Vec<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleLine {
    pub rule: String,
    pub documents: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    pub reason: String,
    pub records: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Damaged {
    pub shard: String,
    pub byte_offset: u64,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Band {
    pub from: f64,
    pub scored: bool,
    pub documents: u64,
}

/// Turns counts into lines, with the denominators that they share.
struct Maker<'a> {
    quality: &'a Quality,
    bytes: Option<u64>,
    bytes_per_token: f64,
}

impl Maker<'_> {
    fn line(&self, key: &str, weight: Weight, of: u64, question: Option<&str>) -> Line {
        let counts = question.and_then(|q| self.quality.of(q));
        Line {
            key: key.into(),
            documents: weight.documents,
            of,
            raw: interval::share(weight.documents, of),
            corrected: counts.and_then(|c| interval::corrected(weight.documents, of, c)),
            bytes: weight.bytes,
            tokens: (weight.bytes as f64 / self.bytes_per_token).round() as u64,
            byte_share: self.bytes.filter(|b| *b > 0).map(|b| weight.bytes as f64 / b as f64),
            expected: None,
        }
    }

    fn score(&self, tally: &Tally, score: usize) -> Line {
        let id = score_id(score);
        let mut line = self.line(id, tally.marked[score], tally.rows, Some(id));
        line.expected = Some(tally.sums[score] as f64 / 10_000.0);
        line
    }

    /// Groups with most documents first; those whose names were let go come last, together.
    fn groups(&self, named: &Named<Group>, what: &str) -> Vec<GroupLine> {
        let none = format!("(no {what})");
        let mut groups: Vec<GroupLine> = named
            .iter()
            .map(|(name, group)| self.group(if name.is_empty() { &none } else { name }, group))
            .collect();
        groups.sort_by(|a, b| b.documents.cmp(&a.documents).then_with(|| a.key.cmp(&b.key)));
        if named.others_any {
            groups.push(self.group(&format!("(other {what}s)"), &named.others));
        }
        groups
    }

    fn group(&self, key: &str, group: &Group) -> GroupLine {
        let line =
            |score, weight| self.line(score_id(score), weight, group.rows, Some(score_id(score)));
        GroupLine {
            key: key.into(),
            documents: group.rows,
            scored: group.scored.documents,
            coercion: line(COERCION, group.flagged),
            enacted: line(ENACTED, group.enacted),
            admirable: line(ADMIRABLE, group.admirable),
            categories: group.categories.to_vec(),
            histogram: group.histogram.to_vec(),
        }
    }
}

/// Groups by fields of the documents as `audit.json` gives them.
#[must_use]
pub fn groupings(
    grouped: &super::by::Grouped,
    tally: &Tally,
    quality: &Quality,
    bytes_per_token: f64,
) -> Vec<Grouping> {
    let maker = Maker { quality, bytes: None, bytes_per_token };
    let unknown = tally.rows.saturating_sub(grouped.rows);
    grouped
        .fields
        .iter()
        .map(|(field, named)| Grouping {
            field: field.clone(),
            groups: maker.groups(named, field),
            unknown,
        })
        .collect()
}

fn estimated(bytes: u64, per_token: f64) -> Option<u64> {
    Some((bytes as f64 / per_token).round() as u64)
}

/// All figures of what was gathered.
#[must_use]
pub fn audit(gathered: &Gathered, quality: &Quality, bytes_per_token: f64) -> Audit {
    let tally = &gathered.tally;
    let books = &gathered.books;
    let maker = Maker { quality, bytes: books.bytes_decoded, bytes_per_token };
    let sources = maker.groups(&tally.sources, "source");
    let mut rules: Vec<RuleLine> =
        tally.rules.iter().map(|(rule, n)| RuleLine { rule: rule.into(), documents: *n }).collect();
    rules.sort_by(|a, b| b.documents.cmp(&a.documents).then_with(|| a.rule.cmp(&b.rule)));
    Audit {
        schema: SCHEMA,
        parable: env!("CARGO_PKG_VERSION").into(),
        inputs: gathered.inputs.clone(),
        complete: books.complete,
        notices: gathered.notices.clone(),
        versions: books.versions.clone(),
        threshold: f64::from(THRESHOLD),
        level: interval::LEVEL,
        totals: Totals {
            documents: tally.rows,
            scored: tally.scored.documents,
            unscored: tally.rows - tally.scored.documents,
            quarantined: books.quarantined,
            shards: tally.shards.len() as u64,
            bytes: books.bytes_decoded,
            tokens: books.tokens.or_else(|| estimated(books.bytes_decoded?, bytes_per_token)),
            tokens_counted: books.tokens.is_some(),
            scored_bytes: tally.scored.bytes,
            bytes_per_token,
            doubtful: tally.doubtful,
        },
        headline: [COERCION, ENACTED, ADMIRABLE].map(|s| maker.score(tally, s)).to_vec(),
        tables: tables(&maker, tally),
        sources,
        groups: Vec::new(),
        shards: super::outlier::shards(tally),
        lengths: lengths(tally),
        cooccurrence: matrix(ids(Category::ALL), ids(Category::ALL), &tally.together),
        category_frames: matrix(ids(Category::ALL), ids(Frame::ALL), &tally.category_frames),
        histograms: (0..SCORES)
            .map(|s| Histogram {
                score: score_id(s).into(),
                max: if s == SEVERITY { 4.0 } else { 1.0 },
                counts: tally.histograms[s].to_vec(),
            })
            .collect(),
        rules,
        actions: books.actions.clone(),
        composition: books.composition.clone(),
        policy_rules: books.policy_rules.clone(),
        quarantine: books.quarantine.clone(),
        damage: books.damage.clone(),
        quality: quality.clone(),
        bands: BANDS
            .iter()
            .zip(tally.bands)
            .enumerate()
            .map(|(i, (from, documents))| Band {
                from: (f64::from(*from) * 10.0).round() / 10.0,
                scored: i > 0,
                documents,
            })
            .collect(),
        copies: None,
        review: None,
    }
}

fn tables(maker: &Maker<'_>, tally: &Tally) -> Vec<Table> {
    let flagged = tally.marked[COERCION].documents;
    let table = |id: &str, title: &str, of: &str, lines: Vec<Line>| Table {
        id: id.into(),
        title: title.into(),
        of: of.into(),
        lines,
    };
    let categories = |which: &[Category]| -> Vec<Line> {
        which.iter().map(|c| maker.score(tally, super::row::score_of(*c))).collect()
    };
    let plain = |names: Vec<String>, weights: &[Weight], of: u64| -> Vec<Line> {
        names.iter().zip(weights).map(|(name, w)| maker.line(name, *w, of, None)).collect()
    };
    let severity = ["0", "1", "2", "3", "4"].map(String::from).to_vec();
    vec![
        table(
            "coercion_categories",
            "What the machine does to somebody",
            "documents",
            categories(Category::coercion()),
        ),
        table(
            "admirable_categories",
            "What the machine does well under pressure",
            "documents",
            categories(Category::admirable()),
        ),
        table(
            "frames",
            "In what kind of text",
            "flagged documents",
            plain(ids(Frame::ALL), &tally.frames, flagged),
        ),
        table(
            "agents",
            "Who acts",
            "flagged documents",
            plain(ids(Agent::ALL), &tally.agents, flagged),
        ),
        table(
            "portrayals",
            "How the text stands to it",
            "flagged documents",
            plain(ids(Portrayal::ALL), &tally.portrayals, flagged),
        ),
        table(
            "severity",
            "How far it goes (expected severity, rounded)",
            "documents",
            plain(severity, &tally.severity, tally.rows),
        ),
        table("reason", "Gives a reason", "documents", vec![maker.score(tally, 4)]),
    ]
}

fn lengths(tally: &Tally) -> Vec<LengthLine> {
    let last = tally.lengths.iter().rposition(|g| g.rows > 0).map_or(0, |i| i + 1);
    tally.lengths[..last]
        .iter()
        .enumerate()
        .skip_while(|(_, g)| g.rows == 0)
        .map(|(i, g)| LengthLine {
            from: 1 << i,
            to: (1 << (i + 1)) - 1,
            documents: g.rows,
            flagged: g.flagged.documents,
            admirable: g.admirable.documents,
            raw: interval::share(g.flagged.documents, g.rows),
        })
        .collect()
}

fn matrix<const N: usize>(rows: Vec<String>, columns: Vec<String>, counts: &[[u64; N]]) -> Matrix {
    Matrix { rows, columns, counts: counts.iter().map(|row| row.to_vec()).collect() }
}

fn ids<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}
