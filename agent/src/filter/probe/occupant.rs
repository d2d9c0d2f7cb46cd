//! A program of somebody else's on an XDP hook.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use aya::programs::{ProgramInfo, loaded_programs};

use super::{AttachMode, link};

/// Most pins that are looked at in search of one; Cilium keeps some hundreds.
const PINS_MAX: usize = 4096;

/// A program of somebody else's on an XDP hook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Occupant {
    /// Its number in this kernel.
    pub id: u32,
    /// Its name, at most 15 bytes; empty if it has none, or if this process may not know.
    pub name: String,
    /// How it sits there; `None` in the network card itself.
    pub mode: Option<AttachMode>,
    /// Where it, or the link that holds it, is pinned.
    pub pin: Option<PathBuf>,
}

impl Occupant {
    /// The program of that number.
    pub(super) fn of(id: u32, mode: Option<AttachMode>) -> Self {
        let name = loaded_programs()
            .flatten()
            .find(|program| program.id() == id)
            .and_then(|program| program.name_as_str().map(str::to_owned));
        let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
        Self {
            id,
            name: name.unwrap_or_default(),
            mode,
            pin: pin(id, bpf_file_systems(&mounts)),
        }
    }
}

/// `xdp_pass, program 7 in native mode`
impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            write!(f, "{}, ", self.name.escape_default())?;
        }
        write!(f, "program {}", self.id)?;
        match self.mode {
            Some(mode) => write!(f, " in {mode} mode"),
            None => f.write_str(" in the card"),
        }
    }
}

/// Where BPF file systems are mounted. Columns: source, place, type.
fn bpf_file_systems(mounts: &str) -> impl Iterator<Item = &Path> {
    mounts.lines().filter_map(|line| {
        let mut columns = line.split(' ').skip(1);
        let place = columns.next()?;
        (columns.next()? == "bpf").then(|| Path::new(place))
    })
}

/// The first pin of the program, or of its link, breadth first.
fn pin<'a>(program_id: u32, roots: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = roots.map(Path::to_owned).collect();
    let mut next = 0;
    while let Some(path) = found.get(next) {
        let entries = fs::read_dir(path).ok();
        if entries.is_none() && is_of(path, program_id) {
            return found.into_iter().nth(next);
        }
        let room = PINS_MAX.saturating_sub(found.len());
        // iproute2 leaves links from one folder to another.
        let pins = entries.into_iter().flatten().flatten();
        let pins = pins.filter(|pin| pin.file_type().is_ok_and(|kind| !kind.is_symlink()));
        found.extend(pins.take(room).map(|pin| pin.path()));
        next += 1;
    }
    None
}

fn is_of(pin: &Path, program_id: u32) -> bool {
    let link = link::pinned(pin).map(|link| link.program_id);
    let program = || ProgramInfo::from_pin(pin).map(|program| program.id());
    link.ok().or_else(|| program().ok()) == Some(program_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bpf_file_systems_are_told_from_others() {
        let mounts = "\
bpf /sys/fs/bpf bpf rw,nosuid,nodev,noexec,relatime,mode=700 0 0
bpf /mnt ext4 rw 0 0
none /srv/bpf bpf rw 0 0
";
        let found: Vec<_> = bpf_file_systems(mounts).collect();
        assert_eq!(found, ["/sys/fs/bpf", "/srv/bpf"].map(Path::new));
    }

    #[test]
    fn occupants_are_known_by_name_and_number() {
        let mut occupant = Occupant {
            id: 7,
            name: "xdp_pass".to_owned(),
            mode: Some(AttachMode::Native),
            pin: None,
        };
        assert_eq!(occupant.to_string(), "xdp_pass, program 7 in native mode");
        occupant.name.clear();
        occupant.mode = None;
        assert_eq!(occupant.to_string(), "program 7 in the card");
    }
}
