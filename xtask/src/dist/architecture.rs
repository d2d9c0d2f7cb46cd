//! The architectures of mail hosts, and what it takes to build for one that is not this machine's.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use rustc_build_sysroot::{SysrootBuilder, SysrootConfig};

use crate::{
    apt::{self, Program},
    build_ebpf,
    command::run_quietly,
    repository,
};

/// Linked statically, with glibc in it.
const STATIC: &str = "-Ctarget-feature=+crt-static";

/// An architecture, by Debian's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Architecture {
    Amd64,
    Arm64,
}

/// Compiler, linker and libraries for an architecture.
pub struct Toolchain {
    pub architecture: Architecture,
    /// Where its standard library is, if it is not the compiler's own.
    sysroot: Option<PathBuf>,
}

impl Architecture {
    /// This machine's.
    ///
    /// # Errors
    /// When it is none of those that mail hosts have.
    pub fn of_this_machine() -> Result<Self> {
        let mut all = Self::value_variants().iter();
        let own = all.find(|architecture| architecture.is_this_machines());
        own.copied()
            .with_context(|| format!("nobody has tried packages for {}", env::consts::ARCH))
    }

    pub fn is_this_machines(self) -> bool {
        self.rust() == env::consts::ARCH
    }

    /// As Debian calls it.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust calls it.
    pub const fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// What the compiler is to build for.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.rust())
    }

    /// A tool of GNU's for it.
    fn tool(self, name: &str) -> String {
        match self.is_this_machines() {
            true => name.to_owned(),
            false => format!("{}-linux-gnu-{name}", self.rust()),
        }
    }

    /// Tells cargo, and the scripts that build C, what to build for it with.
    fn name_tools(self, cargo: &mut Command) {
        if self.is_this_machines() {
            return;
        }
        let compiler = self.tool("gcc");
        let target = self.target().replace('-', "_");
        cargo
            .env(
                format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()),
                &compiler,
            )
            .env(format!("CC_{target}"), &compiler)
            .env(format!("AR_{target}"), self.tool("ar"));
    }

    /// What is needed to build for it elsewhere.
    const fn cross_tools(self) -> [Program; 2] {
        let (compiler, package, library, file) = match self {
            Self::Amd64 => (
                "x86_64-linux-gnu-gcc",
                "gcc-x86-64-linux-gnu",
                "libc6-dev-amd64-cross",
                "/usr/x86_64-linux-gnu/lib/libc.a",
            ),
            Self::Arm64 => (
                "aarch64-linux-gnu-gcc",
                "gcc-aarch64-linux-gnu",
                "libc6-dev-arm64-cross",
                "/usr/aarch64-linux-gnu/lib/libc.a",
            ),
        };
        [
            Program {
                name: compiler,
                package,
                purpose: "a linker for the other architecture",
            },
            Program {
                name: file,
                package: library,
                purpose: "the C library of the other architecture",
            },
        ]
    }

    /// Runs programs of it elsewhere.
    const fn emulator(self) -> Program {
        Program {
            name: match self {
                Self::Amd64 => "qemu-x86_64-static",
                Self::Arm64 => "qemu-aarch64-static",
            },
            package: "qemu-user-static",
            purpose: "to run programs of the other architecture",
        }
    }
}

impl Toolchain {
    /// Installs and builds what is missing.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn prepare(architecture: Architecture) -> Result<Self> {
        let mut toolchain = Self {
            architecture,
            sysroot: None,
        };
        if architecture.is_this_machines() {
            return Ok(toolchain);
        }
        apt::ensure(&architecture.cross_tools())?;
        if !has_library(&architecture.target())? {
            toolchain.sysroot = Some(sysroot(architecture)?);
        }
        Ok(toolchain)
    }

    /// Has cargo build with it.
    pub fn govern(&self, cargo: &mut Command) {
        let mut flags = vec![OsString::from(STATIC)];
        if let Some(sysroot) = &self.sysroot {
            flags.extend(["--sysroot".into(), sysroot.into()]);
        }
        cargo
            .args(["--target", &self.architecture.target()])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}".as_ref()));
        self.architecture.name_tools(cargo);
    }

    /// Takes what debuggers need out of a binary.
    ///
    /// # Errors
    /// When that fails.
    pub fn strip(&self, binary: &Path) -> Result<()> {
        let strip = self.architecture.tool("strip");
        run_quietly(Command::new(strip).arg(binary)).map(drop)
    }
}

/// Runs a binary of another architecture in an emulator, as far as that goes without a kernel of its own: it must know its version,
/// find its default configuration right, and read a log.
///
/// # Errors
/// When it does not.
pub fn try_emulated(architecture: Architecture, binary: &Path) -> Result<()> {
    const LINE: &str = "Feb 10 13:26:34 mx1 postfix/smtpd[1234]: NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 <a@example.org>: Recipient address rejected: User unknown";
    let emulator = architecture.emulator();
    let name = emulator.name;
    apt::ensure(&[emulator])?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let run = |words: &[&str]| {
        run_quietly(
            Command::new(name)
                .arg(binary)
                .args(words)
                .current_dir(folder.path()),
        )
    };
    let version = run(&["--version"])?;
    ensure!(
        version.contains(env!("CARGO_PKG_VERSION")),
        "the binary says that it is {version}"
    );
    fs::write(
        folder.path().join("mailwall.toml"),
        run(&["config", "default"])?,
    )?;
    run(&["config", "check", "mailwall.toml"])?;
    fs::write(folder.path().join("mail.log"), LINE)?;
    let parsed = run(&["parse", "--json", "mail.log"])?;
    ensure!(
        parsed.contains("203.0.113.7") && parsed.contains("unknown-recipient"),
        "the binary reads a line so: {parsed}"
    );
    println!("the binary for {} runs under {name}", architecture.debian());
    Ok(())
}

/// Whether the compiler has the standard library for `target`.
fn has_library(target: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said =
        run_quietly(Command::new(rustc).args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(said.trim()).is_dir())
}

/// A standard library that is built from the compiler's sources.
fn sysroot(architecture: Architecture) -> Result<PathBuf> {
    let target = architecture.target();
    let library = build_ebpf::core_sources().with_context(|| {
        format!("the compiler has no standard library for {target}; `rustup target add {target}` gets one")
    })?;
    let sysroot = repository::target().join("dist/sysroot").join(&target);
    fs::create_dir_all(&sysroot).with_context(|| format!("make {}", sysroot.display()))?;
    let mut cargo = repository::cargo(&[]);
    cargo.env("RUSTC_BOOTSTRAP", "1");
    architecture.name_tools(&mut cargo);
    SysrootBuilder::new(&sysroot, &target)
        .sysroot_config(SysrootConfig::WithStd {
            std_features: Vec::new(),
        })
        .rustflags(["-Copt-level=3"])
        .cargo(cargo)
        .when_build_required(|| println!("building the standard library for {target}"))
        .build_from_source(&library)
        .with_context(|| format!("build the standard library from {}", library.display()))?;
    Ok(sysroot)
}
