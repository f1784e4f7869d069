//! keygen, manifest and outdated as they are typed, with the distribution's minisign and sha256sum and a web server that
//! does what each test wants.

mod web;

use init::trust::{Key, verify};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use web::Server;
use wire::manifest::Manifest;

/// A directory to work in.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn run(&self, script: &str, input: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.0.path());
        for name in ["DOCK0_MINISIGN_PASSWORD", "GITHUB_TOKEN", "GITHUB_API_URL"] {
            command.env_remove(name);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
        child.wait_with_output().unwrap()
    }

    /// Runs `script`, where `$0` is dock0; it must end well.
    fn must(&self, script: &str) -> String {
        self.must_with(script, "")
    }

    fn must_with(&self, script: &str, input: &str) -> String {
        let output = self.run(script, input);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of.
    fn fails(&self, script: &str) -> String {
        let output = self.run(script, "");
        assert_eq!(output.status.code(), Some(1), "{script}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Whether a machine with this key pinned believes release.json.
    fn is_believed(&self, public: &str) -> Result<(), String> {
        let key = Key::parse(self.read(public).as_bytes()).unwrap();
        let (manifest, minisig) = (self.read("release.json"), self.read("release.json.minisig"));
        verify(&[key], manifest.as_bytes(), minisig.as_bytes()).map(|_| ()).map_err(|why| why.to_string())
    }
}

/// A recipe of one local file.
const LOCAL: &str = "org: dock0\nartifacts: [{name: kernel, version: 1, url: file:kernel}]\n";

fn with_kernel() -> Place {
    let place = Place::new();
    place.put("recipe.yaml", LOCAL);
    place.put("kernel", "the kernel");
    place
}

#[test]
fn keys_of_either_program_serve_both() {
    let password = "DOCK0_MINISIGN_PASSWORD='pass word' ";
    for (case, make, input, words) in [
        ("ours, without a password", "\"$0\" keygen manifest --no-password".to_string(), "", ""),
        ("ours, with a password", format!("{password} \"$0\" keygen manifest"), "", password),
        ("theirs, without a password", "minisign -G -W -p manifest.pub -s manifest.key".into(), "", ""),
        (
            "theirs, with a password",
            "minisign -G -p manifest.pub -s manifest.key".into(),
            "pass word\npass word\n",
            password,
        ),
    ] {
        let place = with_kernel();
        place.must_with(&make, input);
        let mode = fs::metadata(place.at("manifest.key")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{case}");

        let said = place.must(&format!("{words}\"$0\" manifest recipe.yaml --key manifest.key"));
        let comment = place.read("manifest.pub").lines().next().unwrap().to_string();
        // minisign leaves out the zeros that an id begins with.
        let id = format!("{:0>16}", comment.rsplit(' ').next().unwrap());
        assert!(said.ends_with(&format!("signed with the key {id}\n")), "{case}: {said}");
        let verified = place.must("minisign -V -p manifest.pub -m release.json");
        assert!(verified.contains("file:release.json\tserial:1"), "{case}: {verified}");
        assert_eq!(place.is_believed("manifest.pub"), Ok(()), "{case}: signed by dock0");

        place.must("rm release.json.minisig");
        let input = if words.is_empty() { "" } else { "pass word\n" };
        place.must_with("minisign -S -s manifest.key -m release.json", input);
        assert_eq!(place.is_believed("manifest.pub"), Ok(()), "{case}: signed by minisign");
    }
}

#[test]
fn keys_that_cannot_be_used_are_named_and_nothing_is_written() {
    let place = with_kernel();
    place.must(
        "\"$0\" keygen manifest -o plain --no-password && DOCK0_MINISIGN_PASSWORD=x \"$0\" keygen manifest -o locked",
    );
    place.put("text", "untrusted comment: x\nhello\n");
    place.must("minisign -G -W -p theirs.pub -s theirs.key");
    place.must("sed -E '2s/.{5}$/AAAA=/' plain/manifest.key >broken; head -c 5000 /dev/zero >long");
    place.must("sed -E '2s/^(.{90})..../\\1AAAA/' theirs.key >damaged");
    let manifest = "\"$0\" manifest recipe.yaml --key";
    let comment = place.read("theirs.pub").lines().next().unwrap().to_string();
    let id = format!("{:0>16}", comment.rsplit(' ').next().unwrap());
    let damaged = format!(
        "reading the secret key damaged: signing: Could not verify signature with the provided public key ID: {id}"
    );
    let no_terminal =
        "the secret key needs a password, and there is no terminal to ask on: set $DOCK0_MINISIGN_PASSWORD";
    for (script, sentence) in [
        (format!("{manifest} nowhere"), "reading the secret key nowhere: No such file or directory (os error 2)"),
        (format!("{manifest} text"), "reading the secret key text: it is no secret key of minisign"),
        (
            format!("{manifest} plain/manifest.pub"),
            "reading the secret key plain/manifest.pub: it is no secret key of minisign",
        ),
        (format!("{manifest} long"), "reading the secret key long: it is too long for a key"),
        (format!("{manifest} broken"), "reading the secret key broken: Corrupted key"),
        (format!("{manifest} damaged"), &damaged),
        (format!("{manifest} locked/manifest.key"), no_terminal),
        (
            format!("DOCK0_MINISIGN_PASSWORD=y {manifest} locked/manifest.key"),
            "reading the secret key locked/manifest.key: Wrong password for that key",
        ),
        ("\"$0\" keygen manifest -o new".into(), no_terminal),
        ("\"$0\" keygen manifest -o plain --no-password".into(), "plain/manifest.pub: exists, and was not touched"),
        ("\"$0\" manifest recipe.yaml --expires 0".into(), "--expires 0: must be 1 to 3650 days"),
        (
            "\"$0\" manifest recipe.yaml --channel a/b".into(),
            "the channel \"a/b\" has a character other than letters, digits and . _ + ~ -",
        ),
    ] {
        assert_eq!(place.fails(&script), format!("dock0: {sentence}\n"), "{script}");
    }
    assert!(!place.at("release.json").exists() && !place.at("new").exists());
}

/// `script` of bsdutils, which every Debian has, is the terminal. The pauses are longer than the program takes to ask.
#[test]
fn a_password_is_asked_for_on_the_terminal_and_not_shown() {
    let place = with_kernel();
    let answers = |words: &str| words.split(' ').map(|word| format!("sleep 1; echo {word};")).collect::<String>();
    let on_terminal = |words: &str, typed: &str| {
        let script = format!("({}) | timeout 60 script -qec \"$0 {words}\" /dev/null", answers(typed));
        place.run(&script, "")
    };
    for (typed, words) in [("one two", "the two passwords are not the same"), ("secret secret", "signs manifests")] {
        let output = on_terminal("keygen manifest", typed);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("Password for the new secret key: ") && shown.contains(words), "{shown}");
        assert!(!typed.split(' ').any(|password| shown.contains(&format!(": {password}"))), "{shown}");
    }
    let output = on_terminal("manifest recipe.yaml --key manifest.key", "secret");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("Password of manifest.key: ") && shown.contains("signed with the key"), "{shown}");
    assert_eq!(place.is_believed("manifest.pub"), Ok(()));
}

#[test]
fn an_artifact_is_fetched_once_and_what_is_known_is_kept() {
    let server = Server::start();
    let (kernel, root) = (vec![7; 600_000], b"the root".repeat(3));
    server.file("/kernel-1", &kernel);
    server.file("/kernel-2", &root);
    server.answer(
        "/root",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    server.file("/elsewhere", &root);
    let place = Place::new();
    let recipe = |version: u32| {
        let base = &server.base;
        format!(
            "channel: edge\nmirrors: [https://mirror.example.org/dock0]\nartifacts:\n- {{name: kernel, version: {version}, \
             file: bzImage, url: {base}/kernel-{version}}}\n- {{name: vm_root, version: 1, url: {base}/root}}\n"
        )
    };
    let asked = |script: &str| {
        place.must(script);
        server.asked()
    };
    place.put("recipe.yaml", &recipe(1));
    assert_eq!(asked("\"$0\" manifest recipe.yaml"), ["/kernel-1", "/root", "/elsewhere"]);
    let text = place.read("release.json");
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!((manifest.serial, manifest.channel.as_str(), manifest.arch.as_str()), (1, "edge", "x86_64"));
    assert_eq!(manifest.expires.unix() - manifest.issued.unix(), 90 * 86_400);
    let entry = &manifest.artifacts[0];
    assert_eq!((entry.artifact.to_string().as_str(), entry.size), ("kernel 1", 600_000));
    fs::write(place.at("file"), &kernel).unwrap();
    let digests = place.must("sha256sum file | cut -c 1-64; fsverity digest --compact file");
    let (sha256, verity) = digests.trim().split_once('\n').unwrap();
    assert!(text.contains(&format!("\"sha256\": \"{sha256}\"")) && text.contains(&format!("\"verity\": \"{verity}\"")));
    let urls: Vec<&str> = entry.urls.iter().map(|url| url.as_str()).collect();
    assert_eq!(urls, [&format!("{}/kernel-1", server.base), "https://mirror.example.org/dock0/kernel/1/bzImage"]);

    for (version, options, want) in [
        (1, "", &[][..]),
        (2, "--channel stable", &["/kernel-2"]),
        (2, "--refetch", &["/kernel-2", "/root", "/elsewhere"]),
    ] {
        place.put("recipe.yaml", &recipe(version));
        assert_eq!(asked(&format!("\"$0\" manifest recipe.yaml {options}")), want, "version {version}, {options}");
    }
    let text = place.read("release.json");
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!((manifest.serial, manifest.artifacts[0].size, manifest.artifacts[1].size), (4, 24, 24));
}

#[test]
fn what_cannot_be_fetched_whole_changes_nothing() {
    let server = Server::start();
    let raw = |text: &str| text.replace('\n', "\r\n").into_bytes();
    server.answer("/short", &raw("HTTP/1.1 200 OK\nContent-Length: 10\nConnection: close\n\nshort"));
    server.answer("/empty", &raw("HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n"));
    server.answer("/loop", &raw("HTTP/1.1 302 Found\nLocation: /loop\nContent-Length: 0\nConnection: close\n\n"));
    server.answer(
        "/file",
        &raw("HTTP/1.1 302 Found\nLocation: file:///etc/passwd\nContent-Length: 0\nConnection: close\n\n"),
    );
    server.answer(
        "/chunk",
        &raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n5\nhello\nfffffffffffffffff\nx"),
    );
    server.answer("/none", b"");
    server.answer("/noise", b"\xff\xfe\r\n\r\n");
    server.answer("/head", &[b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 100_000][..], b"\r\n\r\n"].concat());
    let place = with_kernel();
    place.must("\"$0\" manifest recipe.yaml");
    let before = place.read("release.json");
    let base = &server.base;
    for (path, words) in [
        ("/missing", "the server answers 404"),
        ("/short", "fetching"),
        ("/empty", "it is empty"),
        ("/loop", "too many redirects"),
        ("/file", "asking for"),
        ("/chunk", "fetching"),
        ("/none", "asking for"),
        ("/noise", "asking for"),
        ("/head", "asking for"),
    ] {
        place.put("recipe.yaml", &format!("artifacts: [{{name: kernel, version: 2, url: '{base}{path}'}}]"));
        let why = place.fails("\"$0\" manifest recipe.yaml");
        assert!(why.contains(words) && why.contains(&format!("{base}{path}")), "{path}: {why}");
        assert_eq!(place.read("release.json"), before, "{path}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, words) in [
        (format!("http://{closed}/x"), "refused"),
        ("file:nowhere".into(), "No such file"),
        ("file:.".into(), "it is not a regular file"),
    ] {
        place.put("recipe.yaml", &format!("org: o\nartifacts: [{{name: kernel, version: 2, url: '{url}'}}]"));
        let why = place.fails("\"$0\" manifest recipe.yaml");
        assert!(why.contains(words), "{url}: {why}");
    }
    assert_eq!(place.read("release.json"), before);
    let names: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_local_file_is_read_each_time() {
    let place = with_kernel();
    place.must("\"$0\" manifest recipe.yaml");
    place.put("kernel", "another kernel");
    let output = place.run("\"$0\" manifest recipe.yaml", "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: kernel 1 has other bytes than in the manifest before"), "{said}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("manifest release.json: dock0 stable serial 2, expires 20"), "{said}");
    assert!(said.contains("not signed: no machine takes it before minisign -S -s KEY -m release.json"), "{said}");
    let url = "https://github.com/dock0/kernel/releases/download/1/kernel";
    assert_eq!(Manifest::parse(place.read("release.json").as_bytes()).unwrap().artifacts[0].urls[0].as_str(), url);
}

#[test]
fn outdated_artifacts_are_shown_and_written() {
    let server = Server::start();
    let release = |tag: &str| format!("{{\"id\": 1, \"tag_name\": \"{tag}\", \"assets\": []}}");
    server.file("/api/repos/dock0/kernel/releases/latest", release("6.12.118").as_bytes());
    server.file("/api/repos/dock0/initrd/releases/latest", release("v2").as_bytes());
    server.file("/api/repos/me/vm_root/releases/latest", release("2026.11.1").as_bytes());
    let place = Place::new();
    let recipe = "# ours\norg: dock0\nartifacts:\n  - name: kernel\n    version: 6.12.117  # by hand\n  - {name: initrd, version: 'v2'}\n  \
        - {name: vm_root, version: 2026.11.2, org: me}\n  - {name: gone, version: 1}\n  - {name: x, version: 1, url: 'https://x.example/x'}\n";
    place.put("recipe.yaml", recipe);
    let api = format!("--api {}/api/", server.base);
    let want = "kernel 6.12.117: 6.12.118 is newer\ninitrd v2: is the newest\n\
        vm_root 2026.11.2: is newer than the newest release, 2026.11.1\ngone 1: there is no release\n\
        x 1: not asked for, it has a url of its own\n";
    assert_eq!(place.must(&format!("\"$0\" outdated recipe.yaml {api}")), want);
    assert_eq!(place.read("recipe.yaml"), recipe, "only looked at");
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].as_str()), (4, "/api/repos/dock0/kernel/releases/latest"));

    let json = place.must(&format!(
        "GITHUB_TOKEN=secret GITHUB_API_URL={}/api \"$0\" outdated recipe.yaml --json --write",
        server.base
    ));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[0]["newest"], &json[0]["outdated"], &json[3]["newest"]),
        (&"6.12.118".into(), &true.into(), &serde_json::Value::Null)
    );
    assert!(server.asked().iter().all(|line| line.ends_with("uthorization: Bearer secret")));
    assert_eq!(place.read("recipe.yaml"), recipe.replace("6.12.117", "6.12.118"));

    for (answer, words) in [
        (release("../../x"), "the newest release of dock0/kernel, \"../../x\", begins with a dot"),
        ("[]".into(), "reading what"),
        ("x".repeat(5 << 20), "reading what"),
    ] {
        server.file("/api/repos/dock0/kernel/releases/latest", answer.as_bytes());
        let why = place.fails(&format!("\"$0\" outdated recipe.yaml --write {api}"));
        assert!(why.contains(words), "{why}");
    }
    let limited = b"HTTP/1.1 403 rate limit exceeded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    server.answer("/api/repos/dock0/kernel/releases/latest", limited);
    let why = place.fails(&format!("\"$0\" outdated recipe.yaml {api}"));
    assert!(why.ends_with("the server answers 403: if that is for asking too often, set $GITHUB_TOKEN\n"), "{why}");
    assert_eq!(place.read("recipe.yaml"), recipe.replace("6.12.117", "6.12.118"), "failures write nothing");
}

