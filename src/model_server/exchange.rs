//! One request and its reply.

use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::{Agent, Body};

use super::endpoint::Endpoint;
use super::reply::{self, Answer, Unreadable};
use super::secret::Secret;

/// Most bytes of a reply: a chat completion of many thousand tokens is far smaller.
pub const LARGEST: u64 = 4 << 20;
/// Most bytes that are read of a reply that is an error.
const LARGEST_ERROR: u64 = 64 << 10;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// In words, the server's own among them, without the key.
    pub detail: String,
    /// How long the server asks to be left alone.
    pub after: Option<Duration>,
}

/// Kinds of fault, as the books name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 429.
    RateLimited,
    /// 5xx and 408.
    ServerError,
    Timeout,
    /// The connection ended before the reply did.
    Cut,
    Unreachable,
    InvalidJson,
    /// JSON, but no chat completion with a text in it.
    WrongShape,
    TooLarge,
    /// The server does not want this request: 400, 413, 422, ….
    BadRequest,
    /// The server wants no request of ours: key, model, address or account is wrong.
    Denied,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    TryAgain,
    GiveUp,
    Halt,
}

impl Kind {
    #[must_use]
    pub fn then(self) -> Then {
        match self {
            Self::TooLarge | Self::BadRequest => Then::GiveUp,
            Self::Denied => Then::Halt,
            _ => Then::TryAgain,
        }
    }

    /// Whether the model may have worked for this, and be paid for it.
    #[must_use]
    pub fn may_cost(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Cut | Self::InvalidJson | Self::WrongShape | Self::TooLarge
        )
    }
}

/// Sends requests over connections that are kept open.
pub struct Exchange {
    agent: Agent,
    endpoint: Endpoint,
    key: Option<Secret>,
}

impl Exchange {
    /// `timeout` is for a whole exchange, from the name of the host to the last byte.
    #[must_use]
    pub fn new(endpoint: Endpoint, key: Option<Secret>, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(20))))
            // The key goes to the address that was given and nowhere else.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("parable/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), endpoint, key }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn send(&self, body: &[u8]) -> Result<Answer, Fault> {
        let mut request =
            self.agent.post(self.endpoint.url()).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", key.bearer());
        }
        let mut response = request.send(body).map_err(|e| self.broken(&e))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(self.refused(status, &mut response));
        }
        let body = read(response.body_mut(), LARGEST).map_err(|e| self.broken(&e))?;
        let mut answer = reply::answer(&body).map_err(|fault| {
            let (kind, words) = match fault {
                Unreadable::NotJson => (Kind::InvalidJson, "the reply is no JSON"),
                Unreadable::WrongShape => (Kind::WrongShape, "the reply holds no answer"),
            };
            self.fault(kind, &format!("{words}: {}", String::from_utf8_lossy(&body)), None)
        })?;
        answer.text = self.scrub(&answer.text);
        Ok(answer)
    }

    fn refused(&self, status: u16, response: &mut ureq::http::Response<Body>) -> Fault {
        let after = retry_after(response.headers());
        let body = read(response.body_mut(), LARGEST_ERROR).unwrap_or_default();
        let (said, code) = reply::complaint(&body);
        // Some services answer 429 to an account that is out of money: no waiting helps.
        let kind = match status {
            429 if code == "insufficient_quota" => Kind::Denied,
            429 => Kind::RateLimited,
            408 | 425 | 500.. => Kind::ServerError,
            300..=399 | 401..=405 => Kind::Denied,
            _ => Kind::BadRequest,
        };
        self.fault(kind, &format!("{status}: {said}"), after)
    }

    fn broken(&self, error: &ureq::Error) -> Fault {
        use std::io::ErrorKind as Io;
        use ureq::Error as E;
        let kind = match error {
            E::Timeout(_) => Kind::Timeout,
            E::BodyExceedsLimit(_) | E::LargeResponseHeader(..) => Kind::TooLarge,
            E::HostNotFound | E::ConnectionFailed | E::ConnectProxyFailed(_) => Kind::Unreachable,
            E::Io(io) => match io.kind() {
                Io::TimedOut => Kind::Timeout,
                // A certificate that does not hold.
                Io::InvalidData => Kind::Denied,
                Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe => Kind::Cut,
                Io::UnexpectedEof => Kind::Cut,
                // Names that cannot be looked up come without a kind of their own.
                _ => Kind::Unreachable,
            },
            E::Protocol(_) | E::BodyStalled => Kind::Cut,
            // An address that cannot be, a proxy that is none.
            _ => Kind::Denied,
        };
        self.fault(kind, &error.to_string(), None)
    }

    fn fault(&self, kind: Kind, said: &str, after: Option<Duration>) -> Fault {
        // First the key, then the length: a key that is cut in two would not be found.
        Fault { kind, detail: reply::short(&self.scrub(said)), after }
    }

    fn scrub(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.into(), |key| key.scrub(text))
    }
}

/// A body of at most so many bytes.
fn read(body: &mut Body, most: u64) -> Result<Vec<u8>, ureq::Error> {
    body.with_config().limit(most).read_to_vec()
}

/// `Retry-After`: seconds, or a date, which is measured against the date of the reply itself, so
/// that clocks which differ do no harm.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let given = text("retry-after")?;
    if let Ok(seconds) = given.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let left = seconds_of(given)?.checked_sub(seconds_of(text("date")?)?)?;
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// Seconds since 1970 of a date like `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next().filter(|m| m.len() == 3)?;
    let month = i64::try_from(MONTHS.find(month)? / 3).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let seconds = clock.next()?? * 3600 + clock.next()?? * 60 + clock.next()??;
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date whose year begins in March, so that a leap day comes last.
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        let after = |given: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", given.parse().expect("a value"));
            headers.insert("date", date.parse().expect("a value"));
            retry_after(&headers).map(|d| d.as_secs_f64())
        };
        let date = "Sat, 29 Feb 2020 23:59:50 GMT";
        assert_eq!(after("2.5", ""), Some(2.5));
        assert_eq!(after("Sun, 01 Mar 2020 00:00:20 GMT", date), Some(30.0));
        assert_eq!(after("Sat, 29 Feb 2020 23:00:00 GMT", date), Some(0.0));
        for odd in ["soon", "-1", "inf", "Sun, 01 Foo 2020 00:00:20 GMT"] {
            assert_eq!(after(odd, date), None, "{odd}");
        }
        assert_eq!(seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    }
}
