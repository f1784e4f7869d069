//! Running a program on a disk that may be broken in any way: it ends, or it is ended.

use anyhow::{Context, Result};
use dock0::tool::Tool;
use std::process::Command;

const PRLIMIT: Tool = Tool { program: "prlimit", package: "util-linux" };
/// Seconds of processor time, of which a sound disk takes hundredths. What these programs read is there at once, so one
/// that does not come to its end is in a loop.
const LIMIT: &str = "--cpu=20";

/// An error says that the program that sets limits is missing, and how to get it.
pub fn require() -> Result<()> {
    PRLIMIT.run(PRLIMIT.command().arg("--version")).map(drop)
}

/// Runs the tool with these arguments. An error is what it said, or that it was ended.
pub fn run(tool: Tool, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let mut command = PRLIMIT.command();
    command.args([LIMIT, "--", tool.program]);
    PRLIMIT.run(arguments(&mut command)).with_context(|| tool.program.to_string()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_says_is_quoted() {
        let shell = Tool { program: "sh", package: "dash" };
        run(shell, |command| command.args(["-c", "exit 0"])).expect("it ended well");
        let error =
            format!("{:#}", run(shell, |command| command.args(["-c", "echo why; exit 3"])).expect_err("it failed"));
        assert!(error.starts_with("sh: ") && error.contains("exit status: 3") && error.contains("why"), "{error}");
        let limit = run(shell, |command| command.args(["-c", "test $(ulimit -t) = 20"]));
        limit.expect("a limit is set");
    }
}
