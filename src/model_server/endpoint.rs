//! The address of a server.

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
}

impl Endpoint {
    /// Reads an address as people give it: the root of a server, its `/v1`, or the whole path.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(given: &str) -> Result<Self, String> {
        let given = given.trim();
        let rest = ["http://", "https://"].iter().find_map(|scheme| given.strip_prefix(scheme));
        let Some(rest) = rest else {
            return Err(format!("{given}: an address begins with http:// or https://"));
        };
        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, format!("?{query}")),
            None => (rest, String::new()),
        };
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        if host.contains('@') {
            // Not shown: what stands before the sign is likely a password.
            return Err("an address must not hold a name or key before an `@`".into());
        }
        if host.is_empty() || given.contains('#') || given.chars().any(char::is_whitespace) {
            return Err(format!("{given}: no address of a server"));
        }
        let path = match path.trim_end_matches('/') {
            "" => "v1/chat/completions".into(),
            whole if whole.ends_with("chat/completions") => whole.to_string(),
            base => format!("{base}/chat/completions"),
        };
        let scheme = &given[..given.len() - rest.len()];
        Ok(Self { url: format!("{scheme}{host}/{path}{query}") })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The address without its query, which may hold a key.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_give_them() {
        let url = |given| Endpoint::parse(given).map(|e| e.url);
        let local = "http://localhost:8000/v1/chat/completions";
        for given in ["http://localhost:8000", "http://localhost:8000/v1/", local] {
            assert_eq!(url(given).as_deref(), Ok(local), "{given}");
        }
        let query = Endpoint::parse("https://a.example/openai?api-version=1").expect("sound");
        assert_eq!(query.url, "https://a.example/openai/chat/completions?api-version=1");
        assert_eq!(query.shown(), "https://a.example/openai/chat/completions");
        for given in ["localhost:8000", "ftp://a", "http://", "http://a b", "http://a/#x"] {
            assert!(url(given).is_err(), "{given}");
        }
        assert!(url("http://me:pass@a/v1").is_err_and(|e| !e.contains("pass")));
    }
}
