//! Where maps, program and links are pinned, so that they outlive the agent: `<bpffs-dir>/<abi>/`. Pinned maps are used
//! again only when their shape is the one that this agent and its program believe in; nothing else checks that.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, lchown},
    },
    path::{Path, PathBuf},
};

use aya::maps::{MapError, MapInfo};
use mailwall_common::{ABI, MAPS, MapShape};
use nix::{
    mount::{MsFlags, mount, umount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};
use tracing::{info, warn};

use super::{
    clsact,
    error::FilterError,
    link::LinkKind,
    pinned_link::{self, PinnedLink},
};

/// Where a BPF file system belongs on every host; no folder can be made there before it is mounted.
const BPFFS_HOME: &str = "/sys/fs/bpf";
/// Source of the file systems that are mounted here, to be told from those of others.
const MOUNT_SOURCE: &str = "mailwall";
/// What they are mounted with, and as what the kernel shows that.
const MODE: &str = "mode=0700";
const SHOWN_MODE: &str = "mode=700";
/// What to do where a pin cannot be made or changed.
pub const NEEDS_ROOT: &str = "it takes root (CAP_SYS_ADMIN to mount a BPF file system)";

/// The folder of the pins.
#[derive(Debug)]
pub struct Pins {
    root: PathBuf,
    dir: PathBuf,
    /// What keeps the way there open to who may not go through the folders above it.
    way: Option<Way>,
}

/// A way to the pins that stays when their file system is unmounted; with that, others lose theirs.
#[derive(Debug)]
struct Way {
    _folder: OwnedFd,
    /// Where the file system is mounted, and its device.
    mounted: PathBuf,
    device: u64,
}

/// What pinned maps look like.
#[derive(Debug, Eq, PartialEq)]
pub enum Pinned {
    /// There are none.
    None,
    /// All of them, as they should be.
    Whole,
    /// Others than they should be, and in what.
    Foreign(Vec<String>),
}

impl Pins {
    /// The folder under `bpffs_dir`, made if need be, on a BPF file system, mounted if need be.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(bpffs_dir: &Path) -> Result<Self, FilterError> {
        let pins = Self::existing(bpffs_dir);
        pins.make()?;
        Ok(pins)
    }

    /// Makes the folder if need be, on a BPF file system, mounted if need be.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn make(&self) -> Result<(), FilterError> {
        if !is_on_bpffs(&self.root)? {
            mount_bpffs(&self.root)?;
        }
        make_dir(&self.dir)
    }

    /// Where the pins are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder under `bpffs_dir`, whether it is there or not.
    pub fn existing(bpffs_dir: &Path) -> Self {
        Self {
            root: bpffs_dir.to_owned(),
            dir: bpffs_dir.join(ABI.to_string()),
            way: None,
        }
    }

    /// Makes `uid` and `gid` own the pins, and keeps the way to them open: nobody but root may go through `/sys/fs/bpf`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hand_over(&mut self, uid: u32, gid: u32) -> Result<(), FilterError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| FilterError::Pins {
                action,
                path,
                advice: NEEDS_ROOT,
                source,
            }
        };
        for path in entries(&self.dir).iter().chain([&self.dir, &self.root]) {
            lchown(path, Some(uid), Some(gid)).map_err(failed("hand over", path))?;
        }
        let way = File::options()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(&self.root)
            .map_err(failed("open", &self.root))?;
        let device = way.metadata().map_err(failed("look at", &self.root))?.dev();
        let root = std::path::absolute(&self.root).map_err(failed("look at", &self.root))?;
        let within = root
            .ancestors()
            .take_while(|folder| is_of_device(folder, device));
        let mounted = within.last().unwrap_or(&root).to_owned();
        self.root = PathBuf::from(format!("/proc/self/fd/{}", way.as_raw_fd()));
        self.dir = self.root.join(ABI.to_string());
        self.way = Some(Way {
            _folder: way.into(),
            mounted,
            device,
        });
        Ok(())
    }

    /// Whether the next agent will find what is pinned here.
    ///
    /// # Errors
    /// When the file system is not mounted any more, so that all pins in it go with this process.
    pub fn check_way(&self) -> Result<(), FilterError> {
        let Some(way) = &self.way else {
            return Ok(());
        };
        match is_of_device(&way.mounted, way.device) {
            true => Ok(()),
            false => Err(FilterError::Pins {
                action: "keep the pins in the BPF file system that was mounted at",
                path: way.mounted.clone(),
                advice: "restart mailwall",
                source: io::Error::other("it is not mounted there any more"),
            }),
        }
    }

    /// Where an agent of another ABI has its pins, if there are any.
    pub fn of_abi(&self, abi: u32) -> PathBuf {
        self.root.join(abi.to_string())
    }

    /// Where the map of this name is.
    pub fn map(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the program is.
    pub fn program(&self) -> PathBuf {
        self.dir.join("program")
    }

    /// Where the link to the tracepoint is.
    pub fn tracepoint(&self) -> PathBuf {
        self.dir.join("tracepoint")
    }

    /// Where the link of this kind to this interface is.
    pub fn link(&self, kind: LinkKind, interface: &str) -> PathBuf {
        self.dir.join(pinned_link::name(kind, interface))
    }

    /// The links that are there.
    pub fn links(&self) -> Vec<PinnedLink> {
        pinned_link::links_in(&self.dir)
    }

    /// Compares what is pinned with what should be.
    ///
    /// # Errors
    /// When this process may not look.
    pub fn inspect(&self) -> Result<Pinned, FilterError> {
        let mut differences = Vec::new();
        let mut missing = Vec::new();
        for shape in &MAPS {
            let path = self.map(shape.name);
            match MapInfo::from_pin(&path) {
                Ok(info) => differences.extend(difference(shape, &info)),
                Err(error) => match io_error(error) {
                    error if error.kind() == io::ErrorKind::NotFound => missing.push(shape),
                    error if error.raw_os_error() == Some(libc::EPERM) => {
                        return Err(FilterError::Pins {
                            action: "look at the pinned map",
                            path,
                            advice: "it takes root, or CAP_BPF",
                            source: error,
                        });
                    }
                    error => differences.push(format!("{} is no map ({error})", shape.name)),
                },
            }
        }
        if missing.len() == MAPS.len() {
            return Ok(Pinned::None);
        }
        let missing = missing.iter().filter(|shape| !shape.is_derived);
        differences.extend(missing.map(|shape| format!("{} is missing", shape.name)));
        if differences.is_empty() {
            return Ok(Pinned::Whole);
        }
        Ok(Pinned::Foreign(differences))
    }

    /// Takes the pins of maps and program away. A program that is attached goes on with its maps, because its link stays,
    /// until another program takes its place.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn set_maps_aside(&self) -> Result<(), FilterError> {
        let maps = MAPS.iter().map(|shape| self.map(shape.name));
        for path in maps.chain([self.program()]) {
            remove(&path)?;
        }
        Ok(())
    }

    /// Takes over the links of an agent of another ABI, and removes what else that one had pinned.
    ///
    /// # Errors
    /// When a pin cannot be moved or removed.
    pub fn take_over_links(&self) -> Result<(), FilterError> {
        for other in other_abis(&self.root, &self.dir) {
            for PinnedLink {
                kind,
                interface,
                path,
            } in pinned_link::links_in(&other)
            {
                let here = self.link(kind, &interface);
                if !here.exists() {
                    fs::rename(&path, &here).map_err(|source| FilterError::Pins {
                        action: "move the pinned link",
                        path,
                        advice: NEEDS_ROOT,
                        source,
                    })?;
                }
            }
            info!(dir = %other.display(), "took over the links of another version");
            remove(&other)?;
        }
        Ok(())
    }
}

