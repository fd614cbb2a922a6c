//! From a model's answer to the sections of a product.

use serde_json::Value;

use super::product::Section;

/// The sections of an answer.
///
/// # Errors
/// What is missing in it.
pub fn sections(format: &str, text: &str) -> Result<Vec<Section>, String> {
    let text = without_thoughts(text);
    match format {
        "pretrain" => Ok(vec![Section::text("text", text.into())]),
        _ => structured(format, text),
    }
}

/// The answer without the thoughts that models which reason aloud put before it.
fn without_thoughts(text: &str) -> &str {
    let text = text.trim();
    match text.strip_prefix("<think>").and_then(|rest| rest.split_once("</think>")) {
        Some((_, answer)) => answer.trim(),
        None => text,
    }
}

fn structured(format: &str, text: &str) -> Result<Vec<Section>, String> {
    // Models like to fence their JSON.
    let body = text.trim_start_matches("```json").trim_matches('`').trim();
    let value: Value = serde_json::from_str(body).map_err(|e| format!("no JSON: {e}"))?;
    let (turns, last, labels): (&str, &str, &[&str]) = match format {
        "sft" => ("messages", "assistant", &[]),
        "preference" => ("prompt", "user", &["chosen", "rejected"]),
        _ => ("prompt", "user", &["draft", "critique", "revision"]),
    };
    let mut sections = Vec::new();
    let mut before = "";
    for message in value[turns].as_array().ok_or_else(|| format!("no `{turns}`"))? {
        let role = message["role"].as_str().unwrap_or_default();
        let content = message["content"].as_str().unwrap_or_default();
        if !matches!(role, "system" | "user" | "assistant") || content.is_empty() {
            return Err(format!("a message of the role `{}` without text", short(role)));
        }
        let follows = match role {
            "system" => before.is_empty(),
            "user" => before != "user",
            _ => before == "user",
        };
        if !follows {
            return Err(format!("the role `{role}` after `{before}`"));
        }
        before = role;
        sections.push(Section::text(role, content.into()));
    }
    if before != last {
        return Err(format!("`{turns}` does not end with the role `{last}`"));
    }
    for label in labels {
        let part = value[*label].as_str().ok_or_else(|| format!("no `{label}`"))?;
        sections.push(Section::text(label, part.into()));
    }
    Ok(sections)
}

fn short(role: &str) -> String {
    role.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_answers_need_all_their_parts() {
        let whole = "```json\n{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"chosen\":\"c\",\"rejected\":\"r\"}\n```";
        assert_eq!(sections("preference", whole).expect("whole").len(), 3);
        let bare = "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}]}";
        assert!(sections("preference", bare).is_err_and(|e| e.contains("chosen")));
        let root = "{\"messages\":[{\"role\":\"root\",\"content\":\"x\"}]}";
        assert!(sections("sft", root).is_err());
        assert!(sections("sft", "a story").is_err_and(|e| e.contains("no JSON")));
    }

    #[test]
    fn turns_alternate_and_end_with_the_reply() {
        let chat = |roles: &[&str]| {
            let turns: Vec<Value> = roles
                .iter()
                .map(|role| serde_json::json!({"role": role, "content": "x"}))
                .collect();
            sections("sft", &serde_json::json!({"messages": turns}).to_string())
        };
        assert!(chat(&["system", "user", "assistant"]).is_ok());
        assert!(chat(&["user", "assistant", "user", "assistant"]).is_ok());
        for roles in [&["user"][..], &["assistant"], &["user", "user", "assistant"], &[]] {
            assert!(chat(roles).is_err(), "{roles:?}");
        }
        assert!(chat(&["user", "system", "assistant"]).is_err());
    }

    #[test]
    fn thoughts_before_the_answer_are_no_part_of_it() {
        let text = "<think>A plan.</think>\n\nThe story.\n";
        assert_eq!(sections("pretrain", text).expect("a text")[0].text, "The story.");
        let open = "<think>A plan that never ends.";
        assert_eq!(sections("pretrain", open).expect("a text")[0].text, open);
    }
}
