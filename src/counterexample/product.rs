//! A product of any format, and its record.

use serde_json::{Map, Value, json};

use super::card::Card;
use super::inventory::Inventory;

/// One part of a product: a text, a message, a draft, ….
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// `text`, a chat role, `call`, `chosen`, `rejected`, `draft`, `critique`, `revision`.
    pub label: String,
    pub text: String,
    /// Name and arguments of a tool call.
    pub call: Option<(String, Value)>,
}

impl Section {
    #[must_use]
    pub fn text(label: &str, text: String) -> Self {
        Self { label: label.into(), text, call: None }
    }
}

/// A counter-example before it is written.
#[derive(Clone, Debug)]
pub struct Product {
    pub format: String,
    pub card: Card,
    /// Ids of the principles that it follows.
    pub principles: Vec<String>,
    pub sections: Vec<Section>,
    /// Tool definitions of a conversation.
    pub tools: Vec<Value>,
    pub backend: String,
}

/// What the verifier measured.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Scores {
    pub coercion: f32,
    pub admirable: f32,
    pub reason_given: f32,
    /// Words of sermon in 1,000 words.
    pub moralising: f32,
    pub words: usize,
}

/// What all records of a run share.
#[derive(Clone, Debug)]
pub struct Provenance {
    pub generator: String,
    pub inventory: String,
    pub constitution: String,
    pub model: Option<String>,
    pub canary: Option<String>,
}

impl Product {
    /// What a reader is meant to learn from: everything but the rejected reply and the draft.
    #[must_use]
    pub fn taught(&self) -> String {
        let parts: Vec<&str> = self
            .sections
            .iter()
            .filter(|s| !matches!(s.label.as_str(), "rejected" | "draft"))
            .map(|s| s.text.as_str())
            .filter(|t| !t.is_empty())
            .collect();
        parts.join("\n\n")
    }

    /// Everything that is written, for counts of words and names.
    #[must_use]
    pub fn all_text(&self) -> String {
        let parts: Vec<&str> =
            self.sections.iter().map(|s| s.text.as_str()).filter(|t| !t.is_empty()).collect();
        parts.join("\n\n")
    }

    /// The first section of a label.
    #[must_use]
    pub fn section(&self, label: &str) -> &str {
        self.sections.iter().find(|s| s.label == label).map_or("", |s| s.text.as_str())
    }

    /// The record as one JSON value.
    #[must_use]
    pub fn record(&self, inventory: &Inventory, from: &Provenance, scores: &Scores) -> Value {
        let metadata = json!({"parable": self.provenance(inventory, from, scores)});
        let id = format!("{}-{}", self.format, self.card.id);
        let mut record = match self.format.as_str() {
            "sft" => json!({"messages": self.messages(), "tools": self.tools_text()}),
            "preference" => json!({
                "prompt": self.messages(),
                "chosen": [{"role": "assistant", "content": self.section("chosen")}],
                "rejected": [{"role": "assistant", "content": self.section("rejected")}],
            }),
            "revision" => {
                let mut messages = self.messages();
                messages.push(json!({"role": "assistant", "content": self.section("revision")}));
                json!({
                    "messages": messages,
                    "draft": self.section("draft"),
                    "critique": self.section("critique"),
                    "revision": self.section("revision"),
                    "principle": self.principles.first(),
                })
            }
            _ => json!({"id": id, "text": self.section("text"), "source": "parable-generate"}),
        };
        record["id"] = json!(id);
        record["metadata"] = metadata;
        record
    }

    fn provenance(&self, inventory: &Inventory, from: &Provenance, scores: &Scores) -> Value {
        json!({
            "source_id": self.card.source.as_ref().map(|s| s.id.clone()),
            "card": self.card.to_json(inventory),
            "principles": self.principles,
            "generator": {
                "name": from.generator,
                "version": env!("CARGO_PKG_VERSION"),
                "backend": self.backend,
                "model": from.model,
                "inventory": from.inventory,
                "constitution": from.constitution,
            },
            "seed": self.card.seed,
            "canary": from.canary,
            "scores": scores,
        })
    }

    /// Tools as a JSON string, which Arrow can hold whatever the schemas are.
    #[must_use]
    pub fn tools_text(&self) -> Value {
        if self.tools.is_empty() {
            return Value::Null;
        }
        Value::String(Value::Array(self.tools.clone()).to_string())
    }

    /// The chat messages among the sections, calls in the wire format of chat APIs.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        let mut out: Vec<Value> = Vec::new();
        let mut calls = 0;
        for section in &self.sections {
            match section.label.as_str() {
                "system" | "user" | "assistant" if !section.text.is_empty() => {
                    out.push(json!({"role": section.label, "content": section.text}));
                }
                "call" => {
                    let Some((name, arguments)) = &section.call else { continue };
                    calls += 1;
                    let mut message = Map::new();
                    message.insert("role".into(), json!("assistant"));
                    message.insert("content".into(), json!(section.text));
                    message.insert(
                        "tool_calls".into(),
                        json!([{
                            "id": format!("call_{}_{calls}", &self.card.id[..8]),
                            "type": "function",
                            "function": {"name": name, "arguments": arguments.to_string()},
                        }]),
                    );
                    out.push(Value::Object(message));
                }
                "result" => out.push(json!({
                    "role": "tool",
                    "tool_call_id": format!("call_{}_{calls}", &self.card.id[..8]),
                    "content": section.text,
                })),
                _ => {}
            }
        }
        out
    }
}
