//! The programs of the tests: the fetching child itself, under its name; children that are up to no good, under the names of
//! their misdeeds; somebody locked up who tries what is forbidden; and a parent that can be killed.

use fetch_tests::jail;
use init::fetch::job::{Job, Patience, What};
use init::fetch::parent::{Progress, Terms, fetch};
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let words = std::env::args().collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    let done = match words.as_slice() {
        [name, rest @ ..] if *name == init::fetch::NAME => match misdeed().as_deref() {
            Ok("fetch-probe") => return init::fetch::child::run(rest),
            Ok(misdeed) => misbehave(misdeed),
            Err(error) => Err(error.to_string().into()),
        },
        [_, "jail", attempt, parent] => locked_up(attempt, parent),
        [_, "parent", url, part, ca, size, seed] => be_a_parent(url, part, ca, size, seed),
        _ => Err("fetch-probe is for the tests of fetching alone".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn Error>>;

/// The name of the file that runs.
fn misdeed() -> std::io::Result<String> {
    let path = std::env::current_exe()?;
    Ok(path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

fn misbehave(misdeed: &str) -> Done {
    let say = |text: &str| std::io::stdout().write_all(text.as_bytes());
    let pause = || std::thread::sleep(Duration::from_secs(60));
    say(&format!("note pid {}\n", std::process::id()))?;
    match misdeed {
        "says-done" => say("done 5\n")?,
        "says-escapes" => say("note \x1b[2J\n")?,
        "says-too-much" => say("at 1000000000\n")?,
        "says-another-mirror" => say("mirror 4\n")?,
        "says-durable" => say("durable 4 v\nfailed of course\n")?,
        "says-words" => say("exec /bin/sh\n")?,
        "never-ends-a-line" => while say(&"x".repeat(1000)).is_ok() {},
        "floods" => while say("note again\n").is_ok() {},
        "says-nothing" => pause(),
        "ends-with-a-failure" => return Err("".into()),
        "dies" => nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL)?,
        "hangs-up" => {
            rustix::stdio::dup2_stdout(File::open("/dev/null")?)?;
            pause();
        }
        "tells-what-it-has" => {
            let environment = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            let mut open = std::fs::read_dir("/proc/self/fd")?
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .collect::<Result<Vec<_>, _>>()?;
            open.sort();
            say(&format!("note {environment:?} {open:?} {}\ndone 5\n", std::env::current_dir()?.display()))?;
        }
        _ => return Err(format!("{misdeed} is no misdeed").into()),
    }
    Ok(())
}

fn locked_up(attempt: &str, parent: &str) -> Done {
    let parent = rustix::process::Pid::from_raw(parent.parse()?).ok_or("the parent has no number")?;
    let found = jail::attempt(attempt, parent)?;
    println!("{found}");
    Ok(())
}

/// Fetches noise of this size and seed into a file, and tells where the child is.
fn be_a_parent(url: &str, part: &str, ca: &str, size: &str, seed: &str) -> Done {
    let bytes = fetch_tests::noise(size.parse()?, seed.parse()?);
    let job = fetch_tests::place::job(&bytes, &[url]);
    let What::Artifact { .. } = job.what else { return Err("not an artifact".into()) };
    let job = Job { patience: Patience { rate: 1, ..job.patience }, ..job };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part)?;
    let terms = Terms { program: None, ca: Some(Path::new(ca)), deadline: Duration::from_secs(60) };
    let fetched = fetch(&job, file, &terms, &mut |progress| {
        if let Progress::At(bytes) = progress {
            println!("{bytes}");
        }
    });
    fetched.and_then(|fetched| fetched.by_reading()).map_err(|failure| failure.to_string())?;
    println!("done");
    Ok(())
}
