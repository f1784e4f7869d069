//! The bill of materials, in CycloneDX's form: what cargo-cyclonedx says of the programs, with the kernel, its patches and the
//! packages of the distribution beside it. The same commit and the same tools give the same bytes.

use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use dock0::tool::Tool;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const CARGO: Tool = Tool { program: "cargo", package: "cargo" };
const GIT: Tool = Tool { program: "git", package: "git" };
const DPKG_QUERY: Tool = Tool { program: "dpkg-query", package: "dpkg" };
/// The packages whose crates are in what is published: PID 1 and menagerie, and the operator's command.
const PROGRAMS: [&str; 2] = ["init", "dock0"];
/// Debian's packages whose files are in it: the C library in init, and the two programs of the tiny root.
const PACKAGES: [&str; 3] = ["libc6-dev", "busybox-static", "dropbear-bin"];
/// Debian's package of what packs the tiny root, which does not tell its version to all who ask alike.
const PACKED_WITH: &str = "erofs-utils";
/// What is asked for its version, since another one builds other bytes.
const BUILT_WITH: [Tool; 3] = [
    Tool { program: "rustc", package: "rustc" },
    Tool { program: "gcc", package: "gcc" },
    Tool { program: "ld", package: "binutils" },
];
/// What cargo-cyclonedx calls its files, in every package's directory.
const UNMERGED: &str = "dock0-unmerged.cdx";

/// Writes the bill of materials of what is built in this repository.
#[derive(FromArgs)]
#[argh(subcommand, name = "sbom")]
pub struct SbomArguments {
    /// the file to write
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// the target that init was built for
    #[argh(option)]
    target: String,
}

pub fn sbom(arguments: &SbomArguments) -> Result<()> {
    let root = PathBuf::from(GIT.run(GIT.command().args(["rev-parse", "--show-toplevel"]))?.trim_end());
    let crates = ask_cargo(&root, &arguments.target)?;
    let mut bill = Bill::new(&root)?;
    crates.into_iter().try_for_each(|one| bill.add_program(one))?;
    bill.add_kernel(&root)?;
    PACKAGES.iter().try_for_each(|package| bill.add_package(package))?;
    let text = serde_json::to_string_pretty(&bill.finish()?).context("writing the bill of materials")? + "\n";
    // Where the repository is says nothing of what is in it.
    let text = text.replace(&format!("path+file://{}", root.display()), "path+file:///dock0");
    fs::write(&arguments.output, text).with_context(|| format!("writing {}", arguments.output.display()))
}

/// What cargo-cyclonedx writes of a package.
#[derive(Deserialize)]
struct Unmerged {
    metadata: Metadata,
    components: Vec<Value>,
    dependencies: Vec<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    component: Value,
    tools: Value,
}

