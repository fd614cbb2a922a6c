//! What counts as a URL, and how one is shown.

/// Whether this names something behind a URL rather than a file.
#[must_use]
pub fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// A URL without what may be secret in it: name and password before `@`, and everything behind
/// `?`, where signed URLs carry their signature. Other words come back as they are.
#[must_use]
pub fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|_| is_url(text)) else {
        return text.to_string();
    };
    // A `?` in a key of a store is a wildcard or a character; only web addresses carry queries.
    let rest = if is_web(text) { rest.split(['?', '#']).next().unwrap_or("") } else { rest };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Whether the URL leads to a plain web server.
#[must_use]
pub fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_files() {
        for url in ["s3://b/k", "gs://b", "az://c/x?.jsonl", "https://h/x", "made+up://x"] {
            assert!(is_url(url), "{url}");
        }
        for file in ["a.jsonl", "/a/b", "C:\\x", "-", "@list", "://x", "a b://c"] {
            assert!(!is_url(file), "{file}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("https://me:pw@host/a.jsonl?X-Sig=1#f"), "https://host/a.jsonl");
        assert_eq!(shown("s3://bucket/part-?.jsonl"), "s3://bucket/part-?.jsonl");
        assert_eq!(shown("plain?file.jsonl"), "plain?file.jsonl");
    }
}
