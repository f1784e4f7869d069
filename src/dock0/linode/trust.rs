//! How a VM and its operators come to believe each other, and what the operator's machine keeps of it: beside his keys, under the
//! VM's name, `NAME.enrolment` until it has proved itself, and `NAME.fingerprint` from then on.

use crate::authority::{self, Order, Pair, Role};
use crate::origin::{GivenFile, Reader};
use crate::output::{Access, Existing, Output};
use crate::papers::{Papers, certificates, check_pair};
use crate::socket::tls::Fingerprint;
use anyhow::{Context, Result, anyhow, ensure};
use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use wire::enrolment::{LONGEST, MAX_OPERATORS, message};

/// How long a certificate lasts that an image carries, in days.
const LASTS: u32 = authority::LASTS;

/// A secret that a VM and its operators share until they know each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// A new one.
    pub fn make() -> Result<Token> {
        random().map(Token)
    }

    fn parse(text: &str) -> Option<Token> {
        HEXLOWER.decode(text.trim().as_bytes()).ok()?.try_into().ok().map(Token)
    }

    /// What the metadata service tells the VM, in base64: this, whom it may believe, and its settings.
    pub fn user_data(&self, papers: &Papers, settings: Option<&[u8]>) -> Result<String> {
        let path = &papers.operators;
        let doing = || format!("reading the operators' CA {}", path.display());
        let operators = certificates(&fs::read(path).with_context(doing)?).with_context(doing)?;
        ensure!(
            operators.len() <= MAX_OPERATORS,
            "{}: a VM takes {MAX_OPERATORS} certificates by metadata",
            path.display()
        );
        let operators: Vec<String> = operators.iter().map(|certificate| BASE64.encode(certificate)).collect();
        let mut document = json!({"token": HEXLOWER.encode(&self.0), "operators": operators});
        if let (Some(settings), Some(more)) = (settings, document.as_object_mut()) {
            more.insert("settings".into(), BASE64.encode(settings).into());
        }
        let document = json!({ "dock0": document }).to_string();
        ensure!(
            document.len() <= LONGEST,
            "what the VM hears by metadata has {} bytes: {LONGEST} can be",
            document.len()
        );
        Ok(BASE64.encode(document.as_bytes()))
    }

    /// Whether a VM whose key this is has it too.
    pub fn is_proved_by(&self, proof: &str, fingerprint: &Fingerprint) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let Ok(proof) = HEXLOWER.decode(proof.as_bytes()) else { return false };
        hmac::verify(&key, &message(&fingerprint.to_string()).concat(), &proof).is_ok()
    }
}

/// Bytes that nobody guesses.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the kernel gives no random numbers"))?;
    Ok(bytes)
}

/// Without the secret.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How a VM is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It proves that it was told this.
    ByToken(Token),
    /// It has this key.
    ByKey(Fingerprint),
    /// It has a certificate of the operators' CA.
    ByCa,
}

/// What is kept of one VM.
#[derive(Debug)]
pub struct Trust<'p> {
    papers: &'p Papers,
    name: &'p str,
}

