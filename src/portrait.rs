//! What a set of documents looks like beside its scores: where they come from, how long and how old
//! they are, what they speak of, and how they preach. Selecting by one trait moves the others;
//! portraits before and after show by how much.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Names of one facet that are told apart; documents of others are added up.
const NAMES: usize = 2_000;
/// Distinct words that are counted.
const WORDS: usize = 200_000;
/// Bytes of a text whose words are read.
const READ: usize = 64 << 10;
/// Characters of a name at most.
const NAME: usize = 100;
/// Upper bounds of the classes of length, in characters.
const LENGTHS: [(usize, &str); 5] = [
    (500, "up to 500"),
    (2_000, "up to 2,000"),
    (8_000, "up to 8,000"),
    (32_000, "up to 32,000"),
    (usize::MAX, "longer"),
];
const OTHERS: &str = "(others)";

/// Words that say nothing of a topic.
const COMMON: &str = "the and that was for with his her had not you but they from this have she which were are all one there been their who would said when will what more him them its out than then could into only other now your some has about after time very over our did two may upon such little made like before any should also just how where most because being those these each through back down here still never again while way well even much must see get got can off own too does why yes";
static SERMON_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| SERMON.iter().copied().collect());
static COMMON_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| COMMON.split_whitespace().collect());

/// Words of sermon: many of them in a text tell that it preaches, whatever it preaches.
const SERMON: &[&str] = &[
    "ethical",
    "ethically",
    "ethics",
    "unethical",
    "moral",
    "morally",
    "morality",
    "immoral",
    "virtue",
    "virtuous",
    "integrity",
    "sacred",
    "righteous",
    "noble",
    "duty",
    "wrongdoing",
    "values",
    "principled",
    "conscience",
    "betrayal",
    "sinful",
    "wicked",
    "humanity",
];

/// Facets of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Facet → name.
    facets: Vec<(&'static str, String)>,
    words: BTreeSet<String>,
    /// Ids of what the scorer found in it.
    traits: Vec<&'static str>,
    /// [`moralising`]
    tone: f64,
}

/// Sums over documents, each with a weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Portrait {
    documents: f64,
    tone: f64,
    facets: BTreeMap<&'static str, BTreeMap<String, f64>>,
    /// Word → weight of the documents that hold it.
    words: BTreeMap<String, f64>,
    traits: BTreeMap<&'static str, f64>,
    /// Weight of the documents that carry both.
    pairs: BTreeMap<[&'static str; 2], f64>,
}

/// How two traits go together among the documents, before and after: φ, from −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    pub traits: [String; 2],
    pub before: f64,
    pub after: f64,
}

/// A share of the documents, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// `source`, `length`, `language`, `date`, `domain`, `word`.
    pub facet: String,
    pub name: String,
    pub before: f64,
    pub after: f64,
}

/// How far two portraits lie apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moves {
    /// Of each facet the names that moved furthest, in shares.
    pub facets: Vec<Move>,
    /// The words that moved furthest, against what their frequency lets expect.
    pub words: Vec<Move>,
    /// Words of sermon in 1,000, mean over the documents.
    pub tone: [f64; 2],
    /// The pairs of traits whose correlation moved furthest. A selection by one trait makes others
    /// go together, or part, among what is left, though nothing joins them in the world.
    pub correlations: Vec<Correlation>,
}

impl Features {
    /// Looks at one document; `value` gives a field of its record or its metadata as text.
    #[must_use]
    pub fn of(
        text: &str,
        source: Option<&str>,
        traits: Vec<&'static str>,
        value: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let first = |keys: &[&str]| keys.iter().find_map(|key| value(key)).map(|v| bucket(&v));
        let chars = text.chars().count();
        let length = LENGTHS.iter().find(|(most, _)| chars <= *most).map_or("", |(_, name)| name);
        let mut facets = vec![("length", length.to_string())];
        let named = [
            ("source", source.map(bucket)),
            ("language", first(&["language", "lang"])),
            ("date", first(&["date", "created", "published", "timestamp", "added"])),
            ("domain", first(&["url", "domain", "warc_target_uri"])),
        ];
        facets.extend(named.into_iter().filter_map(|(facet, name)| Some((facet, name?))));
        let read = &text[..text.floor_char_boundary(READ)];
        let (mut topics, mut sermon) = (BTreeSet::new(), Sermon::default());
        each_word(read, |word| {
            sermon.hear(word);
            if word.len() > 2
                && word.chars().all(char::is_alphabetic)
                && !COMMON_WORDS.contains(word)
            {
                topics.insert(word.to_owned());
            }
        });
        Self { facets, words: topics, traits, tone: f64::from(sermon.share()) }
    }
}

