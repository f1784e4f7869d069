//! For tests: a repository with a made-up kernel of a few options, and a server on loopback that has others.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// What the first made-up kernel knows: options and their defaults.
pub const KNOWN: &str = "CONFIG_DISK n\nCONFIG_CPUS 8\nCONFIG_OLD y\n";

/// The patch that lies in the repository.
pub const PATCH: &str = "--- a/README\n+++ b/README\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

/// A kernel's tarball, as much of it as this program looks at.
pub struct Kernel {
    /// `VERSION`, `PATCHLEVEL`, `SUBLEVEL`.
    pub version: [u32; 3],
    /// A line for each option: its name, what it is unasked, and another one without which it is not there, if any.
    pub known: &'static str,
    /// The file that the patch changes.
    pub readme: &'static str,
}

impl Kernel {
    /// The one that the repository's patch fits.
    pub fn new(version: [u32; 3], known: &'static str) -> Self {
        Self { version, known, readme: "one\ntwo\nthree\n" }
    }

    /// Packs it; `menu` is the file whose words its menu obeys.
    fn pack(&self, menu: &Path, to: &Path) {
        let place = tempfile::tempdir().unwrap();
        let linux = place.path().join("linux");
        std::fs::create_dir(&linux).unwrap();
        let [major, minor, patch] = self.version;
        let makefile = format!(
            "VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = {patch}\nEXTRAVERSION =\n\
             tinyconfig:\n\t@cp /dev/null $(O)/.config\n\
             olddefconfig:\n\t@sh resolve $(O)/.config\n\
             menuconfig:\n\t@sh menu $(O)/.config\n\
             bzImage:\n\t@mkdir -p $(O)/arch/x86/boot && env | grep ^KBUILD_ | sort >$(O)/arch/x86/boot/bzImage\n\
             \t@cp Makefile $(O)/System.map\n"
        );
        // As Kconfig does it: of two lines the later, what is unknown is dropped in silence, what is not asked is the default.
        let resolve = "awk 'NR == FNR { names[++n] = $1; values[$1] = $2; needs[$1] = $3; next }\n\
             /^CONFIG_/ { split($0, pair, \"=\"); if (pair[1] in values) values[pair[1]] = pair[2] }\n\
             /^# CONFIG_.* is not set$/ { if ($2 in values) values[$2] = \"n\" }\n\
             END { for (i = 1; i <= n; i++) if (needs[names[i]] && values[needs[names[i]]] == \"n\") continue\n\
                 else if (values[names[i]] == \"n\") print \"# \" names[i] \" is not set\"\n\
                 else print names[i] \"=\" values[names[i]] }' known \"$1\" >\"$1.new\" && mv \"$1.new\" \"$1\"\n";
        let menu = format!(
            "words=$(cat {}) && [ \"$words\" != fail ] || exit 1\n\
             for word in $words; do echo \"$word\" | sed 's/^\\(.*\\)=n$/# \\1 is not set/'; done >>\"$1\"\nsh resolve \"$1\"\n",
            menu.display()
        );
        for (name, text) in [
            ("Makefile", makefile.as_str()),
            ("Kbuild", ""),
            ("COPYING", ""),
            ("README", self.readme),
            ("known", self.known),
            ("resolve", resolve),
            ("menu", &menu),
        ] {
            std::fs::write(linux.join(name), text).unwrap();
        }
        run(Command::new("tar").arg("-C").arg(place.path()).args(["--mtime=@1700000000", "-cJf"]).arg(to).arg("linux"));
    }
}

/// A repository with two configurations, one patch, and Linux 6.12.117 as the distribution has it.
pub struct Lab {
    place: TempDir,
    /// The kernel's makers.
    pub server: Server,
}

impl Lab {
    /// A new one.
    pub fn new() -> Self {
        Self::knowing(KNOWN)
    }

    /// The same with a Linux that knows these options.
    pub fn knowing(known: &'static str) -> Self {
        let lab = Self { place: tempfile::tempdir().unwrap(), server: Server::start() };
        let tarball = lab.root().join("linux.tar.xz");
        Kernel::new([6, 12, 117], known).pack(&lab.menu(), &tarball);
        let none = "0".repeat(64);
        let toml = format!(
            "# Why.\ntimestamp = \"Monday\"\nsource = \"distribution\"\n\n# Theirs.\n[distribution]\npackage = \"p\"\n\
             path = \"{}\"\nversion = \"6.12.117\"\nsha256 = \"{none}\"\n\n[upstream]\n\
             url = \"https://k.invalid/l.tar.xz\"\nversion = \"6.12.80\"\nsha256 = \"{none}\"\n\n\
             [configurations.linode]\nbudget = 1_000\nfragments = [\"base\"]\n\n\
             # Small.\n[configurations.tiny]\nbudget = 1_000\nfragments = [\"base\", \"tiny\"]\n",
            tarball.display()
        );
        lab.put("kernel-configs/kernel.toml", &toml);
        lab.put("kernel-configs/base.config", "# The disk.\nCONFIG_DISK=y\n");
        lab.put("kernel-configs/tiny.config", "CONFIG_CPUS=1\n");
        let released = "CONFIG_DISK=y\nCONFIG_CPUS=8\nCONFIG_OLD=y\n";
        lab.put("kernel-configs/released/6.12.117-linode.config", released);
        lab.put("patches/series", "count.patch\n");
        lab.put("patches/count.patch", PATCH);
        lab
    }

    /// The repository.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// Writes one of its files.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads one of its files.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Every file that belongs to it, what is built left out.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.root().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    files.insert(path.clone(), String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
                } else if path != self.root().join("build") {
                    folders.push(path);
                }
            }
        }
        files
    }

    /// What the next menu does: words like `CONFIG_A=y`, or `fail`.
    pub fn choose_in_menu(&self, words: &str) {
        std::fs::write(self.menu(), words).unwrap();
    }

    fn menu(&self) -> PathBuf {
        self.root().join("choices")
    }

    /// Publishes a kernel under a version's name, with its sum.
    pub fn publish(&self, name: &str, kernel: &Kernel) -> PathBuf {
        let tarball = self.server.place(&format!("v6.x/linux-{name}.tar.xz"));
        kernel.pack(&self.menu(), &tarball);
        let sum = crate::source::sum_of(&tarball).unwrap();
        self.server.put("v6.x/sha256sums.asc", format!("\n{sum}  linux-{name}.tar.xz\n").as_bytes());
        tarball
    }
}

/// Runs a program to its good end.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Serves the files of a folder over HTTP on loopback, until the tests end.
pub struct Server {
    folder: TempDir,
    address: SocketAddr,
}

impl Server {
    /// A new one, with nothing to serve.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { folder: tempfile::tempdir().unwrap(), address: listener.local_addr().unwrap() };
        let folder = server.folder.path().to_owned();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|client| answer(&folder, client)));
        server
    }

    /// The address of a file.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Where a file lies.
    pub fn place(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Serves these bytes from now on.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.place(name), bytes).unwrap();
    }
}

/// Answers one request. A client that leaves early is none of ours.
fn answer(folder: &Path, mut client: TcpStream) {
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().trim_start_matches('/');
    let (status, body) = match std::fs::read(folder.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body)).unwrap_or_default();
}
