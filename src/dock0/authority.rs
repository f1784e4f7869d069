//! The operators' certification authority: the certificates that operators and VMs know one another by.
//!
//! One CA signs both kinds, told apart by what they are for (RFC 5280, section 4.2.1.12), so that a VM's certificate pushes
//! nothing and an operator's is no VM.

use crate::manifest;
use crate::output::{Access, Existing, Output};
use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::ServerName;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the CA's files: `operators.pem` goes to each VM, `operators.key` stays with whoever makes certificates.
pub const CA: &str = "operators";
/// How long a certificate lasts, in days, if nobody says so: ten years.
pub const LASTS: u32 = 3650;
/// The longest that can be asked for, in days.
const LASTS_MOST: u32 = 36_500;
/// The CA's own, in days: forty years, since replacing it means visiting every VM.
const CA_LASTS: u32 = 14_610;
/// The seconds of a day.
const DAY: u64 = 86_400;

/// For whom a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who pushes.
    Operator,
    /// Who is pushed to.
    Vm,
}

/// A certificate to make.
pub struct Order<'o> {
    /// Whose: also the name of its files.
    pub name: &'o str,
    /// For whom.
    pub role: Role,
    /// What else a VM is called: names of DNS, and addresses.
    pub aliases: &'o [String],
    /// For how many days.
    pub days: u32,
}

/// A certificate and its key, on the disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// `NAME.pem`
    pub certificate: PathBuf,
    /// `NAME.key`
    pub key: PathBuf,
}

impl Pair {
    /// The files of this name in a directory.
    pub fn of(directory: &Path, name: &str) -> Pair {
        Pair { certificate: directory.join(format!("{name}.pem")), key: directory.join(format!("{name}.key")) }
    }

    /// Whether both are there; one without the other is an error.
    pub fn is_there(&self) -> Result<bool> {
        let is_there = |path: &Path| path.try_exists().with_context(|| format!("looking at {}", path.display()));
        match (is_there(&self.certificate)?, is_there(&self.key)?) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            (true, false) => bail!("{} has no {} beside it", self.certificate.display(), self.key.display()),
            (false, true) => bail!("{} has no {} beside it", self.key.display(), self.certificate.display()),
        }
    }

    /// Both, or neither: names come last, so that what cannot be written leaves no key without its certificate.
    fn write(&self, certificate: &str, key: &str, existing: Existing) -> Result<()> {
        let finish = |path, text: &str, access| {
            let fill = |to: &Path| fs::write(to, text).with_context(|| format!("writing {}", to.display()));
            Output { path, existing, access, made_from: None }.finish(fill)
        };
        let key = finish(&self.key, key, Access::Secret)?;
        let certificate = finish(&self.certificate, certificate, Access::Umask)?;
        key.put()?;
        certificate.put()
    }
}

/// Whether the CA was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was there, and is as it was.
    Old,
    /// It has just been made.
    New,
}

/// Makes the CA in a directory that has none. One that is there is never replaced: every VM trusts it.
pub fn make_ca(directory: &Path) -> Result<Found> {
    let pair = Pair::of(directory, CA);
    if pair.is_there()? {
        return Ok(Found::Old);
    }
    let key = KeyPair::generate().context("making a key")?;
    let mut params = start(&format!("dock0 {CA}"), CA_LASTS)?;
    // Two CAs of one name would be taken for one with two keys, and errors would speak of signatures and not of strangers.
    let which = manifest::hex(key.public_key_raw().get(1..5).unwrap_or_default());
    params.distinguished_name.push(DnType::OrganizationalUnitName, which);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).context("making the CA's certificate")?;
    pair.write(&certificate.pem(), &key.serialize_pem(), Existing::Refuse)?;
    Ok(Found::New)
}

/// Whether the certificate can be made: before there is a CA for it, too.
pub fn check_order(directory: &Path, order: &Order, existing: Existing) -> Result<()> {
    check(order)?;
    let Pair { certificate, key } = Pair::of(directory, order.name);
    match [certificate, key].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) if existing == Existing::Refuse => {
            bail!("{}: exists, and was not touched (--force replaces it)", path.display())
        }
        Some(_) | None => Ok(()),
    }
}

/// Makes a certificate that the CA of this directory signs, and its key, beside it.
pub fn issue(directory: &Path, order: &Order, existing: Existing) -> Result<Pair> {
    check_order(directory, order, existing)?;
    let (certificate, key) = make(directory, order)?;
    let pair = Pair::of(directory, order.name);
    pair.write(&certificate, &key, existing)?;
    Ok(pair)
}

