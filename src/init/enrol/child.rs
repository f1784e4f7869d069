//! The child that asks: `dock0-enrol PARENT FINGERPRINT PAUSE ADDRESS…` locks itself up, asks the metadata service at these
//! addresses again and again until there is something to read, and says what this VM needs of it. The token goes no further:
//! what is said is the proof that is made with it, for the key of this fingerprint. The first pause has so many milliseconds;
//! how long all of it may take is for the parent to say, which ends this child then.

use super::line::{About, Line};
use super::metadata::Service;
use crate::failure::Failure;
use crate::fetch::job::milliseconds;
use crate::lines::number;
use crate::sandbox::{self, Calls, Confinement, FEW_DESCRIPTORS, SMALL_MEMORY, Tcp};
use ring::hmac;
use rustix::process::Pid;
use rustix::thread::CapabilitySet;
use rustls::pki_types::CertificateDer;
use std::io::Write;
use std::process::ExitCode;
use wire::base64;
use wire::enrolment::{self, Enrolment};

/// Its user and group: see [`sandbox::FETCH_USER`].
const USER: u32 = 65530;
/// Each pause is twice as long as the one before, up to so many times the first.
const LONGEST_PAUSE: u32 = 4;

/// Is the child.
pub fn run(words: &[&str]) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| tell(Line(About::Failed, &Failure::of_panic(panic).to_string()))));
    match ask(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(Line(About::Failed, &failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn ask(words: &[&str]) -> Result<(), Failure> {
    let wrong = || Failure::new("the child that asks who may push is started by dock0 alone; nothing was done");
    let [parent, fingerprint, pause, addresses @ ..] = words else { return Err(wrong()) };
    let parent = parent.parse().ok().and_then(Pid::from_raw).ok_or_else(wrong)?;
    let pause = number(pause).and_then(|pause| u32::try_from(pause).ok()).ok_or_else(wrong)?;
    lock_up(parent)?;
    let data = wait_for_data(addresses, pause);
    answer(&data, fingerprint).map_err(Failure::new)
}

fn lock_up(parent: Pid) -> Result<(), Failure> {
    let gaps = sandbox::enter(&Confinement {
        user: Some(USER),
        capabilities: CapabilitySet::empty(),
        close_from: 3,
        allowed: &[],
        tcp: Tcp::Connect,
        calls: Calls::All,
        memory: SMALL_MEMORY,
        descriptors: FEW_DESCRIPTORS,
        file_size: 0,
        parent: Some(parent),
    })?;
    gaps.into_iter().for_each(|gap| tell(Line(About::Gap, &gap)));
    Ok(())
}

fn wait_for_data(addresses: &[&str], first: u32) -> Vec<u8> {
    let (service, mut pause, mut said) = (Service::default(), first, String::new());
    loop {
        match service.user_data(addresses) {
            Ok(data) => return data,
            Err(why) if why == said => {}
            Err(why) => {
                tell(Line(About::Waiting, &why));
                said = why;
            }
        }
        std::thread::sleep(milliseconds(pause));
        pause = pause.saturating_mul(2).min(first.saturating_mul(LONGEST_PAUSE));
    }
}

/// Says what the user data say of dock0, to whoever has the key of this fingerprint.
fn answer(data: &[u8], fingerprint: &str) -> Result<(), String> {
    // Whoever encoded it may have broken it into lines.
    let text: String = String::from_utf8_lossy(data).split_ascii_whitespace().collect();
    let document = decoded(&text);
    let enrolment = enrolment::parse(&document).map_err(|why| format!("its user data cannot be used: {why}"))?;
    let Enrolment { token, operators, settings } =
        enrolment.ok_or_else(|| "its user data say nothing of dock0".to_string())?;
    for (number, text) in (1..).zip(&operators) {
        // One that nobody can check with would keep this VM from listening at all.
        webpki::anchor_from_trusted_cert(&CertificateDer::from(decoded(text)))
            .map_err(|why| format!("its user data cannot be used: operator {number} is no certificate: {why}"))?;
    }
    tell(Line(About::Proof, &prove(&token.0, fingerprint)));
    for operator in &operators {
        Line(About::Operator, operator).pieces(&mut |line| tell(line));
    }
    if let Some(settings) = settings {
        Line(About::Settings, settings).pieces(&mut |line| tell(line));
    }
    tell(Line(About::Told, ""));
    Ok(())
}

/// What a text in base64 says; nothing if it is none.
pub fn decoded(text: &str) -> Vec<u8> {
    let mut room = vec![0; text.len()];
    base64::decode(text.as_bytes(), &mut room).map(<[u8]>::to_vec).unwrap_or_default()
}

/// HMAC-SHA256 of the fingerprint under the token, in lower-case hexadecimal digits.
fn prove(token: &[u8], fingerprint: &str) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, token));
    enrolment::message(fingerprint).iter().for_each(|part| context.update(part));
    context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tell(line: Line) {
    // Worst case: nobody listens, since the parent has ended; then the kernel ends this process too.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 has no case with a key of 32 bytes; this one is what `openssl dgst -sha256 -mac HMAC` says.
    #[test]
    fn the_proof_is_what_another_implementation_makes_of_it() {
        let token: Vec<u8> = (0..32).collect();
        let said = prove(&token, "sha256//AAAA");
        assert_eq!(said, "3a009dea698a26e05051480e96e55215d63bde83c0f1b1fc8caf893bf900f447");
    }
}
