//! The stand-in as a program, to try `just release` without GitHub: prints the environment in which gh comes here, and serves
//! until it is stopped.

use hub::Hub;
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let hub = Hub::start("acme/dock0")?;
    std::env::args().skip(1).for_each(|commit| hub.push(&commit));
    let mut out = io::stdout();
    for name in hub.removed() {
        writeln!(out, "unset {name}")?;
    }
    for (name, value) in hub.environment() {
        writeln!(out, "export {name}={value}")?;
    }
    writeln!(
        out,
        "# {}/acme/dock0, until Ctrl-C; the commits in the arguments count as pushed",
        hub.public("127.0.0.1")
    )?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