impl<'p> Trust<'p> {
    /// In the directory of these papers.
    pub fn of(papers: &'p Papers, name: &'p str) -> Trust<'p> {
        Trust { papers, name }
    }

    /// How it is known.
    pub fn known(&self) -> Result<Known> {
        if let Some(token) = self.token()? {
            return Ok(Known::ByToken(token));
        }
        Ok(self.fingerprint()?.map_or(Known::ByCa, Known::ByKey))
    }

    /// The token that it has not proved yet.
    pub fn token(&self) -> Result<Option<Token>> {
        let path = self.enrolment_path();
        let Some(text) = read(&path)? else { return Ok(None) };
        Token::parse(&text).map(Some).with_context(|| format!("{}: is no token of an enrolment", path.display()))
    }

    /// The key that it has proved.
    pub fn fingerprint(&self) -> Result<Option<Fingerprint>> {
        let path = self.fingerprint_path();
        let Some(text) = read(&path)? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|why| anyhow!("{}: {why}", path.display()))
    }

    /// Keeps a token until it is proved. What was known before is not true any more.
    pub fn expect(&self, token: &Token) -> Result<()> {
        write(&self.enrolment_path(), &HEXLOWER.encode(&token.0), Access::Secret)?;
        remove(&self.fingerprint_path())
    }

    /// Keeps the key that was proved; the token is worth nothing from now on.
    pub fn pin(&self, fingerprint: &Fingerprint) -> Result<()> {
        write(&self.fingerprint_path(), &fingerprint.to_string(), Access::Umask)?;
        remove(&self.enrolment_path())
    }

    /// Forgets it.
    pub fn forget(&self) -> Result<()> {
        remove(&self.enrolment_path())?;
        remove(&self.fingerprint_path())
    }

    /// What an image carries that makes it this VM, and its key's fingerprint: a certificate of the operators' CA, the one that stands
    /// beside the operator's, or else one that is made now and kept nowhere else; and whom it believes.
    pub fn carried(&self) -> Result<(Vec<GivenFile>, Fingerprint)> {
        let directory = self.papers.operators.parent().unwrap_or(Path::new(""));
        let pair = Pair::of(directory, self.name);
        let (certificate, key) = match pair.is_there()? {
            true => (self::text(&pair.certificate)?, self::text(&pair.key)?),
            false => {
                let order = Order { name: self.name, role: Role::Vm, aliases: &[], days: LASTS };
                authority::make(directory, &order)?
            }
        };
        let chain = check_pair(&pair, certificate.as_bytes(), key.as_bytes())?;
        let own = chain.cert.first().context("there is no certificate")?;
        let fingerprint = Fingerprint::of(own).with_context(|| format!("reading {}", pair.certificate.display()))?;
        let operators = &self.papers.operators;
        let operators = fs::read(operators).with_context(|| format!("reading {}", operators.display()))?;
        let file = |path: &str, bytes, reader| GivenFile { path: path.into(), bytes, reader };
        let files = vec![
            file("dock0/identity/vm.pem", certificate.into(), Reader::Root),
            file("dock0/identity/vm.key", key.into(), Reader::Root),
            file("dock0/trust/operators.pem", operators, Reader::Anybody),
        ];
        Ok((files, fingerprint))
    }

    fn enrolment_path(&self) -> PathBuf {
        self.papers.operators.with_file_name(format!("{}.enrolment", self.name))
    }

    fn fingerprint_path(&self) -> PathBuf {
        self.papers.operators.with_file_name(format!("{}.fingerprint", self.name))
    }
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).with_context(|| format!("reading {}", path.display())),
    }
}

