//! A client of servers that speak OpenAI's chat interface (vLLM, llama.cpp, Ollama, and services).
//!
//! [`Server::ask`] is all a caller needs: it looks into the [`cache`], keeps to the [`pace`] and the
//! [`budget`], sends by [`exchange`], tries again after what may pass, and keeps books of all that.
//! Time decides when a request goes out, never what is asked or what is made of an answer.

pub mod budget;
pub mod cache;
pub mod endpoint;
pub mod exchange;
pub mod pace;
pub mod reply;
pub mod secret;
pub mod server;

pub use budget::{Ceiling, Tokens};
pub use endpoint::Endpoint;
pub use reply::Answer;
pub use secret::Secret;
pub use server::{Books, Halt, Server, ServerError, Settings, Unanswered};
