//! `cargo xtask build-ebpf`: builds the kernel half and puts the objects where the agent takes them from, the one that is in force and
//! the one that traces packets, and the programs of the benchmark beside them. They are checked in, so that only those who
//! change `filter-ebpf` or `common` need what this needs: bpf-linker and the sources of `core`.
//!
//! The same tree gives the same bytes on every machine and in every folder: whatever the compiler would write of paths is
//! mapped to names of our own, and the debug sections are taken out once the linker has made BTF of them.

mod object;
mod toolchain;

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use self::toolchain::Toolchain;
pub use self::toolchain::core_sources;

const TARGET: &str = "bpfel-unknown-none";
const PACKAGE: &str = "mailwall-filter";

/// An object that is checked in.
struct Object {
    /// The binary that it is built from.
    binary: &'static str,
    /// With these features of the package.
    features: &'static str,
    /// Where it is, from the root of the tree.
    path: &'static str,
}

const OBJECTS: [Object; 3] = [
    Object {
        binary: "mailwall-filter",
        features: "",
        path: "agent/bpf/mailwall.bpf.o",
    },
    Object {
        binary: "mailwall-filter",
        features: "trace",
        path: "agent/bpf/mailwall-trace.bpf.o",
    },
    Object {
        binary: "mailwall-bench",
        features: "",
        path: "xtask/bpf/bench.bpf.o",
    },
];

/// Build the BPF objects that are checked in
#[derive(clap::Args)]
pub struct Options {
    /// Build them aside, and fail unless they are byte for byte those that are checked in
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub fn run(options: Options) -> Result<()> {
    let tree = tree()?;
    let library = match core_sources() {
        Ok(library) => library,
        Err(missing) if options.check => {
            let paths = OBJECTS.map(|object| object.path).join(", ");
            println!("SKIPPED: not built again: {paths}: {missing:#}");
            return Ok(());
        }
        Err(missing) => return Err(missing),
    };
    let toolchain = Toolchain::prepare(&tree, library)?;
    let mut wrong = Vec::new();
    for object in &OBJECTS {
        let built = object::without_debug_sections(&build(&tree, object, &toolchain)?)?;
        if !options.check {
            install(&tree, object, &built)?;
        } else if let Err(error) = check(&tree, object, &built) {
            wrong.push(format!("{error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

fn install(tree: &Path, object: &Object, built: &[u8]) -> Result<()> {
    let (name, object) = (object.path, tree.join(object.path));
    if fs::read(&object).is_ok_and(|present| present == built) {
        println!("{name}: {} bytes, as before", built.len());
        return Ok(());
    }
    if let Some(folder) = object.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(&object, built).with_context(|| format!("write {}", object.display()))?;
    println!("{name}: {} bytes, written", built.len());
    Ok(())
}

fn check(tree: &Path, object: &Object, built: &[u8]) -> Result<()> {
    let (name, object) = (object.path, tree.join(object.path));
    let aside = work_folder(tree).join(object.file_name().context("an object has a name")?);
    fs::write(&aside, built).with_context(|| format!("write {}", aside.display()))?;
    let present = fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    ensure!(
        present == built,
        "{name} is not what this tree builds, which is now in {}; run `cargo xtask build-ebpf` and commit the object",
        aside.display()
    );
    println!("{name}: {} bytes, built again the same", built.len());
    Ok(())
}

/// Builds an object and reads it.
fn build(tree: &Path, object: &Object, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let target_dir = work_folder(tree).join("build");
    let mut cargo = cargo(tree);
    cargo
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--package", PACKAGE, "--bin", object.binary])
        .args(["--features", object.features])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(tree, toolchain)?)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker);
    // The workspace's release profile is made for the agent.
    for (setting, value) in [
        ("CODEGEN_UNITS", "1"),
        ("DEBUG", "2"),
        ("LTO", "off"),
        ("OPT_LEVEL", "3"),
        ("OVERFLOW_CHECKS", "false"),
        ("PANIC", "abort"),
        ("STRIP", "none"),
    ] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    run_quietly(&mut cargo)?;
    let linked = target_dir.join(TARGET).join("release").join(object.binary);
    fs::read(&linked).with_context(|| format!("read {}", linked.display()))
}

fn rustflags(tree: &Path, toolchain: &Toolchain) -> Result<OsString> {
    let mut flags = vec![
        OsString::from("--sysroot"),
        toolchain.sysroot.clone().into(),
        "-Clink-arg=--btf".into(),
        // Functions such as memcmp, in case generated code calls them; it does not, and they would come in the order of
        // hashes over the path of core's sources.
        "-Clink-arg=--disable-memory-builtins".into(),
        // Else aya-ebpf takes the bindings of the machine this runs on. They differ in the registers of traced functions,
        // which this program has no use for.
        "--cfg=bpf_target_arch=\"x86_64\"".into(),
        remap(tree, "mailwall"),
        remap(&toolchain.library, toolchain::LIBRARY_NAME),
    ];
    flags.extend(
        registries(tree)?
            .iter()
            .map(|folder| remap(folder, "registry")),
    );
    Ok(flags.join(OsStr::new("\x1f")))
}

/// The folders the packages from outside the tree lie in: their names hold that of the registry's host.
fn registries(tree: &Path) -> Result<BTreeSet<PathBuf>> {
    let output = cargo(tree)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", TARGET])
        .output()
        .context("run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("read what cargo metadata says")?;
    let manifests = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?
        .iter()
        .filter_map(|package| package["manifest_path"].as_str())
        .map(Path::new);
    Ok(manifests
        .filter(|manifest| !manifest.starts_with(tree))
        .filter_map(|manifest| manifest.parent()?.parent())
        .map(Path::to_path_buf)
        .collect())
}

fn remap(folder: &Path, name: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(folder);
    flag.push("=");
    flag.push(name);
    flag
}

/// The root of the tree, with no symbolic link in it: the compiler names paths so.
fn tree() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("..")
        .canonicalize()
        .with_context(|| format!("find the folder that holds {}", here.display()))
}

/// Where everything is that is built here, apart from the object.
fn work_folder(tree: &Path) -> PathBuf {
    tree.join("target").join("bpf")
}

/// Cargo in the tree. Building for this target takes features that a stable compiler has, but refuses to enable otherwise.
fn cargo(tree: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tree).env("RUSTC_BOOTSTRAP", "1");
    cargo
}

fn run_quietly(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("run {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}