fn write(path: &Path, text: &str, access: Access) -> Result<()> {
    let output = Output { path, existing: Existing::Replace, access, made_from: None };
    output.write(|to| fs::write(to, format!("{text}\n")).with_context(|| format!("writing {}", to.display())))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn papers(directory: &Path) -> Papers {
        authority::make_ca(directory).unwrap();
        Papers::at(directory).unwrap()
    }

    #[test]
    fn a_proof_fits_one_token_and_one_key() {
        let fingerprint: Fingerprint = KEY.parse().unwrap();
        let other: Fingerprint = KEY.replace("47DE", "48DE").parse().unwrap();
        // By openssl: printf 'dock0 enrolment\n%s' KEY | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…
        let proof = "ea80b3a6ca5e6e005ba1d905f98f029986ca00ddf664ff9ebefc6a3800faf2da";
        let token = Token([1; 32]);
        assert!(token.is_proved_by(proof, &fingerprint));
        assert!(!token.is_proved_by(proof, &other) && !Token([2; 32]).is_proved_by(proof, &fingerprint));
        for bad in ["", "x", &proof[2..], &proof.to_uppercase()] {
            assert!(!token.is_proved_by(bad, &fingerprint), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_the_vm_is_told_is_what_its_reader_reads() {
        let place = tempfile::tempdir().unwrap();
        let (papers, token) = (papers(place.path()), Token([7; 32]));
        let settings = b"{\"tries\": 5}";
        let told = BASE64.decode(token.user_data(&papers, Some(settings)).unwrap().as_bytes()).unwrap();
        let read = wire::enrolment::parse(&told).unwrap().unwrap();
        assert_eq!(BASE64.decode(read.settings.unwrap().as_bytes()).unwrap(), settings);
        let why = token.user_data(&papers, Some(&[b' '; LONGEST])).unwrap_err().to_string();
        assert!(why.ends_with(" bytes: 16384 can be"), "{why}");
        let told = BASE64.decode(token.user_data(&papers, None).unwrap().as_bytes()).unwrap();
        let read = wire::enrolment::parse(&told).unwrap().unwrap();
        assert_eq!(read.settings, None);
        assert_eq!((read.token.0, read.operators.len()), ([7; 32], 1));
    }

    #[test]
    fn a_vm_is_known_by_its_token_then_by_its_key_and_else_by_the_ca() {
        let place = tempfile::tempdir().unwrap();
        let papers = papers(place.path());
        let trust = Trust::of(&papers, "web1");
        assert_eq!(trust.known().unwrap(), Known::ByCa);
        let (token, fingerprint) = (Token::make().unwrap(), KEY.parse().unwrap());
        trust.expect(&token).unwrap();
        assert_eq!(trust.known().unwrap(), Known::ByToken(token.clone()));
        let mode = fs::metadata(trust.enrolment_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        trust.pin(&fingerprint).unwrap();
        assert_eq!(trust.known().unwrap(), Known::ByKey(fingerprint));
        assert!(!trust.enrolment_path().exists(), "the token is gone");
        trust.expect(&token).unwrap();
        assert_eq!(trust.fingerprint().unwrap(), None, "it makes itself another key");
        trust.forget().unwrap();
        trust.forget().unwrap();
        assert_eq!(trust.known().unwrap(), Known::ByCa);
        fs::write(trust.enrolment_path(), "x").unwrap();
        assert!(trust.known().unwrap_err().to_string().ends_with("web1.enrolment: is no token of an enrolment"));
        fs::remove_file(trust.enrolment_path()).unwrap();
        fs::write(trust.fingerprint_path(), "x").unwrap();
        assert!(trust.known().unwrap_err().to_string().contains("web1.fingerprint: must be sha256// and 44"));
    }

    #[test]
    fn an_image_carries_what_the_ca_signs_and_the_key_stays_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let papers = papers(place.path());
        let (files, fingerprint) = Trust::of(&papers, "web1").carried().unwrap();
        let shown: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.reader)).collect();
        assert_eq!(
            shown,
            [
                ("dock0/identity/vm.pem", Reader::Root),
                ("dock0/identity/vm.key", Reader::Root),
                ("dock0/trust/operators.pem", Reader::Anybody)
            ]
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "the CA alone");
        let other = Trust::of(&papers, "web1").carried().unwrap().1;
        assert_ne!(other, fingerprint, "it is another key each time");
        let order = Order { name: "web1", role: Role::Vm, aliases: &[], days: 1 };
        let pair = authority::issue(place.path(), &order, Existing::Refuse).unwrap();
        let (files, once) = Trust::of(&papers, "web1").carried().unwrap();
        assert_eq!(files[1].bytes, fs::read(&pair.key).unwrap(), "but for a VM that has one");
        assert_eq!(once, Trust::of(&papers, "web1").carried().unwrap().1);
        fs::remove_file(&pair.key).unwrap();
        fs::remove_file(&pair.certificate).unwrap();
        fs::remove_file(place.path().join("operators.key")).unwrap();
        let why = format!("{:#}", Trust::of(&papers, "web1").carried().map(drop).unwrap_err());
        assert!(why.contains("operators.key"), "{why}");
    }
}