#[test]
fn pythons_web_server_will_do() {
    let place = with_kernel();
    let mut python = Command::new("python3");
    python.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]).current_dir(place.0.path());
    let mut python =
        python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python3: apt-get install python3");
    // Serving HTTP on 127.0.0.1 port 12345 …
    let mut line = String::new();
    BufReader::new(python.stdout.take().unwrap().take(200)).read_line(&mut line).unwrap();
    let port = line.split(' ').nth(5).unwrap();
    place.put(
        "recipe.yaml",
        &format!("artifacts: [{{name: kernel, version: 1, url: 'http://127.0.0.1:{port}/kernel'}}]"),
    );
    let output = place.run("\"$0\" manifest recipe.yaml", "");
    python.kill().unwrap();
    python.wait().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "dock0: kernel 1: 10 bytes\n");
    assert!(output.status.success());
}

/// openssl answers with files that are whole answers, after a handshake with a certificate that nobody else trusts.
#[test]
fn https_is_checked_and_never_left() {
    let plain = Server::start();
    plain.file("/kernel", b"the kernel");
    let place = Place::new();
    place.must(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=test \\
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    );
    place.put("kernel", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nthe kernel");
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {}/kernel\r\nContent-Length: 0\r\n\r\n", plain.base);
    place.put("moved", &moved);
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-accept", "127.0.0.1:0", "-cert", "tls.crt", "-key", "tls.key", "-HTTP"]);
    openssl.current_dir(place.0.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut openssl = openssl.spawn().expect("openssl: apt-get install openssl");
    let mut lines = BufReader::new(openssl.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("ACCEPT")).unwrap();
    std::thread::spawn(move || lines.count()); // so that it never waits for a reader
    let base = format!("https://localhost:{}", line.rsplit(':').next().unwrap());

    let mut outcomes = Vec::new();
    for (environment, path) in [
        ("SSL_CERT_FILE=tls.crt", "kernel"),
        ("", "kernel"),
        ("SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere", "kernel"),
        ("SSL_CERT_FILE=tls.crt", "moved"),
    ] {
        place.put("recipe.yaml", &format!("artifacts: [{{name: kernel, version: 1, url: '{base}/{path}'}}]"));
        let output = place.run(&format!("{environment} \"$0\" manifest recipe.yaml --refetch"), "");
        outcomes.push(String::from_utf8(output.stderr).unwrap());
    }
    openssl.kill().unwrap();
    openssl.wait().unwrap();
    for (outcome, words) in outcomes.iter().zip([
        "dock0: kernel 1: 10 bytes\n",
        "invalid peer certificate",
        "No CA certificates were loaded from the system (Debian: apt-get install ca-certificates)\n",
        "configured for https only",
    ]) {
        assert!(outcome.contains(words), "{outcome}");
    }
    assert_eq!(plain.asked(), [""; 0], "nothing is asked for without TLS");
}

#[test]
fn a_manifest_keeps_its_mode() {
    let place = with_kernel();
    place.must("umask 022; \"$0\" manifest recipe.yaml");
    assert_eq!(fs::metadata(place.at("release.json")).unwrap().permissions().mode() & 0o777, 0o644);
    fs::set_permissions(place.at("release.json"), Permissions::from_mode(0o640)).unwrap();
    place.must("\"$0\" manifest recipe.yaml");
    assert_eq!(fs::metadata(place.at("release.json")).unwrap().permissions().mode() & 0o777, 0o640);
}