/// The same, kept nowhere: the certificate and its key in PEM.
pub fn make(directory: &Path, order: &Order) -> Result<(String, String)> {
    check(order)?;
    let issuer = read_ca(directory)?;
    let mut params = start(order.name, order.days)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match order.role {
        Role::Operator => ExtendedKeyUsagePurpose::ClientAuth,
        Role::Vm => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    if order.role == Role::Vm {
        let names = std::iter::once(order.name).chain(order.aliases.iter().map(String::as_str));
        params.subject_alt_names = CertificateParams::new(names.map(String::from).collect::<Vec<_>>())
            .context("taking the VM's names")?
            .subject_alt_names;
    }
    let key = KeyPair::generate().context("making a key")?;
    let certificate = params.signed_by(&key, &issuer).with_context(|| format!("signing {}", order.name))?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn check(order: &Order) -> Result<()> {
    let Order { name, role, aliases, days } = *order;
    let in_a_file_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !name.chars().all(in_a_file_name) || name.len() > 64 {
        bail!(
            "{name:?} cannot be a name here: it has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', and begins with one of the first three"
        );
    }
    if name == CA {
        bail!("{CA} is the name of the CA itself");
    }
    if !(1..=LASTS_MOST).contains(&days) {
        bail!("--days {days}: must be 1 to {LASTS_MOST}");
    }
    let names = std::iter::once(name).chain(aliases.iter().map(String::as_str));
    match names.filter(|_| role == Role::Vm).find(|name| ServerName::try_from(*name).is_err()) {
        Some(bad) => bail!("{bad:?} is neither a name of DNS nor an address"),
        None => Ok(()),
    }
}

fn read_ca(directory: &Path) -> Result<Issuer<'static, KeyPair>> {
    let pair = Pair::of(directory, CA);
    if !pair.is_there()? {
        bail!("{} is missing: dock0 keygen operator -o {} makes it", pair.key.display(), directory.display());
    }
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let (certificate, key) = (read(&pair.certificate)?, read(&pair.key)?);
    crate::papers::check_pair(&pair, certificate.as_bytes(), key.as_bytes())?;
    let key = KeyPair::from_pem(&key).with_context(|| format!("reading {}", pair.key.display()))?;
    Issuer::from_ca_cert_pem(&certificate, key).with_context(|| format!("reading {}", pair.certificate.display()))
}

/// What all certificates have in common. They begin long ago: a VM's clock may stand at the time its init was built.
fn start(name: &str, days: u32) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2024, 1, 1);
    let end = manifest::now()?.later(Duration::from_secs(DAY * u64::from(days)));
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end.unix());
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_refused() {
        for (name, aliases, days, why) in [
            ("", &[][..], 1, "\"\" cannot be a name here"),
            ("../web1", &[], 1, "\"../web1\" cannot be a name here"),
            (".web1", &[], 1, "\".web1\" cannot be a name here"),
            ("-web1", &[], 1, "\"-web1\" cannot be a name here"),
            ("operators", &[], 1, "operators is the name of the CA itself"),
            ("web1", &["not a name"], 1, "\"not a name\" is neither a name of DNS nor an address"),
            ("web1", &[], 0, "--days 0: must be 1 to 36500"),
            ("web1", &[], 36_501, "--days 36501: must be 1 to 36500"),
        ] {
            let aliases: Vec<String> = aliases.iter().map(|alias: &&str| (*alias).to_string()).collect();
            let refused = check(&Order { name, role: Role::Vm, aliases: &aliases, days }).unwrap_err().to_string();
            assert!(refused.starts_with(why), "{refused}");
        }
        let aliases = ["192.0.2.7".to_string(), "2001:db8::7".into(), "web1.example.org".into()];
        check(&Order { name: "web1", role: Role::Vm, aliases: &aliases, days: 36_500 }).unwrap();
    }

    #[test]
    fn half_a_ca_is_no_ca() {
        let place = tempfile::tempdir().unwrap();
        let order = Order { name: "web1", role: Role::Vm, aliases: &[], days: 1 };
        let refused = issue(place.path(), &order, Existing::Refuse).unwrap_err().to_string();
        assert!(refused.contains("operators.key is missing: dock0 keygen operator -o "), "{refused}");
        assert_eq!(make_ca(place.path()).unwrap(), Found::New);
        assert_eq!(make_ca(place.path()).unwrap(), Found::Old);
        let key = place.path().join("operators.key");
        fs::rename(&key, place.path().join("away")).unwrap();
        let refused = make_ca(place.path()).unwrap_err().to_string();
        assert!(refused.ends_with("operators.key beside it"), "{refused}");
        let other = tempfile::tempdir().unwrap();
        make_ca(other.path()).unwrap();
        fs::rename(other.path().join("operators.key"), &key).unwrap();
        let refused = issue(place.path(), &order, Existing::Refuse).unwrap_err().to_string();
        assert!(refused.ends_with("operators.pem: they do not belong together"), "{refused}");
    }

    #[test]
    fn a_key_is_not_replaced_without_its_certificate() {
        let place = tempfile::tempdir().unwrap();
        let order = Order { name: "web1", role: Role::Vm, aliases: &[], days: 1 };
        make_ca(place.path()).unwrap();
        let pair = issue(place.path(), &order, Existing::Refuse).unwrap();
        let before = fs::read(&pair.key).unwrap();
        fs::remove_file(&pair.certificate).unwrap();
        fs::create_dir(&pair.certificate).unwrap();
        let refused = issue(place.path(), &order, Existing::Replace).unwrap_err().to_string();
        assert!(refused.ends_with("web1.pem: is not a regular file, and was not touched"), "{refused}");
        assert_eq!(fs::read(&pair.key).unwrap(), before);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 4, "no temporary file is left");
    }
}
