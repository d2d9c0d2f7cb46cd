//! What is in a machine: busybox, `ip`, the driver of virtual links and the tests; and the script that runs them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::search_path;
use tempfile::{NamedTempFile, TempDir};

use super::{image::Image, programs::Program};
use crate::{command::run_quietly, repository};

/// What a line begins with that tells of the end of a test program; its name and its exit code follow.
pub const ENDED: &str = "== ended: ";

/// Programs of this host that are taken into the machine.
const BORROWED: [&str; 2] = ["busybox", "ip"];

/// Makes the file system that a machine starts with.
///
/// # Errors
/// When something for it is missing, or it cannot be written.
pub fn make(image: &Image, programs: &[Program], filter: Option<&str>) -> Result<PathBuf> {
    let parent = repository::target().join("kernels");
    let tree = Tree(tempfile::tempdir_in(&parent)?);
    for folder in ["dev", "proc", "sys", "tmp"] {
        fs::create_dir(tree.0.path().join(folder))?;
    }
    for name in BORROWED {
        tree.borrow(name)?;
    }
    let driver = image.veth.file_name().context("the driver has a name")?;
    tree.add(&image.veth, &Path::new("/").join(driver))?;
    for program in programs {
        tree.add(&program.path, &Path::new("/tests").join(program.name))?;
    }
    let init = tree.0.path().join("init");
    fs::write(&init, script(programs, filter))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let archive = tree.pack(NamedTempFile::new_in(&parent)?)?;
    // Under the same name each time: an interrupted run leaves no more than a whole one.
    let named = parent.join(format!("initramfs-{}", image.release));
    archive.persist(&named)?;
    Ok(named)
}

/// The first process. Files that are not there are told by what fails without them.
fn script(programs: &[Program], filter: Option<&str>) -> String {
    let mut script = "#!/bin/busybox sh\n\
        export PATH=/bin\n\
        b=/bin/busybox\n\
        $b mount -t proc proc /proc\n\
        $b mount -t sysfs sys /sys\n\
        $b mount -t devtmpfs dev /dev\n\
        $b mount -t tmpfs tmp /tmp\n\
        $b mount -t bpf bpf /sys/fs/bpf\n\
        [ ! -e /veth.ko.xz ] || $b unxz /veth.ko.xz\n\
        $b insmod /veth.ko\n\
        /bin/ip link set lo up\n"
        .to_owned();
    let filter = filter.map(quoted).unwrap_or_default();
    for Program { name, .. } in programs {
        script += &format!("/tests/{name} {filter} 2>&1\n$b echo \"{ENDED}{name} $?\"\n");
    }
    script + "$b poweroff -f\n"
}

/// One word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

struct Tree(TempDir);

impl Tree {
    /// Adds a program of this host, with the libraries it needs.
    fn borrow(&self, name: &str) -> Result<()> {
        let program = std::env::split_paths(&search_path())
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
            .with_context(|| format!("{name} is missing"))?;
        self.add(&program, &Path::new("/bin").join(name))?;
        for library in libraries(&program) {
            self.add(&library, &library)?;
        }
        Ok(())
    }

    fn add(&self, file: &Path, place: &Path) -> Result<()> {
        let copy = self.0.path().join(place.strip_prefix("/")?);
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(file, &copy).with_context(|| format!("copy {}", file.display()))?;
        Ok(())
    }

    fn pack(&self, archive: NamedTempFile) -> Result<NamedTempFile> {
        let listed = run_quietly(Command::new("find").arg(".").current_dir(self.0.path()))?;
        let mut cpio = Command::new("cpio")
            .args(["--create", "--format=newc", "--owner=0:0", "--quiet"])
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(archive.reopen()?)
            .spawn()
            .context("start cpio")?;
        let mut input = cpio.stdin.take().context("the input is piped")?;
        let written = input.write_all(listed.as_bytes());
        drop(input);
        let status = cpio.wait()?;
        written.context("tell cpio the files")?;
        ensure!(status.success(), "cpio: {status}");
        Ok(archive)
    }
}

/// Libraries that a program loads; none when it is a static one.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = run_quietly(Command::new("ldd").arg(program)).unwrap_or_default();
    said.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .filter(|file| file.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_every_program_with_the_filter_as_one_word() {
        let programs = ["one", "two"].map(|name| Program {
            name,
            path: PathBuf::new(),
        });
        let script = script(&programs, Some("it's $HOME"));
        assert!(script.contains("\n/tests/one 'it'\\''s $HOME' 2>&1\n"));
        assert!(script.contains("\n$b echo \"== ended: two $?\"\n"));
    }
}
