//! Each attack is refused with its sentence, changes nothing that it may not, and hinders no good manifest after it.

use crate::table::{ATTACKS, Attack, Leaves, Program};
use anyhow::{Result, ensure};
use boot_tests::installer::{self, Ran};
use boot_tests::partition::DiskFile;
use boot_tests::publisher::{LOCALHOST, Publisher, Release, Signed, artifact, new_keys, public_key};
use dock0::signing::Signer;
use fetch_tests::ca::Ca;
use fetch_tests::hostile::{Hostile, Wire};
use fetch_tests::nginx::Nginx;
use std::collections::BTreeMap;
use tempfile::TempDir;

const SIZE: usize = 1_000_000;

/// What the `vm_root` of this serial is.
pub fn bytes(serial: u64) -> Vec<u8> {
    fetch_tests::noise(SIZE, serial)
}

/// A machine with a disk, a publisher that it trusts, and those who attack it.
pub struct Scene {
    /// Whose key is pinned.
    pub publisher: Publisher,
    /// Whose key is pinned too, and in the wrong hands.
    pub stolen: TempDir,
    /// Whose key nobody pinned.
    pub stranger: TempDir,
    /// A server with a certificate of a CA that nobody trusts.
    pub impostor: Nginx,
    /// Serial 9, which was installed.
    pub before: Signed,
    /// Serial 10, which is installed.
    pub present: Signed,
    disk: DiskFile,
    hostile: Option<Hostile>,
    names: Vec<(String, &'static str)>,
}

impl Scene {
    fn new() -> Result<Scene> {
        let publisher = Publisher::of_bytes(vec![], LOCALHOST)?;
        let (stolen, stranger) = (new_keys()?, new_keys()?);
        let disk =
            publisher.partition()?.file("dock0/trust/stolen.pub", &public_key(&stolen)?)?.disk_of(24 << 20, "dock0")?;
        let impostor = Nginx::start(&Ca::new(&[LOCALHOST])?, &[])?;
        let names = names(&publisher, &impostor, &stolen, &stranger)?;
        let (before, present) = (Signed::default(), Signed::default());
        let mut scene = Scene { publisher, stolen, stranger, impostor, before, present, disk, hostile: None, names };
        (scene.before, scene.present) = (scene.signed(9)?, scene.signed(10)?);
        for signed in [&scene.before, &scene.present] {
            let url = scene.offer(signed)?;
            scene.install_well(&url)?;
        }
        Ok(scene)
    }

    /// What the publisher says in the manifest of this serial; its artifact is there.
    pub fn release(&self, serial: u64) -> Result<Release> {
        let (version, bytes) = (format!("s{serial}"), bytes(serial));
        self.publisher.nginx.put(&version, &bytes)?;
        let artifacts = vec![artifact("vm_root", &version, &bytes, &self.publisher.url(&version))];
        Ok(Release { serial, artifacts, ..Release::default() })
    }

    /// The same, signed.
    pub fn signed(&self, serial: u64) -> Result<Signed> {
        self.release(serial)?.sign(&self.publisher.keys)
    }

    /// Puts a manifest where the machine finds it.
    pub fn offer(&self, signed: &Signed) -> Result<String> {
        self.publisher.offer(signed)?;
        Ok(self.publisher.url("release.json"))
    }

    /// The publisher says this.
    pub fn offer_of(&self, release: Release) -> Result<String> {
        self.offer(&release.sign(&self.publisher.keys)?)
    }

    /// A server that answers everything with this behind a head.
    pub fn hostile(&mut self, act: fn(&mut Wire)) -> Result<String> {
        let script = move |_, _: &_, wire: &mut Wire| {
            wire.say("HTTP/1.1 200 OK\r\n\r\n");
            act(wire);
        };
        let tls = self.publisher.ca.server()?;
        let hostile = self.hostile.insert(Hostile::start("127.0.0.1", Some(tls), Box::new(script))?);
        Ok(hostile.url("anything"))
    }

    /// A good manifest whose artifact is on such a server.
    pub fn artifact_from(&mut self, act: fn(&mut Wire)) -> Result<String> {
        let url = self.hostile(act)?;
        self.offer_of(Release { artifacts: vec![artifact("vm_root", "s11", &bytes(11), &url)], ..self.release(11)? })
    }

    /// What the operator does when a key was stolen.
    pub fn unpin_stolen(&self) -> Result<()> {
        let ran = installer::run_on(&self.disk, &["rm", "DISK/dock0/trust/stolen.pub"])?;
        ensure!(ran.code == Some(0), "{ran:?}");
        Ok(())
    }

    /// Installs, as it should.
    pub fn install_well(&self, url: &str) -> Result<()> {
        let ran = self.install(Program::Shipped, url)?;
        ensure!(ran.code == Some(0), "{ran:?}");
        Ok(())
    }

    fn install(&self, program: Program, url: &str) -> Result<Ran> {
        match program {
            Program::Shipped => installer::install(&self.disk, url),
            Program::Hasty => installer::run_on(&self.disk, &[env!("CARGO_BIN_EXE_hasty"), installer::DISK, url]),
        }
    }

    /// What is said, with the names of this scene's people in place of their keys and ports.
    fn anonymous(&self, said: &str) -> String {
        let hostile = self.hostile.as_ref().map(|hostile| (hostile.host(), "HOSTILE"));
        let names = self.names.iter().cloned().chain(hostile);
        names.fold(said.to_string(), |said, (found, name)| said.replace(&found, name))
    }

