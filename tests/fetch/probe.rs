//! The child of the tests: the fetching child itself under its name, and under others somebody who tries what it must not.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args().collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    match words.as_slice() {
        [name, rest @ ..] if *name == init::fetch::NAME => init::fetch::child::run(rest),
        _ => ExitCode::from(2),
    }
}
