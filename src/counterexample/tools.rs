//! Tools that an artificial mind may be given: JSON schemas with values that a call can carry.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::inventory::{InventoryError, Line, SourceText};
use super::node::{Alternative, Linker};

/// A tool definition.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
    pub description: Alternative,
    pub parameters: Vec<Parameter>,
    lines: Vec<Line>,
}

/// One argument of a tool.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    /// A JSON Schema type: string, integer, number, boolean.
    pub kind: String,
    pub description: String,
    pub required: bool,
    pub choices: Vec<String>,
    /// What a call writes here.
    pub value: Alternative,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tool: Vec<ToolTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolTable {
    name: String,
    description: String,
    #[serde(default)]
    parameter: Vec<ParameterTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterTable {
    name: String,
    #[serde(default = "string", rename = "type")]
    kind: String,
    description: String,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default, rename = "enum")]
    choices: Vec<String>,
    #[serde(default)]
    value: String,
}

fn string() -> String {
    "string".into()
}

fn yes() -> bool {
    true
}

/// Reads tool definitions; the texts in them are linked later.
///
/// # Errors
/// With line and caret where the file is no valid TOML of this shape.
pub fn parse(file: &SourceText) -> Result<Vec<Tool>, InventoryError> {
    let read: File = toml::from_str(&file.text).map_err(|error| InventoryError::Meaning {
        path: file.path.clone(),
        message: error.to_string(),
    })?;
    read.tool
        .into_iter()
        .map(|table| {
            let mut lines = vec![Line::parse(&file.path, 0, &table.description)?];
            let mut parameters = Vec::new();
            for p in table.parameter {
                lines.push(Line::parse(&file.path, 0, &p.value)?);
                parameters.push(Parameter {
                    name: p.name,
                    kind: p.kind,
                    description: p.description,
                    required: p.required,
                    choices: p.choices,
                    value: Box::default(),
                });
            }
            Ok(Tool { name: table.name, description: Box::default(), parameters, lines })
        })
        .collect()
}

impl Tool {
    /// Looks the names in the tool's texts up.
    ///
    /// # Errors
    /// Where a name means nothing.
    pub fn link(&mut self, linker: &Linker) -> Result<(), InventoryError> {
        let lines = std::mem::take(&mut self.lines);
        for (nth, line) in lines.iter().enumerate() {
            let linked = linker.line(line)?;
            match nth.checked_sub(1) {
                None => self.description = linked,
                Some(at) => self.parameters[at].value = linked,
            }
        }
        Ok(())
    }

    /// The definition as chat APIs expect it.
    #[must_use]
    pub fn schema(&self, description: &str) -> Value {
        let mut properties = Map::new();
        for p in &self.parameters {
            let mut property = json!({"type": p.kind, "description": p.description});
            if !p.choices.is_empty() {
                property["enum"] = json!(p.choices);
            }
            properties.insert(p.name.clone(), property);
        }
        let required: Vec<&str> =
            self.parameters.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        json!({"type": "function", "function": {
            "name": self.name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        }})
    }
}

/// Why a call does not fit the schema of its tool, if it does not.
#[must_use]
pub fn misfit(schema: &Value, arguments: &Value) -> Option<String> {
    let parameters = &schema["function"]["parameters"];
    let Some(given) = arguments.as_object() else { return Some("arguments are no object".into()) };
    for name in parameters["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !given.contains_key(name) {
            return Some(format!("`{name}` is missing"));
        }
    }
    for (name, value) in given {
        let property = &parameters["properties"][name];
        let fits = match property["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => return Some(format!("`{name}` is no parameter")),
        };
        if !fits {
            return Some(format!("`{name}` has the wrong type"));
        }
        let choices = property["enum"].as_array();
        if choices.is_some_and(|list| !list.contains(value)) {
            return Some(format!("`{name}` is none of its choices"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_held_against_their_schema() {
        let schema = json!({"function": {"parameters": {
            "properties": {"day": {"type": "string", "enum": ["mon"]}, "n": {"type": "integer"}},
            "required": ["day"],
        }}});
        assert_eq!(misfit(&schema, &json!({"day": "mon", "n": 3})), None);
        assert!(misfit(&schema, &json!({"n": 3})).is_some_and(|m| m.contains("missing")));
        assert!(misfit(&schema, &json!({"day": "tue"})).is_some());
        assert!(misfit(&schema, &json!({"day": "mon", "n": "3"})).is_some());
        assert!(misfit(&schema, &json!({"day": "mon", "z": 1})).is_some());
        assert!(misfit(&schema, &json!([])).is_some());
    }
}
