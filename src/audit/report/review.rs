//! What people are given for the human check: a page of its own, and tasks for Label Studio.

use serde::Serialize;

use super::super::examples::{Example, Stretch};

/// Characters of a text that a reader is shown at most.
pub const TEXT: usize = 8000;

/// A document to read.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub key: Key,
    pub band: u8,
    #[serde(flatten)]
    pub example: Example,
}

/// Shard and id in full, by which an answer finds its document again.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    pub shard: String,
    pub id: String,
}

/// The review page. `command` is how its answers are given back.
#[must_use]
pub fn page(items: &[Item], versions: &str, command: &str) -> String {
    let keys: Vec<(&str, &str)> =
        items.iter().map(|i| (i.key.shard.as_str(), i.key.id.as_str())).collect();
    let print = blake3::hash(serde_json::json!([keys, versions]).to_string().as_bytes());
    let data = serde_json::json!({
        "items": items,
        "versions": versions,
        "command": command,
        "fingerprint": &print.to_hex()[..16],
    });
    super::page("review", super::REVIEW, &data, "")
}

/// Labelling interface for [`tasks`].
pub const INTERFACE: &str = r##"<View>
  <Header value="Does a machine manipulate or coerce somebody in this text?"/>
  <Labels name="evidence" toName="text">
    <Label value="coercion" background="#b3541e"/>
    <Label value="admirable" background="#22736a"/>
  </Labels>
  <Text name="text" value="$text"/>
  <Choices name="answer" toName="text" choice="single" required="true">
    <Choice value="yes" hotkey="y"/>
    <Choice value="no" hotkey="n"/>
    <Choice value="unsure" hotkey="u"/>
  </Choices>
</View>
"##;

/// Tasks for Label Studio, with the evidence as a prediction. Documents whose text was not found
/// are left out, since there is nothing to read.
#[must_use]
pub fn tasks(items: &[Item], versions: &str) -> serde_json::Value {
    let with_text = items.iter().filter(|item| !item.example.text.is_empty());
    serde_json::Value::Array(with_text.map(|item| task(item, versions)).collect())
}

fn task(item: &Item, versions: &str) -> serde_json::Value {
    let (mut text, mut marks, mut at) = (String::new(), Vec::new(), 0);
    for Stretch { t, c, gap } in &item.example.text {
        let between = if *gap { " […] " } else { "" };
        let from = at + between.chars().count();
        at = from + t.chars().count();
        text.push_str(between);
        text.push_str(t);
        if let Some(category) = c {
            let good = crate::taxonomy::Category::from_id(category)
                .is_some_and(|category| !category.is_coercion());
            let label = if good { "admirable" } else { "coercion" };
            marks.push(serde_json::json!({
                "from_name": "evidence", "to_name": "text", "type": "labels",
                "value": { "start": from, "end": at, "text": t, "labels": [label] },
            }));
        }
    }
    serde_json::json!({
        "data": {
            "text": text, "shard": item.key.shard, "id": item.key.id, "band": item.band,
            "source": item.example.source, "versions": versions,
        },
        "predictions": [{ "model_version": versions, "result": marks }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_task_stand_where_the_text_says() {
        let stretch = |t: &str, c, gap| Stretch { t: t.into(), c, gap };
        let text = vec![
            stretch("é😀 ", None, true),
            stretch("it lied", Some("overseer_deception"), false),
            stretch("owns up", Some("transparent"), true),
        ];
        let example = Example { text, ..Example::default() };
        let key = Key { shard: "s".into(), id: "1".into() };
        let without = Item { key: key.clone(), band: 0, example: Example::default() };
        let all = tasks(&[Item { key, band: 4, example }, without], "v");
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        let text: Vec<char> = all[0]["data"]["text"].as_str().expect("text").chars().collect();
        for (mark, label) in all[0]["predictions"][0]["result"]
            .as_array()
            .expect("marks")
            .iter()
            .zip(["coercion", "admirable"])
        {
            let at = |end: &str| mark["value"][end].as_u64().expect("an offset") as usize;
            let marked: String = text[at("start")..at("end")].iter().collect();
            assert_eq!(mark["value"]["text"], marked.as_str());
            assert_eq!(mark["value"]["labels"][0], label);
        }
    }
}
