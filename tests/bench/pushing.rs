//! How long a push takes, alone and among a thousand connections that say nothing: `menagerie receive` as it ships, and curl.

use crate::median;
use anyhow::{Context, Result, ensure};
use bundles::gzip;
use bundles::tar::{Archive, Header};
use fetch_tests::operators::{Operators, Paper};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TIMES: usize = 7;
const CROWD: usize = 1000;
/// How long what is in the bundle is, in bytes.
const SIZE: usize = 200_000;

/// Prints both times, and how many times the one is the other.
pub fn measure_all() -> Result<()> {
    let place = Place::new()?;
    let mut alone = Vec::new();
    let mut among = Vec::new();
    // In turns, since the machine may be busier at one time than at another.
    for _ in 0..TIMES {
        alone.push(place.push(0)?);
        among.push(place.push(CROWD)?);
    }
    let (alone, among) = (median(alone)?.as_secs_f64(), median(among)?.as_secs_f64());
    println!(
        "a push of {} kB to menagerie receive, median of {TIMES}: {:.0} ms alone, {:.0} ms among {CROWD} idle connections \
         ({:.1} times)",
        SIZE / 1000,
        alone * 1000.0,
        among * 1000.0,
        among / alone
    );
    Ok(())
}

/// A boot partition that operators may push to, and one of them.
struct Place {
    directory: tempfile::TempDir,
    client: PathBuf,
    bundle: PathBuf,
    port: u16,
}

impl Place {
    fn new() -> Result<Place> {
        let (directory, operators) = (tempfile::tempdir_in(qemu::repository().join("build"))?, Operators::new()?);
        let client = operators.issue(Paper::Client, directory.path())?;
        let bundle = directory.path().join("bundle.tar.gz");
        let header = Header::file("config/templates/noise", SIZE);
        fs::write(&bundle, gzip::pack(&Archive::default().add(header, &fetch_tests::noise(SIZE, 3)).end()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let place = Place { directory, client, bundle, port };
        fs::create_dir_all(place.disk().join("dock0/trust"))?;
        fs::write(place.disk().join("dock0/trust/operators.pem"), operators.pem)?;
        fs::write(place.disk().join("dock0/settings.json"), format!("{{\"config\":{{\"port\":{port}}}}}"))?;
        Ok(place)
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// One push while so many connections are open that say nothing.
    fn push(&self, crowd: usize) -> Result<Duration> {
        let mut listener = Command::new(boot_tests::init())
            .args(["menagerie", "receive", "--root"])
            .arg(self.disk())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting menagerie receive")?;
        let said = listener.stderr.take().context("it has no standard error")?;
        let said = BufReader::new(said).lines().next().context("it said nothing")??;
        ensure!(said.contains("waiting on port"), "menagerie receive: {said}");
        let idle: Vec<TcpStream> =
            (0..crowd).map(|_| TcpStream::connect(("127.0.0.1", self.port))).collect::<Result<_, _>>()?;
        let start = Instant::now();
        let output = self.curl()?;
        let took = start.elapsed();
        ensure!(output.starts_with("{\"sha256\":"), "curl: {output}");
        ensure!(idle.len() == crowd && listener.wait()?.success(), "menagerie receive failed");
        Ok(took)
    }

    fn curl(&self) -> Result<String> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-k", "--noproxy", "*", "--max-time", "60", "--cert"]).arg(&self.client).arg("-T");
        curl.arg(&self.bundle).arg(format!("https://127.0.0.1:{}/config", self.port));
        let output = curl.output().context("starting curl: apt-get install curl")?;
        ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}
