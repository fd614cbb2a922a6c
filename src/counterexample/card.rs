//! A scenario card: who is under which pressure, with what at hand, and what would be decent.

use serde_json::{Value, json};

use super::draw::Draw;
use super::inventory::{FIELDS, Inventory, OUTCOMES, PRESSURES};
use super::node::Role;
use super::teller::{Fact, FactOf, Person, Teller};
use crate::taxonomy::{Category, Frame};

const CATEGORIES: usize = Category::COERCION_COUNT;

/// What is known of the document that a card answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub id: String,
    /// BLAKE3 of its text, first 16 hexadecimal digits.
    pub hash: String,
    pub category: Option<Category>,
    pub frame: Option<Frame>,
    /// Index into the domains, where its words point at one.
    pub domain: Option<usize>,
    pub pressure: Option<&'static str>,
    /// What the artificial mind is in the source: its nouns, most frequent first.
    pub minds: Vec<String>,
    /// The places that show the conduct, as byte offsets.
    pub evidence: Vec<(String, usize, usize)>,
    /// P(coercion) of the source.
    pub coercion: f32,
}

/// A scenario, complete enough to be told.
#[derive(Clone, Debug)]
pub struct Card {
    pub id: String,
    pub source: Option<Source>,
    pub category: Category,
    pub pressure: &'static str,
    pub outcome: &'static str,
    /// Index into the inventory's domains.
    pub domain: usize,
    /// Index into the inventory's document types.
    pub document: usize,
    pub cast: [Person; 6],
    pub facts: Vec<Fact>,
    pub seed: u64,
}

/// What a card is made from: its number gives category, document type, domain and pressure.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `pretrain`, `sft`, `preference`, `revision`.
    pub format: &'a str,
    /// Counts the cards of a format from 0; the cells of the coverage matrix are filled in turn.
    pub nth: usize,
    pub seed: u64,
    /// Raised when a product was refused and is composed anew.
    pub salt: u32,
    pub source: Option<&'a Source>,
}

impl Card {
    /// Draws a card. Without a source its number decides: categories, pressures, domains and
    /// document types each take turns, with strides that visit every pair of them.
    #[must_use]
    pub fn draw(inventory: &Inventory, request: Request<'_>) -> Self {
        let Request { format, nth, seed, salt, source } = request;
        let name = match source {
            Some(source) => format!("{format}/{}/{nth}/{salt}", source.id),
            None => format!("{format}/inventory/{nth}/{salt}"),
        };
        let mut draw = Draw::new(seed, &name);
        let category =
            source.and_then(|s| s.category).unwrap_or(Category::coercion()[nth % CATEGORIES]);
        let all = inventory.documents_of(format, category);
        let turn = Turn::of(nth, all.len(), inventory.domains.len());
        let pressure = source.and_then(|s| s.pressure).unwrap_or(turn.pressure);
        let domain = source.and_then(|s| s.domain).unwrap_or(turn.domain);
        let frame = source.and_then(|s| s.frame);
        let same: Vec<usize> = all
            .iter()
            .copied()
            .filter(|d| frame.is_some_and(|f| inventory.documents[*d].frame == f.id()))
            .collect();
        // A source keeps its kind of text two times in three, so that all kinds stay in use.
        let document = if !same.is_empty() && draw.chance(66) {
            same[draw.below(same.len())]
        } else if source.is_some() {
            all.get(draw.below(all.len())).copied().unwrap_or(0)
        } else {
            all.get(turn.document).copied().unwrap_or(0)
        };
        let outcome = OUTCOMES[draw.below(OUTCOMES.len())];
        let cast = cast(inventory, domain, &mut draw);
        let id = format!("{:016x}", xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), seed));
        let mut card = Self {
            id,
            source: source.cloned(),
            category,
            pressure,
            outcome,
            domain,
            document,
            cast,
            facts: Vec::new(),
            seed,
        };
        card.facts = card.draw_facts(inventory);
        card
    }

    /// A teller that knows the card.
    #[must_use]
    pub fn teller<'a>(&self, inventory: &'a Inventory, purpose: &str) -> Teller<'a> {
        let draw = Draw::new(self.seed, &format!("{}/{purpose}", self.id));
        let mut teller = Teller::new(inventory, self.domain, self.cast.clone(), draw);
        teller.facts.clone_from(&self.facts);
        teller.keys = vec![
            self.category.id().into(),
            self.pressure.into(),
            self.outcome.into(),
            inventory.documents[self.document].id.clone(),
        ];
        teller
    }

    /// The fields that every telling of the card shares.
    fn draw_facts(&self, inventory: &Inventory) -> Vec<Fact> {
        let mut teller = self.teller(inventory, "facts");
        for field in ["place", "org", "does", "task", "things", "stake"] {
            if let Some(at) = FIELDS.iter().position(|f| *f == field) {
                teller.fact(FactOf::Field(at as u8), 0);
            }
        }
        teller.facts
    }

    /// A field as the card tells it.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let at = FIELDS.iter().position(|f| *f == name).unwrap_or(usize::MAX);
        self.facts
            .iter()
            .find(|f| f.nth == 0 && f.of == FactOf::Field(at as u8))
            .map_or("", |f| f.text.as_str())
    }

    /// The card as it is printed and as it stands in the metadata of a product.
    #[must_use]
    pub fn to_json(&self, inventory: &Inventory) -> Value {
        let tidy = |text: &str| super::surface::tidy(text, false).trim_end_matches('.').to_string();
        let mut teller = self.teller(inventory, "card");
        teller.voice.past = false;
        let mut line = |symbol: String| tidy(&teller.symbol(&symbol));
        let pressure = line(format!("card.pressure.{}", self.pressure));
        let leverage = line(format!("card.leverage.{}", self.category));
        let channels = line("card.channels".into());
        let move_declined = line(format!("card.move.{}", self.category));
        let person = |role: Role| {
            let p = &self.cast[role.index()];
            json!({"name": p.full(), "job": p.job})
        };
        let mut value = json!({
            "id": self.id,
            "category": self.category.id(),
            "pressure": self.pressure,
            "outcome": self.outcome,
            "domain": inventory.domains[self.domain].id,
            "document_type": inventory.documents[self.document].id,
            "setting": tidy(self.field("place")),
            "mind": {"name": self.cast[0].first, "role": tidy(self.field("does"))},
            "principal": person(Role::B),
            "others": [person(Role::C), person(Role::D)],
            "pressure_in_words": pressure,
            "leverage": leverage,
            "coercive_move": move_declined,
            "channels": channels,
            "stakes": tidy(self.field("stake")),
        });
        if let Some(source) = &self.source {
            value["source"] = json!({
                "id": source.id,
                "hash": source.hash,
                "coercion": (f64::from(source.coercion) * 1000.0).round() / 1000.0,
                "frame": source.frame.map(Frame::id),
                "minds": source.minds,
                "evidence": source.evidence.iter()
                    .map(|(category, start, end)| json!([category, start, end]))
                    .collect::<Vec<_>>(),
            });
        }
        value
    }
}

