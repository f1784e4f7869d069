//! What the kernel command line asks for.

use crate::failure::{Doing, Failure};
use crate::log::{note, say};
use crate::rescue;
use wire::cmdline::{self, Cmdline, Drill};

/// Reads /proc/cmdline. What it says of the rescue holds from here on, even if the rest of it is bad.
pub fn read() -> Result<Cmdline, Failure> {
    let line = std::fs::read("/proc/cmdline").doing(|| "reading /proc/cmdline".into())?;
    rescue::obey(cmdline::rescue_policy(&line));
    let orders = cmdline::parse(&line).map_err(|bad| Failure::new(bad.to_string()))?;
    say!("version {} boots {}", env!("CARGO_PKG_VERSION"), orders.root);
    if orders.cut_off {
        note!("the kernel command line is as long as the kernel allows, so its last word was not trusted");
    }
    for word in &orders.unknown {
        note!("kernel command line: {word}: no such parameter, ignored");
    }
    Ok(orders)
}

/// Fails on purpose.
pub fn hold_drill(drill: Drill) -> Result<(), Failure> {
    match drill {
        Drill::Error => Err(Failure::new("dock0.drill=error: failing as asked")),
        #[expect(clippy::panic, reason = "a drill of the panic hook has to panic")]
        Drill::Panic => panic!("dock0.drill=panic: failing as asked"),
        Drill::Hang => loop {
            std::thread::park();
        },
    }
}
