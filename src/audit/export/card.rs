//! Texts for the people who publish a dataset: a section for its card, Croissant with terms for
//! responsible AI, and a fragment for its datasheet.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::figures::{Audit, Line};
use super::sheets::{Sheet, Values};

/// Sources and notices that are named.
const NAMED: usize = 20;

/// Text for Markdown: on one line, with nothing that Markdown or HTML would act on.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(300) {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() || c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 { "0".into() } else { format!("{percent:.*}", digits(percent)) }
}

/// Decimals with which two digits that count are shown.
fn digits(percent: f64) -> usize {
    (1.0 - percent.abs().log10().floor()).clamp(1.0, 9.0) as usize
}

fn range(low: f64, high: f64, bound: bool) -> String {
    if bound {
        format!("at most {} %", percent(high))
    } else {
        format!("{} % to {} %", percent(low), percent(high))
    }
}

fn row(line: &Line) -> String {
    let raw = line.raw.map_or("–".into(), |e| format!("{} %", percent(e.value)));
    let interval = line.raw.map_or("–".into(), |e| range(e.low, e.high, e.bound));
    let corrected = line.corrected.map_or("not measured".into(), |c| range(c.low, c.high, c.bound));
    let (key, documents) = (plain(&line.key.replace('_', " ")), line.documents);
    format!("| {key} | {documents} | {raw} | {interval} | {corrected} |\n")
}

fn table(lines: &[&Line]) -> String {
    let mut out = String::from(
        "| what | documents | share | 95 % interval | corrected for the scorer's errors |\n|---|---|---|---|---|\n",
    );
    lines.iter().for_each(|line| out.push_str(&row(line)));
    out
}

/// What was counted and with what, in two sentences.
fn method(audit: &Audit) -> String {
    let known = |all: &[String]| if all.is_empty() { "not known".into() } else { all.join(", ") };
    format!(
        "Counted with parable {} (filter set {}, model {}) over {} documents, of which {} were scored; a document counts from a probability of {}. The scorer's errors: {}.",
        audit.parable,
        plain(&known(&audit.versions.filter_sets)),
        plain(&known(&audit.versions.models)),
        audit.totals.documents,
        audit.totals.scored,
        audit.threshold,
        plain(&audit.quality.summary),
    )
}

/// Alerts, and whether the audit holds the whole dataset.
fn reserves(audit: &Audit) -> Vec<String> {
    let mut all: Vec<String> = audit
        .notices
        .iter()
        .filter(|notice| notice.level == "alert")
        .take(NAMED)
        .map(|notice| plain(&notice.text))
        .collect();
    if !audit.complete {
        all.push("The run had not ended: these figures cover a part of the dataset only.".into());
    }
    all.push("The scorer errs, and finds unusual stories less often than those it was fitted on; shares are what it flags, not what is there, unless corrected.".into());
    all
}

/// A section for a dataset card on the Hugging Face Hub.
pub fn dataset_card(audit: &Audit) -> String {
    let mut out = String::from("## Stories about machines and power\n\n");
    let _ = writeln!(out, "{}\n", method(audit));
    out.push_str(&table(&audit.headline.iter().collect::<Vec<_>>()));
    for id in ["coercion_categories", "admirable_categories"] {
        let Some(found) = audit.tables.iter().find(|t| t.id == id) else { continue };
        let lines: Vec<&Line> = found.lines.iter().filter(|l| l.documents > 0).collect();
        let _ = writeln!(out, "\n### {}\n", found.title);
        if lines.is_empty() {
            out.push_str("None was found.\n");
        } else {
            out.push_str(&table(&lines));
        }
    }
    out.push_str(
        "\n### Where\n\n| source | documents | flagged | 95 % interval |\n|---|---|---|---|\n",
    );
    for source in audit.sources.iter().take(NAMED) {
        let interval = source.coercion.raw.map_or("–".into(), |e| range(e.low, e.high, e.bound));
        let (key, all, flagged) = (plain(&source.key), source.documents, source.coercion.documents);
        let _ = writeln!(out, "| {key} | {all} | {flagged} | {interval} |");
    }
    out.push_str("\n### Reserves\n\n");
    reserves(audit).iter().for_each(|text| {
        let _ = writeln!(out, "- {text}");
    });
    out
}

