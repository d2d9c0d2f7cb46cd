//! `cargo xtask dist`: a Debian package, and a tarball for other systems, under `target/dist`.
//!
//! The binary in both is one: linked statically, with glibc in it, so that it runs on whatever has a kernel that the filter
//! loads on.

mod architecture;
mod check;
mod manual;
mod unit;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::Args;
use clap_complete::{aot::Shell, generate_to};

use self::architecture::{Architecture, Toolchain};
use crate::{
    command::{self, run_quietly},
    repository,
    skips::Skips,
    tools,
};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Installs, upgrades and purges the package in a fresh Debian root, too; of another architecture, runs the binary in an
    /// emulator
    #[arg(long)]
    check: bool,
    /// For which architecture, if not this machine's
    #[arg(long, value_enum)]
    arch: Option<Architecture>,
    /// With a binary that is not optimised: quicker to build, for trying the package and nothing else
    #[arg(long)]
    debug: bool,
}

/// How packages are made.
struct Build {
    profile: Profile,
    toolchain: Toolchain,
}

/// How the binary is built.
#[derive(Clone, Copy)]
enum Profile {
    Release,
    Debug,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be built, or the package does not do what it should.
pub fn run(options: Options) -> Result<()> {
    let profile = if options.debug {
        Profile::Debug
    } else {
        Profile::Release
    };
    let toolchain = Toolchain::prepare(match options.arch {
        Some(named) => named,
        None => Architecture::of_this_machine()?,
    })?;
    let build = Build { profile, toolchain };
    let stage = build.stage()?;
    let package = build.package(None)?;
    println!("package: {}", package.display());
    let tarball = build.tarball(&stage)?;
    println!("tarball: {}", tarball.display());
    let architecture = build.toolchain.architecture;
    if !options.check {
        return Ok(());
    }
    if !architecture.is_this_machines() {
        return architecture::try_emulated(architecture, &stage.join("mailwall"));
    }
    let next = build.package_of_next_version()?;
    check::run(&package, &next, &tarball)?;
    unit::run(&package)
}

/// Makes the package with a binary that is not optimised, which takes a third of the time, and tries it in a fresh root.
///
/// # Errors
/// When it cannot be made, or does not do what it should.
pub fn try_package(skips: &mut Skips) -> Result<()> {
    const WHAT: &str = "the package in a fresh root";
    if !nix::unistd::geteuid().is_root() {
        skips.add(WHAT, "only root can make one");
        return Ok(());
    }
    let build = Build {
        profile: Profile::Debug,
        toolchain: Toolchain::prepare(Architecture::of_this_machine()?)?,
    };
    let stage = build.stage()?;
    let package = build.package(None)?;
    let next = build.package_of_next_version()?;
    check::run(&package, &next, &build.tarball(&stage)?)
}

impl Build {
    /// What goes into a package: the binary, the manual, completions. Gives the folder.
    fn stage(&self) -> Result<PathBuf> {
        let stage = repository::target().join("dist/stage");
        if stage.exists() {
            fs::remove_dir_all(&stage).context("clear the stage")?;
        }
        for part in ["man", "man5", "completions"] {
            fs::create_dir_all(stage.join(part)).context("make the stage")?;
        }
        let mut cargo = repository::cargo(&["build", "--package", "mailwall", "--locked"]);
        cargo.args(["--profile", self.profile.name()]);
        self.toolchain.govern(&mut cargo);
        command::run(&mut cargo)?;
        let target = self.toolchain.architecture.target();
        let built = repository::target().join(target);
        let built = built.join(self.profile.folder()).join("mailwall");
        let binary = stage.join("mailwall");
        fs::copy(&built, &binary).with_context(|| format!("copy {}", built.display()))?;
        self.toolchain.strip(&binary)?;
        let mut line = mailwall::cli::command();
        manual::write(&line, &stage.join("man"), &stage.join("man5"))?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            generate_to(shell, &mut line, "mailwall", stage.join("completions"))
                .context("write completions")?;
        }
        Ok(stage)
    }

