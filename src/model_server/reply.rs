//! What stands in the body of a reply.

use serde_json::Value;

use super::budget::Tokens;

/// Characters of a server's own words in a message.
const SAID: usize = 200;

/// An answer of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// Whether it ends at the limit of tokens, not where the model ended it.
    pub cut: bool,
    /// As the server counts them; none where it does not say.
    pub tokens: Option<Tokens>,
}

/// Why a body of a successful reply is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    NotJson,
    WrongShape,
}

/// Reads the body of a successful reply.
///
/// # Errors
/// Where it is no JSON, or not a chat completion with a text in it.
pub fn answer(body: &[u8]) -> Result<Answer, Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    let choice = &value["choices"][0];
    let text = match &choice["message"]["content"] {
        Value::String(text) => text.clone(),
        // Some servers give a list of parts.
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => return Err(Unreadable::WrongShape),
    };
    if text.trim().is_empty() {
        return Err(Unreadable::WrongShape);
    }
    let count = |name: &str| value["usage"][name].as_u64();
    let tokens = count("prompt_tokens").zip(count("completion_tokens"));
    Ok(Answer {
        text,
        cut: choice["finish_reason"] == "length",
        tokens: tokens.map(|(prompt, answer)| Tokens { prompt, answer }),
    })
}

/// What a reply that is an error says, and the code that it gives the error.
#[must_use]
pub fn complaint(body: &[u8]) -> (String, String) {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = if value["error"].is_null() { &value } else { &value["error"] };
    let said = [&error["message"], &value["message"], &value["detail"], error];
    let said = match said.iter().find_map(|v| v.as_str()) {
        Some(said) => said.to_string(),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let code = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default();
    (said, code.into())
}

/// The first characters of what a server says, on one line.
#[must_use]
pub fn short(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_is_none() {
        let body = br#"{"choices":[{"message":{"content":"a text"},"finish_reason":"length"}],
            "usage":{"prompt_tokens":7,"completion_tokens":2}}"#;
        let tokens = Some(Tokens { prompt: 7, answer: 2 });
        assert_eq!(answer(body), Ok(Answer { text: "a text".into(), cut: true, tokens }));
        let parts = br#"{"choices":[{"message":{"content":[{"text":"a "},{"text":"b"}]}}]}"#;
        assert!(answer(parts).is_ok_and(|a| a.text == "a b" && !a.cut && a.tokens.is_none()));
        assert_eq!(answer(b"<html>"), Err(Unreadable::NotJson));
        for shape in ["{}", "[1]", r#"{"choices":[{"message":{"content":" "}}]}"#] {
            assert_eq!(answer(shape.as_bytes()), Err(Unreadable::WrongShape), "{shape}");
        }
    }

    #[test]
    fn complaints_of_several_servers() {
        let said = |body: &str| complaint(body.as_bytes());
        let openai = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
        assert_eq!(said(openai), ("slow down".into(), "rate_limit_exceeded".into()));
        assert_eq!(said(r#"{"error":"model not found"}"#).0, "model not found");
        assert_eq!(said(r#"{"detail":"no"}"#).0, "no");
        assert_eq!(said("plain words").0, "plain words");
        assert_eq!(short(&"a \n".repeat(500)).len(), SAID);
    }
}
