//! The `parable` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    match parable::cli::main() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("parable: {error:#}");
            ExitCode::from(2)
        }
    }
}