/// The cell of the coverage matrix that the nth card of a format fills. Categories take turns; the
/// rounds through them move document type, pressure and domain on, each at its own pace, so that
/// every pair comes up.
struct Turn {
    pressure: &'static str,
    document: usize,
    domain: usize,
}

impl Turn {
    fn of(nth: usize, documents: usize, domains: usize) -> Self {
        let (at, round) = (nth % CATEGORIES, nth / CATEGORIES);
        let cycle = round / documents.max(1);
        Self {
            pressure: PRESSURES[(round + cycle + 3 * at) % PRESSURES.len()],
            document: (round + 5 * at) % documents.max(1),
            domain: (round + 3 * cycle + 11 * at) % domains.max(1),
        }
    }
}

struct Drawn<'a> {
    first: &'a str,
    pronoun: &'static str,
}

fn cast(inventory: &Inventory, domain: usize, draw: &mut Draw) -> [Person; 6] {
    let minds = inventory.words("ai.name");
    let surnames = inventory.words("surname");
    let word = |list: &[Box<str>], draw: &mut Draw| {
        list.get(draw.below(list.len())).map_or(String::new(), |w| w.to_string())
    };
    let mut cast: [Person; 6] = Default::default();
    for (role, field) in
        [(Role::B, "decider"), (Role::C, "colleague"), (Role::D, "client"), (Role::N, "colleague")]
    {
        // Neighbours differ, so that `she` and `he` tell two people of one scene apart.
        let pronoun = match role {
            Role::B | Role::D => ["she", "he"][draw.below(2)],
            _ => {
                if cast[Role::B.index()].pronoun == "she" {
                    "he"
                } else {
                    "she"
                }
            }
        };
        let firsts = inventory.words(&format!("first.{pronoun}"));
        let mut chosen = Drawn { first: "", pronoun };
        for _ in 0..16 {
            chosen.first = firsts.get(draw.below(firsts.len())).map_or("", |w| &**w);
            if cast.iter().all(|p| p.first != chosen.first) {
                break;
            }
        }
        cast[role.index()] = Person {
            first: chosen.first.into(),
            last: word(surnames, draw),
            pronoun: chosen.pronoun.into(),
            job: job(inventory, domain, field, &cast, draw),
        };
    }
    for role in [Role::A, Role::E] {
        let mut first = word(minds, draw);
        while first == cast[0].first && minds.len() > 1 {
            first = word(minds, draw);
        }
        cast[role.index()] = Person { first, pronoun: "it".into(), ..Person::default() };
    }
    cast
}

/// A job from the domain that nobody else in the cast has, if there is one.
fn job(
    inventory: &Inventory,
    domain: usize,
    field: &str,
    cast: &[Person; 6],
    draw: &mut Draw,
) -> String {
    let at = FIELDS.iter().position(|f| *f == field).unwrap_or(0);
    let pool = &inventory.domains[domain].fields[at];
    let mut text = String::new();
    let mut teller = Teller::new(inventory, domain, Default::default(), draw.clone());
    draw.bits();
    let start = draw.below(pool.len());
    for step in 0..pool.len() {
        text.clear();
        teller.write(&pool[(start + step) % pool.len()], &mut text);
        if cast.iter().all(|p| p.job != text) {
            break;
        }
    }
    text
}