/// The bills of the programs. cargo-cyclonedx leaves one in the directory of every package, so all of them go again.
fn ask_cargo(root: &Path, target: &str) -> Result<Vec<Unmerged>> {
    let mut cargo = CARGO.command();
    cargo.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--no-build-deps"]);
    cargo.args(["--target", target, "--override-filename", UNMERGED]).current_dir(root);
    CARGO.run(cargo.env("SOURCE_DATE_EPOCH", commit_time(root)?)).context("cargo-cyclonedx makes the bill")?;
    let mut bills = Vec::new();
    for folder in packages(root)? {
        let path = folder.join(format!("{UNMERGED}.json"));
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        if PROGRAMS.iter().any(|program| folder.ends_with(Path::new("src").join(program))) {
            bills.push(serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    ensure!(bills.len() == PROGRAMS.len(), "cargo-cyclonedx has no bill of each of {}", PROGRAMS.join(", "));
    Ok(bills)
}

fn commit_time(root: &Path) -> Result<String> {
    Ok(GIT.run(GIT.command().arg("-C").arg(root).args(["log", "-1", "--format=%ct"]))?.trim_end().to_owned())
}

/// The directories of the workspace's packages.
fn packages(root: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Workspace {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        manifest_path: PathBuf,
    }
    let mut cargo = CARGO.command();
    let text = CARGO.run(cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root))?;
    let workspace: Workspace = serde_json::from_str(&text).context("reading what cargo says of the workspace")?;
    let folder = |package: &Package| package.manifest_path.parent().map(Path::to_owned);
    Ok(workspace.packages.iter().filter_map(folder).collect())
}

/// The bill while it grows.
#[derive(Default)]
struct Bill {
    commit: String,
    time: Value,
    tools: Value,
    components: Map<String, Value>,
    dependencies: Map<String, Value>,
    parts: Vec<String>,
}

impl Bill {
    fn new(root: &Path) -> Result<Bill> {
        let show = |format: &str| {
            GIT.run(GIT.command().arg("-C").arg(root).env("TZ", "UTC").args([
                "log",
                "-1",
                "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
                format,
            ]))
        };
        let (commit, time) = (show("--format=%H")?, show("--format=%cd")?);
        Ok(Bill::of(commit.trim_end(), time.trim_end()))
    }

    /// With nothing in it yet.
    fn of(commit: &str, time: &str) -> Bill {
        Bill { commit: commit.into(), time: time.into(), tools: Value::Null, ..Bill::default() }
    }

    /// A program with its crates; what two programs share is there once.
    fn add_program(&mut self, bill: Unmerged) -> Result<()> {
        self.tools = bill.metadata.tools;
        for component in bill.components {
            let reference = reference(&component)?;
            self.components.entry(reference).or_insert(component);
        }
        for dependency in bill.dependencies {
            let reference = dependency.get("ref").and_then(Value::as_str).context("a dependency has no ref")?;
            self.dependencies.entry(reference.to_owned()).or_insert(dependency);
        }
        self.add_part(bill.metadata.component)
    }

    fn add_kernel(&mut self, root: &Path) -> Result<()> {
        let stamp = root.join("build/kernel/linode/stamp.toml");
        let text = fs::read_to_string(&stamp).with_context(|| format!("reading {}", stamp.display()))?;
        let version = text.lines().find_map(|line| line.strip_prefix("version = "));
        let version = version.with_context(|| format!("{} has no version", stamp.display()))?.trim_matches('"');
        let series = root.join("patches/series");
        let text = fs::read_to_string(&series).with_context(|| format!("reading {}", series.display()))?;
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let patches: Vec<Value> =
            names.map(|name| json!({"type": "unofficial", "diff": {"url": format!("patches/{name}")}})).collect();
        let purl = format!("pkg:generic/linux@{version}");
        self.add_part(json!({
            "type": "operating-system", "bom-ref": purl, "name": "linux", "version": version,
            "licenses": [{"expression": "GPL-2.0-only WITH Linux-syscall-note"}], "purl": purl, "pedigree": {"patches": patches},
        }))
    }

    fn add_package(&mut self, name: &str) -> Result<()> {
        let version = package_version(name)?;
        let purl = format!("pkg:deb/debian/{name}@{}", escaped(&version));
        self.add_part(json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}))
    }

    /// Something that is published as it is, or in one of the files.
    fn add_part(&mut self, component: Value) -> Result<()> {
        let reference = reference(&component)?;
        self.parts.push(reference.clone());
        self.components.insert(reference, component);
        Ok(())
    }

    fn finish(mut self) -> Result<Value> {
        let whole = "the-release";
        self.dependencies.insert(whole.into(), json!({"ref": whole, "dependsOn": self.parts}));
        let properties = BUILT_WITH.map(|tool| Ok(built_with(tool.program, first_line(tool)?)));
        let mut properties = properties.into_iter().collect::<Result<Vec<Value>>>()?;
        properties.push(built_with(PACKED_WITH, package_version(PACKED_WITH)?));
        let values = |map: Map<String, Value>| map.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        Ok(json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {
                "timestamp": self.time, "tools": self.tools, "properties": properties,
                "component": {"type": "operating-system", "bom-ref": whole, "name": "dock0", "version": self.commit},
            },
            "components": values(self.components), "dependencies": values(self.dependencies),
        }))
    }
}

