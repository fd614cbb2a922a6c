//! The `parable` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    parable::cli::main()
}