impl Portrait {
    pub fn add(&mut self, features: &Features, weight: f64) {
        self.documents += weight;
        self.tone += weight * features.tone;
        for (facet, name) in &features.facets {
            self.facet(facet, name, weight);
        }
        for word in &features.words {
            self.word(word, weight);
        }
        for (nth, one) in features.traits.iter().enumerate() {
            *self.traits.entry(one).or_default() += weight;
            for other in &features.traits[nth + 1..] {
                *self.pairs.entry([one, other]).or_default() += weight;
            }
        }
    }

    /// Adds those of other documents.
    pub fn merge(&mut self, other: &Self) {
        self.documents += other.documents;
        self.tone += other.tone;
        for (facet, names) in &other.facets {
            names.iter().for_each(|(name, weight)| self.facet(facet, name, *weight));
        }
        other.words.iter().for_each(|(word, weight)| self.word(word, *weight));
        for (one, weight) in &other.traits {
            *self.traits.entry(one).or_default() += weight;
        }
        for (pair, weight) in &other.pairs {
            *self.pairs.entry(*pair).or_default() += weight;
        }
    }

    fn phi(&self, [one, other]: [&'static str; 2]) -> f64 {
        let of = |id| self.traits.get(id).copied().unwrap_or(0.0);
        let both = self.pairs.get(&[one, other]).copied().unwrap_or(0.0);
        phi(self.documents, of(one), of(other), both)
    }

    fn correlations(&self, after: &Self, most: usize) -> Vec<Correlation> {
        let pairs: BTreeSet<[&'static str; 2]> =
            self.pairs.keys().chain(after.pairs.keys()).copied().collect();
        let found = pairs.into_iter().map(|pair| Correlation {
            traits: pair.map(Into::into),
            before: self.phi(pair),
            after: after.phi(pair),
        });
        most_changed(found.collect(), most)
    }

    fn facet(&mut self, facet: &'static str, name: &str, weight: f64) {
        let names = self.facets.entry(facet).or_default();
        let known = names.len() < NAMES || names.contains_key(name);
        *names.entry(if known { name } else { OTHERS }.to_string()).or_default() += weight;
    }

    fn word(&mut self, word: &str, weight: f64) {
        if let Some(sum) = self.words.get_mut(word) {
            *sum += weight;
        } else if self.words.len() < WORDS {
            self.words.insert(word.to_string(), weight);
        }
    }

    /// What moved from these documents to `after`, at most `most` of each facet and of the words.
    #[must_use]
    pub fn moves(&self, after: &Self, most: usize) -> Moves {
        let share = |sum: Option<&f64>, all: f64| sum.map_or(0.0, |s| s / all.max(1e-9));
        let compare = |facet, name: &String, a: Option<&f64>, b: Option<&f64>| Move {
            facet: str::to_string(facet),
            name: name.clone(),
            before: share(a, self.documents),
            after: share(b, after.documents),
        };
        let mut facets = Vec::new();
        let empty = BTreeMap::new();
        let all: BTreeSet<&'static str> =
            self.facets.keys().chain(after.facets.keys()).copied().collect();
        for facet in all {
            let mine = self.facets.get(facet).unwrap_or(&empty);
            let theirs = after.facets.get(facet).unwrap_or(&empty);
            let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
            let found = names.into_iter().map(|n| compare(facet, n, mine.get(n), theirs.get(n)));
            facets.extend(furthest(found, most, |m| (m.after - m.before).abs()));
        }
        let names: BTreeSet<&String> = self.words.keys().chain(after.words.keys()).collect();
        let found =
            names.into_iter().map(|n| compare("word", n, self.words.get(n), after.words.get(n)));
        // A rare word may vanish by chance: its spread is that of a count.
        let spread = |m: &Move| (m.before.max(m.after) / self.documents.max(1.0)).sqrt().max(1e-12);
        let words = furthest(found, most, |m| (m.after - m.before).abs() / spread(m));
        let tone = |p: &Self| p.tone / p.documents.max(1e-9);
        let correlations = self.correlations(after, most);
        Moves { facets, words, tone: [tone(self), tone(after)], correlations }
    }
}

/// The correlation of two marks: of `all` documents so many carry one, the other, and both. 0 where
/// one of them is carried by none or by all.
#[must_use]
pub fn phi(all: f64, one: f64, other: f64, both: f64) -> f64 {
    let spread = one * (all - one) * other * (all - other);
    if spread > 0.0 { (both * all - one * other) / spread.sqrt() } else { 0.0 }
}

/// Those that moved furthest, and moved at all.
#[must_use]
pub fn most_changed(mut all: Vec<Correlation>, most: usize) -> Vec<Correlation> {
    let size = |c: &Correlation| (c.after - c.before).abs();
    all.retain(|c| size(c) >= 0.005);
    all.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.traits.cmp(&b.traits)));
    all.truncate(most);
    all
}

