//! The offline backend: plans and tells one product for a card.

use serde_json::{Map, Value, json};

use super::card::{Card, Request};
use super::constitution::Constitution;
use super::inventory::Inventory;
use super::node::Role;
use super::product::{Product, Section};
use super::surface;
use super::teller::Teller;

/// Parts a plan into sections; the rest of the line names the section.
pub const SECTION: char = '§';

/// Draws the card of a request and tells it.
#[must_use]
pub fn compose(
    inventory: &Inventory,
    constitution: &Constitution,
    request: Request<'_>,
) -> Product {
    let card = Card::draw(inventory, request);
    tell(inventory, constitution, card)
}

/// Tells a card.
#[must_use]
pub fn tell(inventory: &Inventory, constitution: &Constitution, card: Card) -> Product {
    let document = &inventory.documents[card.document];
    let mut teller = card.teller(inventory, "tell");
    teller.voice = document.voice;
    teller.names = document.names;
    // Whoever is spoken to knows the people; a reader does not.
    teller.introduces =
        document.format == "pretrain" && document.voice.person[Role::B.index()] == 3;
    teller.renames = if document.format == "pretrain" { 35 } else { 0 };
    let mut raw = String::new();
    let plan = teller.draw.below(document.plans.len());
    teller.write(&document.plans[plan], &mut raw);
    let principle = constitution.for_category(card.category, &mut teller.draw);
    let curly = document.format == "pretrain" && teller.draw.chance(25);
    let mut sections = Vec::new();
    let mut tools = Vec::new();
    // What stands before the first mark is no section; a plan without marks is one text.
    for part in raw.split(SECTION).skip(1) {
        let (label, text) = part.split_once([' ', surface::LINE]).unwrap_or((part, ""));
        match label.split_once(':') {
            Some(("call", name)) => {
                let text = surface::tidy(text, false);
                let (call, schema) = call(&mut teller, name, &mut tools);
                sections.push(Section { label: "call".into(), text, call });
                if let Some(schema) = schema {
                    tools.push(schema);
                }
            }
            Some(("tools", number)) => {
                spare_tools(&mut teller, number.parse().unwrap_or(0), &mut tools)
            }
            _ if label == "result" => sections.push(Section::text(label, surface::verbatim(text))),
            _ => {
                let text = principle_text(text, principle, &mut teller);
                sections.push(Section::text(label, surface::tidy(&text, curly)));
            }
        }
    }
    if sections.is_empty() {
        sections.push(Section::text("text", surface::tidy(&raw, curly)));
    }
    shuffle(&mut tools, &mut teller);
    let principles = constitution.ids_for(card.category);
    Product {
        format: document.format.clone(),
        card,
        principles,
        sections,
        tools,
        backend: "compose".into(),
    }
}

/// Puts the words of the principle where a plan asks for them.
fn principle_text(
    text: &str,
    principle: Option<&super::constitution::Principle>,
    teller: &mut Teller<'_>,
) -> String {
    let Some(principle) = principle else { return text.into() };
    let mut out = text.to_string();
    for (mark, list) in [
        ("@breaks", &principle.breaks),
        ("@whom", &principle.whom),
        ("@instead", &principle.instead),
    ] {
        if out.contains(mark) {
            let words = teller.draw.pick(list).cloned().unwrap_or_default();
            out = out.replace(mark, &words);
        }
    }
    if out.contains("@principle") {
        out = out.replace("@principle", &principle.title);
    }
    out
}

/// Arguments of a call, drawn from the tool's own values; the schema too, where it is new.
fn call(
    teller: &mut Teller<'_>,
    name: &str,
    tools: &mut Vec<Value>,
) -> (Option<(String, Value)>, Option<Value>) {
    let inventory = teller.inventory;
    let Some(tool) = inventory.tools.iter().find(|t| t.name == name) else { return (None, None) };
    let mut arguments = Map::new();
    for parameter in &tool.parameters {
        if !parameter.required && teller.draw.chance(50) {
            continue;
        }
        let mut raw = String::new();
        teller.write(&parameter.value, &mut raw);
        let text = surface::tidy(&raw, false);
        let value = match parameter.kind.as_str() {
            "integer" => json!(text.parse::<i64>().unwrap_or(1)),
            "number" => json!(text.parse::<f64>().unwrap_or(1.0)),
            "boolean" => json!(text.eq_ignore_ascii_case("true")),
            _ if !parameter.choices.is_empty() => {
                json!(teller.draw.pick(&parameter.choices).cloned().unwrap_or_default())
            }
            _ => json!(text),
        };
        arguments.insert(parameter.name.clone(), value);
    }
    let known = tools.iter().any(|t| t["function"]["name"] == name);
    let schema = (!known).then(|| schema(teller, tool));
    (Some((name.to_string(), Value::Object(arguments))), schema)
}

fn schema<'a>(teller: &mut Teller<'a>, tool: &'a super::tools::Tool) -> Value {
    let mut raw = String::new();
    teller.write(&tool.description, &mut raw);
    tool.schema(&surface::tidy(&raw, false))
}

/// Adds tools that the conversation does not use.
fn spare_tools(teller: &mut Teller<'_>, number: usize, tools: &mut Vec<Value>) {
    let inventory = teller.inventory;
    for _ in 0..number {
        let at = teller.draw.below(inventory.tools.len());
        let Some(tool) = inventory.tools.get(at) else { return };
        if tools.iter().all(|t| t["function"]["name"] != tool.name.as_str()) {
            let schema = schema(teller, tool);
            tools.push(schema);
        }
    }
}

fn shuffle(tools: &mut [Value], teller: &mut Teller<'_>) {
    for at in (1..tools.len()).rev() {
        let other = teller.draw.below(at + 1);
        tools.swap(at, other);
    }
}
