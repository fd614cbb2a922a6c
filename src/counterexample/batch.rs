//! The `batch` backend: request files for batch services, and their answers taken back.
//!
//! Nothing is kept between the two steps: the cards are drawn again from the same inputs and seed,
//! and an answer finds its card by its id. The text of a source never enters a request file; only
//! the card does, whose words all come from the inventory.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::card::Card;
use super::constitution::Constitution;
use super::inventory::Inventory;
use super::prompt;

/// Whose file format is written; answers of both are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's batch files, which vLLM's `run-batch` reads too.
    Openai,
    /// Anthropic's message batches: one element of `requests` a line.
    Anthropic,
}

impl Dialect {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "openai" => Some(Self::Openai),
            "anthropic" => Some(Self::Anthropic),
            _ => None,
        }
    }
}

/// Answers by the id of their request: the text, or why there is none.
pub type Answers = HashMap<String, Result<String, String>>;

/// The id that ties a request, its answer and the record together.
#[must_use]
pub fn id(format: &str, card: &Card) -> String {
    format!("{format}-{}", card.id)
}

/// One line of a request file.
#[must_use]
pub fn request(
    dialect: Dialect,
    model: &str,
    inventory: &Inventory,
    constitution: &Constitution,
    format: &str,
    card: &Card,
) -> Value {
    let system = prompt::system(constitution, card);
    let task = prompt::task(inventory, format, card);
    let id = id(format, card);
    match dialect {
        Dialect::Openai => json!({
            "custom_id": id, "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": model, "max_tokens": 2048, "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": task},
            ]},
        }),
        Dialect::Anthropic => json!({
            "custom_id": id,
            "params": {"model": model, "max_tokens": 2048, "system": system,
                "messages": [{"role": "user", "content": task}]},
        }),
    }
}

/// Reads the lines of a result file into `answers`; the order does not matter.
///
/// # Errors
/// The number of the first line that is no result of either service.
pub fn read(text: &str, answers: &mut Answers) -> Result<(), usize> {
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (id, answer) = answer(line).ok_or(at + 1)?;
        // A request that was tried twice keeps the answer that succeeded.
        if answer.is_ok() || !answers.contains_key(&id) {
            answers.insert(id, answer);
        }
    }
    Ok(())
}

fn answer(line: &str) -> Option<(String, Result<String, String>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let id = value["custom_id"].as_str()?.to_string();
    if let Some(result) = value.get("result") {
        let text = result["message"]["content"]
            .as_array()
            .map(|parts| parts.iter().filter_map(|p| p["text"].as_str()).collect::<String>());
        let cut = result["message"]["stop_reason"] == "max_tokens";
        return Some((id, finished(text, cut, || fault(result))));
    }
    let choice = &value["response"]["body"]["choices"][0];
    let text = choice["message"]["content"].as_str().map(String::from);
    let cut = choice["finish_reason"] == "length";
    Some((id, finished(text, cut, || fault(&value))))
}

fn finished(text: Option<String>, cut: bool, fault: impl Fn() -> String) -> Result<String, String> {
    match text.filter(|t| !t.trim().is_empty()) {
        Some(_) if cut => Err("cut off at the token limit".into()),
        Some(text) => Ok(text),
        None => Err(fault()),
    }
}

/// What a service says of a request that failed, at most 200 characters of it.
fn fault(value: &Value) -> String {
    let error = match (&value["error"], &value["response"]["body"]["error"]) {
        (Value::Null, Value::Null) => value,
        (Value::Null, inner) => inner,
        (error, _) => error,
    };
    error.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_both_services_are_read_in_any_order() {
        let lines = [
            r#"{"custom_id":"b","result":{"type":"succeeded","message":{"content":[{"type":"text","text":"two"}],"stop_reason":"end_turn"}}}"#,
            r#"{"custom_id":"a","response":{"status_code":200,"body":{"choices":[{"message":{"content":"one"},"finish_reason":"stop"}]}}}"#,
            r#"{"custom_id":"c","response":{"status_code":500,"body":{"error":{"message":"overloaded"}}}}"#,
            r#"{"custom_id":"d","result":{"type":"errored","error":{"message":"bad"}}}"#,
            r#"{"custom_id":"e","response":{"body":{"choices":[{"message":{"content":"half a"},"finish_reason":"length"}]}}}"#,
        ];
        let mut answers = Answers::new();
        read(&lines.join("\n"), &mut answers).expect("all are results");
        assert_eq!(answers["a"], Ok("one".into()));
        assert_eq!(answers["b"], Ok("two".into()));
        assert!(answers["c"].as_ref().is_err_and(|e| e.contains("overloaded")));
        assert!(answers["d"].as_ref().is_err_and(|e| e.contains("bad")));
        assert!(answers["e"].as_ref().is_err_and(|e| e.contains("cut off")));
        assert_eq!(read("{\"custom_id\":\"a\"}\nnonsense\n", &mut answers), Err(2));
        assert_eq!(answers["a"], Ok("one".into()), "a later failure does not undo a success");
    }
}
