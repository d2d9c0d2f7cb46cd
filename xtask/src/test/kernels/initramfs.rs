//! What is in a machine: busybox, `ip` and `tc`, drivers and the tests; and the script that runs them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::{VIRTIO_PAIR, search_path};

use super::{
    image::{Image, Module},
    programs::Program,
};
use crate::command::run_quietly;

/// What a line begins with that tells of the end of a test program; its name and its exit code follow.
pub const ENDED: &str = "== ended: ";

/// Programs of this host that are taken into the machine.
const BORROWED: [&str; 3] = ["busybox", "ip", "tc"];

/// Modules that the tests use; those that they need come with them.
const MODULES: &[&str] = &[
    // Links.
    "veth",
    "virtio_pci",
    "virtio_net",
    "dummy",
    "bridge",
    "8021q",
    "bonding",
    "tun",
    // Programs of `tc`.
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
];

/// Makes the file system that a machine starts with, in a folder that is empty.
///
/// # Errors
/// When something for it is missing, or it cannot be written.
pub fn make(
    folder: &Path,
    image: &Image,
    programs: &[Program],
    filter: Option<&str>,
) -> Result<PathBuf> {
    let tree = Tree(folder.join("tree"));
    for place in ["dev", "proc", "sys", "tmp", "modules"] {
        fs::create_dir_all(tree.0.join(place))?;
    }
    for name in BORROWED {
        tree.borrow(name)?;
    }
    let modules = image.modules(MODULES)?;
    let loads: Vec<String> = modules
        .iter()
        .map(|module| tree.load(module))
        .collect::<Result<_>>()?;
    for program in programs {
        tree.add_program(&program.path, &Path::new("/tests").join(program.name))?;
    }
    let init = tree.0.join("init");
    fs::write(&init, script(&loads, programs, filter))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let archive = folder.join("initramfs");
    pack(&tree.0, &archive)?;
    Ok(archive)
}

/// The first process. Files that are not there are told by what fails without them. One test at a time: Linux 5.10 patches its own
/// code for each BPF_PROG_TEST_RUN (the XDP dispatcher), which throws away all that qemu has translated, and two tests that do so in turn
/// come to nothing.
fn script(loads: &[String], programs: &[Program], filter: Option<&str>) -> String {
    let mut script = format!(
        "#!/bin/busybox sh\n\
        export PATH=/bin\n\
        export {VIRTIO_PAIR}=eth0,eth1\n\
        export RUST_TEST_THREADS=1\n\
        b=/bin/busybox\n\
        $b mount -t proc proc /proc\n\
        $b mount -t sysfs sys /sys\n\
        $b mount -t devtmpfs dev /dev\n\
        $b mount -t tmpfs tmp /tmp\n\
        $b mount -t bpf bpf /sys/fs/bpf\n\
        $b mount -t tracefs trace /sys/kernel/tracing\n"
    );
    for load in loads {
        script += &format!("$b insmod {load}\n");
    }
    script += "/bin/ip link set lo up\n";
    let filter = filter.map(quoted).unwrap_or_default();
    for Program { name, .. } in programs {
        script += &format!("$b time /tests/{name} {filter} 2>&1\n$b echo \"{ENDED}{name} $?\"\n");
    }
    script + "$b poweroff -f\n"
}

/// One word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

struct Tree(PathBuf);

impl Tree {
    /// Adds a program of this host.
    fn borrow(&self, name: &str) -> Result<()> {
        let program = std::env::split_paths(&search_path())
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
            .with_context(|| format!("{name} is missing"))?;
        self.add_program(&program, &Path::new("/bin").join(name))
    }

    /// Adds a program with the libraries it needs.
    fn add_program(&self, program: &Path, place: &Path) -> Result<()> {
        self.add(program, place)?;
        for library in libraries(program) {
            self.add(&library, &library)?;
        }
        Ok(())
    }

    /// Adds a module, unpacked; gives the words that load it.
    fn load(&self, module: &Module) -> Result<String> {
        let name = module.file.file_stem().context("a module has a name")?;
        let mut place = Path::new("/modules").join(name);
        if module.file.extension() == Some(OsStr::new("xz")) {
            let unpacked = Command::new("xz")
                .args(["--decompress", "--stdout"])
                .arg(&module.file)
                .stdout(File::create(self.place(&place)?)?)
                .status()
                .context("start xz")?;
            ensure!(
                unpacked.success(),
                "xz {}: {unpacked}",
                module.file.display()
            );
        } else {
            place.set_extension("ko");
            self.add(&module.file, &place)?;
        }
        let words = std::iter::once(place.display().to_string());
        let words: Vec<String> = words
            .chain(module.options.iter().map(|word| quoted(word)))
            .collect();
        Ok(words.join(" "))
    }

    fn add(&self, file: &Path, place: &Path) -> Result<()> {
        fs::copy(file, self.place(place)?).with_context(|| format!("copy {}", file.display()))?;
        Ok(())
    }

    /// Where a file of the machine lies here, in a folder that is there.
    fn place(&self, place: &Path) -> Result<PathBuf> {
        let here = self.0.join(place.strip_prefix("/")?);
        if let Some(folder) = here.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(here)
    }
}

/// Packs a folder as the file system of a machine.
pub fn pack(tree: &Path, archive: &Path) -> Result<()> {
    let listed = run_quietly(Command::new("find").arg(".").current_dir(tree))?;
    let mut cpio = Command::new("cpio")
        .args(["--create", "--format=newc", "--owner=0:0", "--quiet"])
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(File::create(archive)?)
        .spawn()
        .context("start cpio")?;
    let mut input = cpio.stdin.take().context("the input is piped")?;
    let written = input.write_all(listed.as_bytes());
    drop(input);
    let status = cpio.wait()?;
    written.context("tell cpio the files")?;
    ensure!(status.success(), "cpio: {status}");
    Ok(())
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
    fn the_script_loads_modules_and_runs_every_program_with_the_filter_as_one_word() {
        let programs = ["one", "two"].map(|name| Program {
            name,
            path: PathBuf::new(),
        });
        let loads = ["/modules/a.ko".to_owned()];
        let script = script(&loads, &programs, Some("it's $HOME"));
        assert!(script.contains("\n$b insmod /modules/a.ko\n"));
        assert!(script.contains("\n$b time /tests/one 'it'\\''s $HOME' 2>&1\n"));
        assert!(script.contains("\n$b echo \"== ended: two $?\"\n"));
    }
}
