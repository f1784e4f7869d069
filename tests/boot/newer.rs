//! A VM that looks for a newer release at every boot, and boots whatever comes of it.

use crate::install::boot;
use anyhow::{Context, Result, ensure};
use boot_tests::Publisher;
use boot_tests::partition::DiskFile;
use menagerie::{Artifact, ReleaseId};
use probe::Facts;
use serde_json::json;
use std::net::TcpListener;

/// A disk that trusts this publisher, and looks at every boot.
fn looking_disk(publisher: &Publisher, url: &str) -> Result<DiskFile> {
    let settings = json!({"manifest": {"url": url}, "check": "boot", "check_seconds": 20});
    publisher.partition()?.file("dock0/settings.json", settings.to_string().as_bytes())?.disk()
}

/// Which `vm_root` runs.
fn runs(facts: &Facts) -> Result<String> {
    let root = facts.mounts.iter().find(|mount| mount.target == "/run/vm/fs").context("there is a root")?;
    Ok(root.source.rsplit('/').next().unwrap_or_default().into())
}

fn id(version: &str) -> ReleaseId {
    ReleaseId::of(&[Artifact {
        name: "vm_root".parse().expect("a name"),
        version: version.parse().expect("a version"),
    }])
}

#[test]
fn a_newer_release_is_installed_and_booted_and_no_older_one() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let disk = looking_disk(&publisher, &publisher.url("release.json"))?;
    assert_eq!(runs(&boot(&disk, "").facts()?)?, "s1");
    let (facts, report) = boot(&disk, "probe.run=/sbin/menagerie,good").to_done()?;
    assert_eq!(runs(&facts)?, "s1");
    ensure!(
        report.console.contains(&format!("what is offered is here: release 0, {}", id("s1"))),
        "{}",
        report.console
    );
    publisher.publish(2, &publisher.keys)?;
    let (facts, report) = boot(&disk, "probe.run=/sbin/menagerie,rollback").to_done()?;
    assert_eq!(runs(&facts)?, "s2");
    ensure!(
        report.console.contains(&format!("release {} is on trial: 2 boots are left", id("s2"))),
        "{}",
        report.console
    );
    // Somebody has gone back from it: that is not undone.
    assert_eq!(runs(&boot(&disk, "").facts()?)?, "s1");
    Ok(())
}

#[test]
fn a_bad_release_that_is_offered_again_is_left() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let disk = looking_disk(&publisher, &publisher.url("release.json"))?;
    boot(&disk, "probe.run=/sbin/menagerie,good").facts()?;
    publisher.publish(2, &publisher.keys)?;
    for _ in 0..3 {
        assert_eq!(runs(&boot(&disk, "").facts()?)?, "s2");
    }
    let facts = boot(&disk, "probe.run=/sbin/menagerie,reap,--retain,0").facts()?;
    assert_eq!(runs(&facts)?, "s1");
    let (facts, report) = boot(&disk, "").to_done()?;
    assert_eq!(runs(&facts)?, "s1");
    let said = format!("what is offered, release {}, is bad: it was tried and failed", id("s2"));
    ensure!(report.console.contains(&said), "{}", report.console);
    Ok(())
}

/// A server that takes connections and says nothing costs the time that was settled, and no more.
#[test]
fn whoever_does_not_answer_keeps_nobody_from_booting() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let port = silent.local_addr()?.port();
    let disk = {
        let settings =
            json!({"manifest": {"url": format!("https://10.0.2.2:{port}/x")}, "check": "boot", "check_seconds": 3});
        let image = boot_tests::Root::with_menagerie("here")?.pack(dock0::image::Format::Erofs)?;
        let partition = publisher.partition()?.file("dock0/settings.json", settings.to_string().as_bytes())?;
        partition.latest()?.release(0, &image)?.disk()?
    };
    let (facts, report) = boot(&disk, "probe.run=/sbin/menagerie,boots,--json").to_done()?;
    assert_eq!(runs(&facts)?, "r0");
    ensure!(
        report.console.contains("fetching the manifest: it has taken too long: booting what is there"),
        "{}",
        report.console
    );
    let at = |text: &str| -> Result<f64> {
        let line = report.console.lines().find(|line| line.contains(text)).context(text.to_string())?;
        let time = line.split(['[', ']']).nth(1).context("a time")?;
        Ok(time.trim().parse()?)
    };
    let took = at("booting what is there")? - at("looking for a newer release, for 3 s at most")?;
    ensure!((2.5..10.0).contains(&took), "it took {took} s: {}", report.console);
    let boots: serde_json::Value = serde_json::from_str(&facts.ran[0].out)?;
    assert_eq!(boots[0]["sentence"], "fetching the manifest: it has taken too long");
    assert_eq!((&boots[0]["result"], &boots[0]["release"]), (&json!("handed over"), &json!(id("r0").to_string())));
    Ok(())
}