/// Takes the filter of `bpffs_dir` out of the kernel: detaches it, and removes its maps with all bans.
///
/// # Errors
/// When a pin cannot be removed.
pub fn remove_pins(bpffs_dir: &Path) -> Result<(), FilterError> {
    // What leads packets to it first: none is to meet a filter that is half gone.
    remove_tc_filters();
    for abi in other_abis(bpffs_dir, Path::new("")) {
        for link in pinned_link::links_in(&abi) {
            pinned_link::remove(&link.path)?;
        }
        remove(&abi)?;
    }
    if is_own_mount(bpffs_dir) {
        umount(bpffs_dir).map_err(|errno| FilterError::Pins {
            action: "unmount",
            path: bpffs_dir.to_owned(),
            advice: NEEDS_ROOT,
            source: errno.into(),
        })?;
    }
    // It may be a folder with other things in it, or one that was there before.
    let _ = fs::remove_dir(bpffs_dir);
    Ok(())
}

fn is_of_device(path: &Path, device: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.dev() == device)
}

/// Whether `path`, or as much of it as exists, is on a BPF file system.
///
/// # Errors
/// When that cannot be found out.
pub fn is_on_bpffs(path: &Path) -> Result<bool, FilterError> {
    let failed = |source| FilterError::Pins {
        action: "look at the file system of",
        path: path.to_owned(),
        advice: "name a folder on a BPF file system with --bpffs-dir",
        source,
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    for existing in absolute.ancestors() {
        match statfs(existing) {
            Ok(found) => return Ok(found.filesystem_type() == BPF_FS_MAGIC),
            Err(nix::errno::Errno::ENOENT) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
    }
    Ok(false)
}

fn mount_bpffs(dir: &Path) -> Result<(), FilterError> {
    let (source, target) = if dir.starts_with(BPFFS_HOME) {
        ("bpf", Path::new(BPFFS_HOME))
    } else {
        make_dir(dir)?;
        (MOUNT_SOURCE, dir)
    };
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(source), target, Some("bpf"), flags, Some(MODE)).map_err(|errno| {
        FilterError::Pins {
            action: "mount a BPF file system at",
            path: target.to_owned(),
            advice: NEEDS_ROOT,
            source: errno.into(),
        }
    })?;
    info!(at = %target.display(), "mounted a BPF file system");
    Ok(())
}

/// Whether a BPF file system is mounted exactly at `dir`, by [`mount_bpffs`].
fn is_own_mount(dir: &Path) -> bool {
    let Ok(dir) = dir.canonicalize() else {
        return false;
    };
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| {
        // `36 35 0:42 / /where options - type source super-options` (proc_pid_mountinfo(5))
        let Some((place, kind)) = line.split_once(" - ") else {
            return false;
        };
        let target = place.split(' ').nth(4);
        let is_own = match kind.split(' ').collect::<Vec<_>>()[..] {
            ["bpf", MOUNT_SOURCE, ..] => true,
            // Linux 5.10 does not keep the source of a BPF file system.
            ["bpf", "none", options] => options.split(',').any(|option| option == SHOWN_MODE),
            _ => false,
        };
        is_own && target.is_some_and(|target| Path::new(target) == dir)
    })
}