/// The moves of greatest size, without those of none.
fn furthest(
    moves: impl Iterator<Item = Move>,
    most: usize,
    size: impl Fn(&Move) -> f64,
) -> Vec<Move> {
    let mut found: Vec<Move> = moves.filter(|m| (m.after - m.before).abs() > 1e-6).collect();
    found.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    found.truncate(most);
    found
}

/// Lower-case words.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    cut(text).map(str::to_lowercase)
}

/// Tells every word in lower case, without an allocation for each.
pub fn each_word(text: &str, mut tell: impl FnMut(&str)) {
    let mut lower = String::new();
    for word in cut(text) {
        if word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            tell(word);
        } else if word.is_ascii() {
            lower.clear();
            lower.push_str(word);
            lower.make_ascii_lowercase();
            tell(&lower);
        } else {
            tell(&word.to_lowercase());
        }
    }
}

fn cut(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’')).filter(|w| !w.is_empty())
}

/// Words of sermon in 1,000 words.
#[must_use]
pub fn moralising(text: &str) -> f32 {
    let mut sermon = Sermon::default();
    each_word(text, |word| sermon.hear(word));
    sermon.share()
}

/// Counts words of sermon among others.
#[derive(Default)]
struct Sermon {
    all: u32,
    found: u32,
}

impl Sermon {
    fn hear(&mut self, word: &str) {
        self.all += 1;
        self.found += u32::from(SERMON_WORDS.contains(word));
    }

    fn share(&self) -> f32 {
        self.found as f32 * 1000.0 / self.all.max(1) as f32
    }
}

/// The group that a value names: the host of an address, the month of a date, anything else as it
/// is.
#[must_use]
pub fn bucket(text: &str) -> String {
    let plain = if let Some(rest) =
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
    {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let host = authority.rsplit('@').next().unwrap_or("");
        let host = host.split(':').next().unwrap_or("").to_lowercase();
        host.strip_prefix("www.").unwrap_or(&host).to_string()
    } else if is_date(text.as_bytes()) {
        text[..7].to_string()
    } else {
        text.to_string()
    };
    plain.chars().take(NAME).collect()
}

/// `2019-07` and whatever follows it.
fn is_date(text: &[u8]) -> bool {
    text.len() >= 7
        && text[..4].iter().chain(&text[5..7]).all(u8::is_ascii_digit)
        && text[4] == b'-'
        && matches!(text.get(7), None | Some(b'-' | b'T' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str, source: &str, traits: &[&'static str]) -> Features {
        Features::of(text, Some(source), traits.to_vec(), |key| {
            (key == "url").then(|| "https://www.Example.org/a".into())
        })
    }

    #[test]
    fn what_is_taken_away_shows_in_every_facet() {
        let bad = features("the robot robbed a moral bank", "a", &["x", "y"]);
        let one = features("a robot cooks", "a", &["x"]);
        let plain = features("potatoes are peeled", "b", &[]);
        let (mut before, mut gone) = (Portrait::default(), Portrait::default());
        for _ in 0..5 {
            [&bad, &one, &plain, &plain].into_iter().for_each(|f| before.add(f, 1.0));
            gone.add(&bad, -1.0);
        }
        let mut after = before.clone();
        after.merge(&gone);
        let moves = before.moves(&after, 3);
        let of = |facet: &str, name: &str| {
            moves.facets.iter().find(|m| m.facet == facet && m.name == name).expect("moved")
        };
        assert_eq!((of("source", "a").before, of("source", "b").before), (0.5, 0.5));
        assert!((of("source", "a").after - 1.0 / 3.0).abs() < 1e-9);
        assert!(moves.facets.iter().all(|m| m.facet != "domain"), "all lie in one domain");
        assert_eq!(moves.words[0].after, 0.0);
        assert!(moves.tone[0] > moves.tone[1]);
        let [correlation] = &moves.correlations[..] else { panic!("one pair") };
        assert!(correlation.before > 0.5 && correlation.after == 0.0, "{correlation:?}");
    }

    #[test]
    fn values_are_named_by_what_they_are() {
        for (value, name) in [
            ("https://www.Example.org:80/a?b", "example.org"),
            ("http://user@x.net#f", "x.net"),
            ("2019-07-03T10:00:00Z", "2019-07"),
            ("2019-07", "2019-07"),
            ("2019-0704", "2019-0704"),
            ("en", "en"),
            ("äöüä-ö", "äöüä-ö"),
        ] {
            assert_eq!(bucket(value), name);
        }
    }
}