/// A version as a package URL has it.
fn escaped(version: &str) -> String {
    version.replace('%', "%25").replace('+', "%2B").replace(':', "%3A")
}

fn reference(component: &Value) -> Result<String> {
    let reference = component.get("bom-ref").and_then(Value::as_str).context("a component has no bom-ref")?;
    Ok(reference.to_owned())
}

fn built_with(name: &str, version: String) -> Value {
    json!({"name": format!("dock0:built-with:{name}"), "value": version})
}

fn package_version(name: &str) -> Result<String> {
    let mut query = DPKG_QUERY.command();
    DPKG_QUERY.run(query.args(["--show", "--showformat", "${Version}", name]))
}

/// What a program says first of its version.
fn first_line(tool: Tool) -> Result<String> {
    let text = tool.run(tool.command().arg("--version"))?;
    match text.lines().next() {
        Some(line) => Ok(line.to_owned()),
        None => bail!("{} --version says nothing", tool.program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_programs_share_is_there_once() {
        let component = |name: &str| json!({"bom-ref": name, "name": name});
        let program = |name: &str, crates: &[&str]| Unmerged {
            metadata: Metadata { component: component(name), tools: json!([{"name": "cargo-cyclonedx"}]) },
            components: crates.iter().copied().map(component).collect(),
            dependencies: vec![json!({"ref": name, "dependsOn": crates})],
        };
        let mut bill = Bill::of("c0ffee", "2026-11-26T10:00:00Z");
        bill.add_program(program("init", &["nix", "sha2"])).unwrap();
        bill.add_program(program("dock0", &["sha2", "tar"])).unwrap();
        let bill = bill.finish().unwrap();
        let names = |of: &str, field: &str| -> Vec<String> {
            bill[of].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("components", "bom-ref"), ["dock0", "init", "nix", "sha2", "tar"]);
        assert_eq!(names("dependencies", "ref"), ["dock0", "init", "the-release"]);
        assert_eq!(bill["dependencies"][2]["dependsOn"], json!(["init", "dock0"]));
        assert_eq!(bill["metadata"]["component"]["version"], "c0ffee");
        assert_eq!(bill["metadata"]["tools"][0]["name"], "cargo-cyclonedx");
        let built_with = bill["metadata"]["properties"].as_array().unwrap();
        assert!(built_with[0]["value"].as_str().unwrap().starts_with("rustc "), "{built_with:?}");
        let mut bill = Bill::default();
        let nameless = Unmerged { components: vec![json!({})], ..program("init", &[]) };
        assert_eq!(bill.add_program(nameless).unwrap_err().to_string(), "a component has no bom-ref");
    }

    #[test]
    fn kernel_and_packages_are_in_it() {
        let place = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("build/kernel/linode/stamp.toml", "key = \"1\"\nversion = \"6.12.1\"\n");
        put("patches/series", "# why\na.patch\n\nb.patch\n");
        let mut bill = Bill::default();
        bill.add_kernel(place.path()).unwrap();
        let kernel = &bill.components["pkg:generic/linux@6.12.1"];
        assert_eq!(kernel["pedigree"]["patches"][1]["diff"]["url"], "patches/b.patch");
        bill.add_package("dpkg").unwrap();
        assert!(bill.parts[1].starts_with("pkg:deb/debian/dpkg@1."), "{:?}", bill.parts);
        assert_eq!(escaped("1:2.0+b1"), "1%3A2.0%2Bb1");
        put("build/kernel/linode/stamp.toml", "key = \"1\"\n");
        assert!(bill.add_kernel(place.path()).unwrap_err().to_string().ends_with("stamp.toml has no version"));
    }
}