fn make_dir(dir: &Path) -> Result<(), FilterError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(|source| FilterError::Pins {
        action: "make the folder",
        path: dir.to_owned(),
        advice: "it takes root, and a path on which folders can be made",
        source,
    })
}

fn difference(shape: &MapShape, info: &MapInfo) -> Option<String> {
    let kind = info.map_type().map_or(u32::MAX, |kind| kind as u32);
    let found = [
        ("type", kind, shape.kind as u32),
        ("key size", info.key_size(), shape.key_size),
        ("value size", info.value_size(), shape.value_size),
        ("capacity", info.max_entries(), shape.max_entries),
        ("flags", info.map_flags(), shape.flags),
    ];
    let differing: Vec<String> = found
        .into_iter()
        .filter(|(_, is, should)| is != should)
        .map(|(what, is, should)| format!("{what} {is}, not {should}"))
        .collect();
    (!differing.is_empty()).then(|| format!("{} has {}", shape.name, differing.join(", ")))
}

fn io_error(error: MapError) -> io::Error {
    match error {
        MapError::SyscallError(error) => error.io_error,
        MapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Folders of pins under `root`, but for `own`.
fn other_abis(root: &Path, own: &Path) -> Vec<PathBuf> {
    let is_abi = |path: &PathBuf| {
        path != own
            && path.is_dir()
            && path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.parse::<u32>().is_ok())
    };
    entries(root).into_iter().filter(is_abi).collect()
}

/// What is in a folder, by name; nothing when it cannot be read.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Removes a pin, or a folder with all pins in it. What is not there is removed.
pub fn remove(path: &Path) -> Result<(), FilterError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| FilterError::Pins {
            action: "remove the pin",
            path: path.to_owned(),
            advice: NEEDS_ROOT,
            source,
        }),
    }
}

/// Takes our filters for `tc` off the interfaces of this network namespace. They have no pins.
fn remove_tc_filters() {
    let removed = clsact::interfaces().and_then(|interfaces| {
        interfaces
            .into_iter()
            .try_for_each(|interface| clsact::remove(interface).map(drop))
    });
    if let Err(error) = removed {
        warn!("cannot take the filter out of tc; `tc filter del dev NAME ingress` does: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_folder_is_not_on_bpffs() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_on_bpffs(dir.path()).unwrap());
        assert!(!is_on_bpffs(&dir.path().join("not/there/yet")).unwrap());
    }

    #[test]
    fn where_nothing_is_pinned_nothing_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let pins = dir.path().join("pins");
        remove_pins(&pins).unwrap();
        fs::create_dir_all(&pins).unwrap();
        fs::write(pins.join("other"), "of somebody else").unwrap();
        remove_pins(&pins).unwrap();
        assert!(pins.join("other").exists());
    }
}