    /// Puts a package together, of the project's version or another one.
    fn package(&self, version: Option<&str>) -> Result<PathBuf> {
        let program = tools::cargo_deb()?;
        let folder = self.products();
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let output = folder.join(match version {
            None => "mailwall.deb".to_owned(),
            Some(version) => format!("mailwall-{version}.deb"),
        });
        let mut deb = Command::new(program);
        deb.args([
            "--package",
            "mailwall",
            "--no-build",
            "--no-strip",
            "--output",
        ])
        .arg(&output)
        .args(version.map(|version| format!("--deb-version={version}")))
        .args(["--target", &self.toolchain.architecture.target()])
        .args(self.profile.packing())
        .current_dir(repository::root());
        run_quietly(&mut deb)?;
        if version.is_some() {
            return Ok(output);
        }
        let field = |name: &str| {
            let said = run_quietly(
                Command::new("dpkg-deb")
                    .arg("--field")
                    .arg(&output)
                    .arg(name),
            )?;
            anyhow::Ok(said.trim().to_owned())
        };
        let name = format!(
            "mailwall_{}_{}.deb",
            field("Version")?,
            field("Architecture")?
        );
        let named = output.with_file_name(name);
        fs::rename(&output, &named).context("name the package")?;
        Ok(named)
    }

    /// The same package with a version that dpkg takes for newer.
    fn package_of_next_version(&self) -> Result<PathBuf> {
        self.package(Some("999.0-1"))
    }

    /// Gives a tarball with the binary, the manual, completions, and what a service is made from.
    fn tarball(&self, stage: &Path) -> Result<PathBuf> {
        let name = format!(
            "mailwall-{}-linux-{}",
            env!("CARGO_PKG_VERSION"),
            self.toolchain.architecture.rust()
        );
        let folder = self.products();
        let whole = folder.join(&name);
        if whole.exists() {
            fs::remove_dir_all(&whole).context("clear the tarball's folder")?;
        }
        fs::create_dir_all(&whole).context("make the tarball's folder")?;
        run_quietly(
            Command::new("cp")
                .arg("--recursive")
                .arg(stage.join("."))
                .arg(&whole),
        )?;
        let root = repository::root();
        let others = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
        let others = others.map(|name| root.join(name));
        let service = ["mailwall.service", "mailwall.sysusers", "mailwall.tmpfiles"];
        let service = service.map(|name| root.join("agent/package").join(name));
        run_quietly(
            Command::new("cp")
                .arg("--recursive")
                .arg(root.join("docs"))
                .arg(&whole),
        )?;
        for path in others.iter().chain(&service) {
            let name = path.file_name().context("a file has a name")?;
            fs::copy(path, whole.join(name)).with_context(|| format!("copy {}", path.display()))?;
        }
        let tarball = folder.join(format!("{name}.tar.gz"));
        // The same files give the same bytes, whoever packs them when.
        let mut tar = Command::new("tar");
        tar.args([
            "--create",
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
        ])
        .args([
            "--mtime=2026-01-01 00:00Z",
            "--use-compress-program=gzip -n9",
        ])
        .arg("--file")
        .arg(&tarball)
        .arg("--directory")
        .arg(&folder)
        .arg(&name);
        run_quietly(&mut tar)?;
        fs::remove_dir_all(&whole).context("remove the tarball's folder")?;
        Ok(tarball)
    }

    /// Where packages go. What is not to be used here lies apart.
    fn products(&self) -> PathBuf {
        let dist = repository::target().join("dist");
        let architecture = self.toolchain.architecture;
        match (self.profile, architecture.is_this_machines()) {
            (Profile::Debug, _) => dist.join("debug"),
            (Profile::Release, true) => dist,
            (Profile::Release, false) => dist.join(architecture.debian()),
        }
    }
}

impl Profile {
    /// As cargo calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "dev",
        }
    }

    /// The folder that cargo builds into.
    const fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }

    /// How hard cargo-deb packs: the large binary of a debug build would take it minutes.
    const fn packing(self) -> Option<&'static str> {
        match self {
            Self::Release => None,
            Self::Debug => Some("--fast"),
        }
    }
}