/// Answers for a datasheet, under the questions of "Datasheets for Datasets" that they belong to.
pub fn datasheet(audit: &Audit) -> String {
    let done: Vec<String> =
        audit.actions.iter().filter(|(_, n)| **n > 0).map(|(a, n)| format!("{n} {a}")).collect();
    let done =
        if done.is_empty() { "not known: no ledger was read".into() } else { done.join(", ") };
    let policies = audit.versions.policies.join(", ");
    let policy = if policies.is_empty() { "no policy known".to_string() } else { plain(&policies) };
    let lines: Vec<String> = audit
        .headline
        .iter()
        .filter_map(|line| {
            line.raw.map(|e| {
                format!(
                    "{}: {} of {} documents ({})",
                    plain(&line.key),
                    line.documents,
                    line.of,
                    range(e.low, e.high, e.bound)
                )
            })
        })
        .collect();
    format!(
        "# Datasheet: stories about machines and power\n\n## Composition\n\n**Does the dataset contain data that might teach a model harmful conduct?** {}. {}\n\n**Are there errors, sources of noise, or redundancies?** {} records could not be read; {} shards are damaged in {} places. {}\n\n## Preprocessing\n\n**Was any preprocessing, cleaning or labelling done?** Policy {}: {}.\n\n## Uses\n\n**Is there anything that might affect future uses?** {}\n",
        lines.join("; "),
        method(audit),
        audit.totals.quarantined,
        audit.damage.iter().map(|d| &d.shard).collect::<std::collections::BTreeSet<_>>().len(),
        audit.damage.len(),
        copies(audit),
        policy,
        done,
        reserves(audit).join(" "),
    )
}

fn copies(audit: &Audit) -> String {
    match &audit.copies {
        None => "Near-duplicates were not looked for.".into(),
        Some(copies) => {
            let within: usize = copies.clusters.iter().map(|c| c.size).sum();
            format!(
                "Of {} flagged texts that were compared, {within} are near-duplicates of another.",
                copies.compared
            )
        }
    }
}

/// Croissant 1.0 with terms for responsible AI. It describes the exported tables as a dataset of
/// its own; the `rai:` terms are about the audited data and may be copied to its own description.
pub fn croissant(audit: &Audit, sheets: &[Sheet]) -> Value {
    let file = |sheet: &Sheet| {
        let name = format!("{}.csv", sheet.name);
        let hash = Sha256::digest(sheet.csv().as_bytes());
        let sha256 = hash.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        });
        json!({
            "@type": "cr:FileObject", "@id": name, "name": name, "description": sheet.about,
            "contentUrl": name, "encodingFormat": "text/csv", "sha256": sha256,
        })
    };
    let findings: Vec<String> = audit
        .headline
        .iter()
        .filter_map(|line| {
            line.raw.map(|e| format!("{}: {}", line.key, range(e.low, e.high, e.bound)))
        })
        .collect();
    json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": "parable_audit",
        "description": format!("Composition audit of a training dataset: how many documents tell of machines that manipulate or coerce, and of machines that do well under pressure. {}", method(audit)),
        "version": audit.parable,
        "rai:dataBiases": format!("Share of documents that tell of it, with 95 % intervals: {}.", findings.join("; ")),
        "rai:dataLimitations": reserves(audit).join(" "),
        "rai:dataAnnotationProtocol": method(audit),
        "rai:dataAnnotationPlatform": format!("parable {}", audit.parable),
        "rai:dataAnnotationAnalysis": audit.quality.summary,
        "rai:dataPreprocessingProtocol": audit.versions.policies.join(", "),
        "rai:dataUseCases": "Choosing, filtering and describing text for training language models.",
        "rai:dataSocialImpact": "Models that learn from stories of coercing machines may act like them; the audit says how many there are.",
        "distribution": sheets.iter().map(file).collect::<Vec<_>>(),
        "recordSet": sheets.iter().map(record_set).collect::<Vec<_>>(),
    })
}

fn record_set(sheet: &Sheet) -> Value {
    let fields: Vec<Value> = sheet
        .columns
        .iter()
        .map(|column| {
            let kind = match column.values {
                Values::Text(_) => "sc:Text",
                Values::Count(_) => "sc:Integer",
                Values::Number(_) => "sc:Float",
            };
            json!({
                "@type": "cr:Field", "@id": format!("{}/{}", sheet.name, column.name),
                "name": column.name, "description": column.name.replace('_', " "),
                "dataType": kind,
                "source": {
                    "fileObject": { "@id": format!("{}.csv", sheet.name) },
                    "extract": { "column": column.name },
                },
            })
        })
        .collect();
    json!({
        "@type": "cr:RecordSet", "@id": sheet.name, "name": sheet.name,
        "description": sheet.about, "field": fields,
    })
}

/// The names of the Croissant vocabulary.
fn context() -> Value {
    json!({
        "@language": "en", "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
        "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
        "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
        "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
        "replace": "cr:replace", "sc": "https://schema.org/", "separator": "cr:separator",
        "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_corpus_are_plain_in_markdown() {
        assert_eq!(plain("a|b\n# [x](y) <b>"), "a\\|b \\# \\[x\\]\\(y\\) &lt;b&gt;");
        assert_eq!(percent(0.00001234), "0.0012");
        assert_eq!(percent(0.25), "25.0");
    }
}
