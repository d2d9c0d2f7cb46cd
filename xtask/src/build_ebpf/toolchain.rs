//! What it takes to build for the kernel beside the pinned compiler: a linker, and `core` for a target that has none built.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustc_build_sysroot::{SysrootBuilder, SysrootConfig, SysrootStatus};

use super::{TARGET, cargo, remap, run_quietly, work_folder};

/// The last version that finds LLVM in the compiler itself; later ones need one on the system.
const LINKER_VERSION: &str = "0.10.4";
/// Names the folder `library` of the compiler's sources.
const LIBRARY_VARIABLE: &str = "MAILWALL_RUST_SRC";
/// What stands for that folder in the object.
pub const LIBRARY_NAME: &str = "library";

/// Linker and sysroot, ready for use.
pub struct Toolchain {
    /// The linker.
    pub linker: PathBuf,
    /// The sources that the sysroot was built from.
    pub library: PathBuf,
    /// Sysroot with `core` for the target.
    pub sysroot: PathBuf,
}

impl Toolchain {
    /// Installs the linker and builds the sysroot under `target/`, unless they are there.
    pub fn prepare(tree: &Path, library: PathBuf) -> Result<Self> {
        Ok(Self {
            linker: linker(tree)?,
            sysroot: sysroot(tree, &library)?,
            library,
        })
    }
}

/// The sources of `core` that belong to the compiler.
pub fn core_sources() -> Result<PathBuf> {
    if let Some(named) = env::var_os(LIBRARY_VARIABLE) {
        let library = PathBuf::from(named);
        ensure!(
            library.join("core/src/lib.rs").is_file(),
            "{LIBRARY_VARIABLE} is {}, where there is no core/src/lib.rs; it must name the folder `library` of the compiler's sources",
            library.display()
        );
        return library
            .canonicalize()
            .with_context(|| format!("find {}", library.display()));
    }
    let rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let library = rustc_build_sysroot::rustc_sysroot_src(rustc)?;
    ensure!(
        library.join("core/src/lib.rs").is_file(),
        "there are no sources of `core`: run `rustup component add rust-src`, or let {LIBRARY_VARIABLE} name the folder `library` of the compiler's sources",
    );
    Ok(library)
}

fn linker(tree: &Path) -> Result<PathBuf> {
    let root = tree.join("target").join("tools");
    let linker = root.join("bin/bpf-linker");
    if version(&linker).as_deref() == Some(&format!("bpf-linker {LINKER_VERSION}")) {
        return Ok(linker);
    }
    println!(
        "installing bpf-linker {LINKER_VERSION} under target/tools, which takes a minute or two"
    );
    run_quietly(
        cargo(tree)
            .args(["install", "bpf-linker", "--quiet", "--force", "--locked"])
            .args(["--version", LINKER_VERSION, "--no-default-features"])
            .args(["--features", "llvm-22,rust-llvm-22", "--root"])
            .arg(&root)
            .env_remove("RUSTC_BOOTSTRAP"),
    )?;
    Ok(linker)
}

/// What a linker says of itself; nothing if there is none that can be run.
fn version(linker: &Path) -> Option<String> {
    let output = Command::new(linker)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn sysroot(tree: &Path, library: &Path) -> Result<PathBuf> {
    let sysroot = work_folder(tree).join("sysroot");
    fs::create_dir_all(&sysroot).with_context(|| format!("create {}", sysroot.display()))?;
    let status = SysrootBuilder::new(&sysroot, TARGET)
        .sysroot_config(SysrootConfig::NoStd)
        .rustflags(["-Cembed-bitcode=yes", "-Copt-level=3"])
        .rustflag(remap(library, LIBRARY_NAME))
        .cargo(cargo(tree))
        .when_build_required(|| println!("building core for {TARGET}"))
        .build_from_source(library)
        .with_context(|| format!("build core from {}", library.display()))?;
    if status == SysrootStatus::SysrootBuilt {
        // Cargo does not see that the `core` its earlier builds stand on is gone.
        let stale = work_folder(tree).join("build");
        if stale.exists() {
            fs::remove_dir_all(&stale).with_context(|| format!("remove {}", stale.display()))?;
        }
    }
    Ok(sysroot)
}
