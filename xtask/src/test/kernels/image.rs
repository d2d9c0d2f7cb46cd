//! Debian's kernels, under `target/`: fetched once, with package lists of their own, so that the machine's sources stay as
//! they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::search_path;

use crate::{apt, command::run_quietly, repository};

/// The package that names a release's kernel for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// What the names of the packages named by it end with.
const FLAVOUR: &str = "-cloud-amd64";
/// What Debian signs its lists with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A kernel that was fetched.
pub struct Image {
    /// Its whole version.
    pub release: String,
    /// The kernel.
    pub kernel: PathBuf,
    /// The driver of virtual Ethernet links.
    pub veth: PathBuf,
}

/// Gives the kernel `series` of Debian's `suite`, fetched when it is not there.
///
/// # Errors
/// When it cannot be had; nothing is left then.
pub fn ensure(series: &str, suite: &str) -> Result<Image> {
    let folder = repository::target().join("kernels").join(series);
    if !folder.exists() {
        fetch(&folder, series, suite)?;
    }
    find(&folder).with_context(|| format!("{}: remove it to have it made anew", folder.display()))
}

fn fetch(folder: &Path, series: &str, suite: &str) -> Result<()> {
    let mirror = apt::host_mirror().context("this host names no mirror of Debian")?;
    let parent = folder.parent().context("the image has a parent folder")?;
    fs::create_dir_all(parent)?;
    // Made under another name, so that what has its name is whole.
    let draft = tempfile::Builder::new()
        .prefix(&format!("{series}-draft-"))
        .tempdir_in(parent)?;
    let lists = Lists::new(&draft.path().join("apt"), &mirror, suite)?;
    println!("fetching Linux {series} from Debian's {suite}");
    run_quietly(lists.command("apt-get").arg("update"))?;
    let named = run_quietly(lists.command("apt-cache").args(["depends", PACKAGE]))?;
    let package = named
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .with_context(|| format!("{suite} has no {PACKAGE}"))?;
    ensure!(
        package.starts_with(&format!("linux-image-{series}.")) && package.ends_with(FLAVOUR),
        "the kernel of {suite} is not {series} but {package}"
    );
    run_quietly(
        lists
            .command("apt-get")
            .args(["download", package])
            .current_dir(draft.path()),
    )?;
    let archive = files(draft.path())?
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get left no file of {package}"))?;
    let unpacked = draft.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    run_quietly(Command::new("dpkg").arg("-x").arg(&archive).arg(&unpacked))?;
    find(&unpacked)?;
    fs::rename(&unpacked, folder)
        .with_context(|| format!("rename the finished image to {}", folder.display()))
}

fn find(folder: &Path) -> Result<Image> {
    let (release, kernel) = files(&folder.join("boot"))?
        .into_iter()
        .find_map(|file| {
            let name = file.file_name()?.to_str()?;
            let release = name.strip_prefix("vmlinuz-")?.to_owned();
            Some((release, file))
        })
        .context("no kernel in the package")?;
    // Before Debian 13 beside `usr`, since then in it; before Debian 13 as it is, since then compressed.
    let veth = ["lib", "usr/lib"]
        .iter()
        .map(|lib| folder.join(lib).join("modules").join(&release))
        .flat_map(|modules| {
            ["veth.ko", "veth.ko.xz"].map(|name| modules.join("kernel/drivers/net").join(name))
        })
        .find(|driver| driver.is_file())
        .context("no veth driver in the package")?;
    Ok(Image {
        release,
        kernel,
        veth,
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Package lists in a folder of their own.
struct Lists {
    options: Vec<String>,
}

impl Lists {
    fn new(folder: &Path, mirror: &str, suite: &str) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let signed_by = if Path::new(KEYRING).is_file() {
            format!(" signed-by={KEYRING}")
        } else {
            String::new()
        };
        let sources = folder.join("sources.list");
        fs::write(
            &sources,
            format!("deb [target=Packages{signed_by}] {mirror} {suite} main\n"),
        )?;
        let folder = folder.display();
        let sources = sources.display();
        Ok(Self {
            options: [
                format!("Dir::State={folder}/state"),
                "Dir::State::status=/dev/null".to_owned(),
                format!("Dir::Cache={folder}/cache"),
                format!("Dir::Etc::SourceList={sources}"),
                "Dir::Etc::SourceParts=/dev/null".to_owned(),
                "Acquire::Languages=none".to_owned(),
                // The folder need not be open to apt's own user.
                "APT::Sandbox::User=".to_owned(),
                "APT::Architecture=amd64".to_owned(),
                "APT::Update::Error-Mode=any".to_owned(),
            ]
            .to_vec(),
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", search_path()).env("LC_ALL", "C");
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }
}
