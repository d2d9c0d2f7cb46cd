//! Debian's kernels, fetched once and kept.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use mailwall_tests::search_path;

use super::{
    archive::{self, Lists},
    workshop::Workshop,
};
use crate::command::run_quietly;

/// The package that names a suite's kernel for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// What the name of a kernel's package begins with; its release follows.
const PREFIX: &str = "linux-image-";
/// What the releases of such kernels end with.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel that was fetched.
pub struct Image {
    /// Its whole version.
    pub release: String,
    /// The kernel.
    pub kernel: PathBuf,
    root: PathBuf,
}

/// A kernel's module.
pub struct Module {
    /// Its file.
    pub file: PathBuf,
    /// What it is to be loaded with.
    pub options: Vec<String>,
}

impl Image {
    /// The kernel of a series, fetched from the first of Debian's suites that has it, unless it is there already.
    ///
    /// # Errors
    /// When it cannot be had; nothing is left then.
    pub fn ensure(workshop: &Workshop, series: &str, suites: &[&str]) -> Result<Self> {
        let folder = workshop.product(series);
        match Self::find(&folder) {
            Ok(image) => return Ok(image),
            Err(_) if !folder.exists() => {}
            Err(error) => {
                println!("{}: {error:#}: it is made again", folder.display());
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("remove {}", folder.display()))?;
            }
        }
        let mut failures = Vec::new();
        for suite in suites {
            for mirror in archive::mirrors(suite) {
                match fetch(workshop, series, suite, &mirror) {
                    Ok(draft) => {
                        fs::rename(&draft, &folder).with_context(|| {
                            format!("rename the finished image to {}", folder.display())
                        })?;
                        return Self::find(&folder);
                    }
                    Err(error) => failures.push(format!("{suite} of {mirror}: {error:#}")),
                }
            }
        }
        bail!("{}", failures.join("; "))
    }

    /// The modules of these names and those that they need, in the order that they are loaded in; without what is a part of
    /// the kernel.
    ///
    /// # Errors
    /// When the kernel does not have one.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        let mut modules: Vec<Module> = Vec::new();
        for name in names {
            let said = run_quietly(
                Command::new("modprobe")
                    .args(["--show-depends", "--set-version", &self.release])
                    .arg("--dirname")
                    .arg(&self.root)
                    .arg(name)
                    .env("PATH", search_path()),
            )?;
            for line in said.lines() {
                let mut words = line.split_whitespace();
                let (Some("insmod"), Some(file)) = (words.next(), words.next()) else {
                    continue;
                };
                let file = PathBuf::from(file);
                if modules.iter().all(|module| module.file != file) {
                    let options = words.map(str::to_owned).collect();
                    modules.push(Module { file, options });
                }
            }
        }
        Ok(modules)
    }

    fn find(root: &Path) -> Result<Self> {
        let modules = root.join("lib/modules");
        let mut releases =
            fs::read_dir(&modules).with_context(|| format!("read {}", modules.display()))?;
        let folder = releases.next().context("no modules in the package")??;
        let release = folder.file_name().to_string_lossy().into_owned();
        // Debian has had kernels in two places.
        let kernel = [
            root.join("boot").join(format!("vmlinuz-{release}")),
            folder.path().join("vmlinuz"),
        ]
        .into_iter()
        .find(|file| file.is_file())
        .context("no kernel in the package")?;
        ensure!(
            folder.path().join("modules.dep").is_file(),
            "no list of what the modules need"
        );
        Ok(Self {
            release,
            kernel,
            root: root.to_owned(),
        })
    }
}

fn fetch(workshop: &Workshop, series: &str, suite: &str, mirror: &str) -> Result<PathBuf> {
    println!("looking for Linux {series} in {suite} of {mirror}");
    let draft = workshop.draft()?;
    let lists = Lists::fetch(&draft.join("apt"), mirror, suite)?;
    let package = lists
        .needs(PACKAGE)?
        .into_iter()
        .find(|name| name.starts_with(PREFIX))
        .with_context(|| format!("it has no {PACKAGE}"))?;
    let release = package
        .strip_prefix(PREFIX)
        .filter(|release| release.starts_with(&format!("{series}.")) && release.ends_with(FLAVOUR))
        .with_context(|| format!("its kernel is not {series} but {package}"))?
        .to_owned();
    // Newer kernels come in several packages of the same release.
    let mut packages = lists.needs(&package)?;
    packages.retain(|name| name.ends_with(&format!("-{release}")));
    packages.push(package);
    let root = draft.join("root");
    fs::create_dir(&root)?;
    for archive in lists.download(&packages, &draft.join("packages"))? {
        run_quietly(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&archive)
                .arg(&root),
        )?;
    }
    // Debian has had modules in two places, and its tools look for them in either.
    for (place, other) in [("lib", "usr/lib"), ("usr/lib/modules", "../../lib/modules")] {
        let place = root.join(place);
        if !place.exists() {
            let parent = place.parent().context("a place has a parent folder")?;
            fs::create_dir_all(parent)?;
            symlink(other, &place).with_context(|| format!("link {}", place.display()))?;
        }
    }
    run_quietly(
        Command::new("depmod")
            .arg("--basedir")
            .arg(&root)
            .arg(&release)
            .env("PATH", search_path()),
    )?;
    let image = Image::find(&root)?;
    println!("fetched Linux {}", image.release);
    Ok(root)
}