    /// Every file of the disk; a serial of the good key is called by its number alone.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let name = |path: String| match self.anonymous(&path).strip_prefix("dock0/state/serial-GOOD-") {
            Some(rest) => format!("serial {}", rest.split('-').next().unwrap_or_default()),
            None => path,
        };
        Ok(self.disk.everything()?.into_iter().map(|(path, bytes)| (name(path), bytes)).collect())
    }
}

/// What the keys and servers of a scene are called.
fn names(
    publisher: &Publisher,
    impostor: &Nginx,
    stolen: &TempDir,
    stranger: &TempDir,
) -> Result<Vec<(String, &'static str)>> {
    let port = |url: &str| url.split('/').nth(2).unwrap_or_default().to_string();
    let mut names = vec![(port(&publisher.url("")), "NGINX"), (port(&impostor.https("")), "IMPOSTOR")];
    for (keys, name) in [(&publisher.keys, "GOOD"), (stolen, "STOLEN"), (stranger, "STRANGER")] {
        names.push((Signer::read(&keys.path().join("manifest.key"))?.id()?.to_string(), name));
    }
    Ok(names)
}

/// What is there no more, what is new, and what is different.
fn changes(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let gone = before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("- {path}"));
    let others = after.iter().filter_map(|(path, bytes)| match before.get(path) {
        None => Some(format!("+ {path}")),
        Some(had) if had != bytes => Some(format!("~ {path}")),
        Some(_) => None,
    });
    gone.chain(others).collect()
}

#[test]
fn each_attack_is_refused_changes_nothing_and_hinders_nobody() -> Result<()> {
    let mut scene = Scene::new()?;
    let disk = scene.disk.copy()?;
    let mut wrong = Vec::new();
    for attack in ATTACKS {
        (scene.disk, scene.hostile) = (disk.copy()?, None);
        if let Err(error) = play(&mut scene, attack) {
            wrong.push(format!("{}, {}: {error:#}", attack.name, attack.way));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn play(scene: &mut Scene, attack: &Attack) -> Result<()> {
    let url = (attack.prepare)(scene)?;
    let before = scene.files()?;
    let ran = scene.install(attack.program, &url)?;
    let said = scene.anonymous(&ran.said);
    ensure!(ran.code == Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    ensure!(last.starts_with(&format!("menagerie: {}", attack.sentence)), "{said}");
    let left: &[&str] = match attack.leaves {
        Leaves::Nothing => &[],
        Leaves::SerialAndPart => &["- serial 10", "+ artifacts/vm_root/.s11.part", "+ serial 11"],
    };
    let changes = changes(&before, &scene.files()?);
    ensure!(changes == left, "{changes:?}");
    check_recovery(scene, &before)
}

/// The next good manifest installs, in front of what was there.
fn check_recovery(scene: &Scene, before: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let url = scene.offer(&scene.signed(12)?)?;
    scene.install_well(&url)?;
    let after = scene.files()?;
    let link =
        |files: &BTreeMap<String, Vec<u8>>, number: u32| files.get(&format!("releases/{number}/vm_root")).cloned();
    ensure!(link(&after, 0).as_deref() == Some(b"../../artifacts/vm_root/s12"), "{:?}", link(&after, 0));
    ensure!(link(&after, 1) == link(before, 0), "the release before");
    ensure!(after.get("artifacts/vm_root/s12") == Some(&bytes(12)), "its bytes");
    ensure!(after.contains_key("serial 12"), "remembered");
    let kept = |path: &&String| path.starts_with("artifacts/") || *path == "latest";
    let lost = before.iter().filter(|(path, bytes)| kept(path) && after.get(*path) != Some(bytes)).count();
    ensure!(lost == 0 && !after.keys().any(|path| path.ends_with(".part")), "{:?}", after.keys());
    Ok(())
}

/// The row of the table that is no attack: a publisher who signs the last serial there is, by mistake, has spent that key's
/// serials on every machine that took it. The next key begins afresh.
#[test]
fn a_key_that_has_spent_its_serials_is_followed_by_the_next() -> Result<()> {
    let scene = Scene::new()?;
    let last = Release { serial: u64::MAX, ..scene.release(11)? };
    scene.install_well(&scene.offer_of(last)?)?;
    let url = scene.offer(&scene.signed(12)?)?;
    let ran = scene.install(Program::Shipped, &url)?;
    let sentence = "its serial is 12, and 18446744073709551615 was accepted from the same key (rollback)";
    ensure!(ran.code == Some(1) && ran.said.contains(sentence), "{ran:?}");
    // The key that was stolen from somebody else is only the next one here.
    let next = Release { serial: 1, ..scene.release(12)? };
    scene.offer(&next.sign(&scene.stolen)?)?;
    scene.install_well(&url)
}

#[test]
fn the_table_has_all_ten() {
    let mut names = ATTACKS.iter().map(|attack| attack.name).collect::<Vec<_>>();
    names.dedup();
    let ten = [
        "arbitrary installation",
        "endless data",
        "slow retrieval",
        "indefinite freeze",
        "rollback",
        "fast-forward",
        "mix-and-match",
        "wrong software",
        "malicious mirror",
        "key compromise",
    ];
    assert_eq!(names, ten);
}
