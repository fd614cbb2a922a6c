//! Parable finds the stories in training text that teach a model to manipulate and coerce, and
//! turns a corpus into one that teaches better.
//!
//! Read the modules in the order in which a document meets them. [`shard`] cuts files into pieces,
//! lines and records; [`scan`] searches undecoded lines and runs the rules; [`score`] sifts and turns a
//! [`document::Document`] into a [`score::Verdict`]; [`policy`] decides and [`apply`] writes the
//! record anew; [`attribute`] writes the sidecar row. [`pipeline`] joins all of them into one pass
//! and [`ledger`] keeps its books. [`filter`] holds the definitions, [`taxonomy`] the vocabulary,
//! [`text`] the spans that everything is said in, [`tokens`] the loss masks, [`token_files`] the files that trainers read,
//! [`counterexample`] the stories that teach better, [`model_server`] the client through which a model
//! can write them. [`cli`] is one file for each verb.
//!
//! Imports run one way and the core does no I/O: `docs/architecture.md` says how, and
//! `tests/tidy.rs` holds it.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod apply;
pub mod attribute;
pub mod audit;
pub mod bench;
pub mod cli;
pub mod composition;
pub mod counterexample;
pub mod document;
pub mod encoder;
pub mod filter;
pub mod ledger;
pub mod model_server;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod portrait;
pub mod scan;
pub mod score;
pub mod shard;
pub mod taxonomy;
pub mod text;
pub mod token_files;
pub mod tokens;
