//! The pins of links: `link-NAME` of an XDP program and `tcx-NAME` of one for `tc`, so that an interface can have both for the
//! moment in which one takes over from the other.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::{
    error::FilterError,
    link::{self, LinkKind},
    pins,
};

const KINDS: [LinkKind; 2] = [LinkKind::Xdp, LinkKind::Tcx];

/// What the names of the pins of a kind begin with.
const fn prefix(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Xdp => "link-",
        LinkKind::Tcx => "tcx-",
    }
}

/// The pin of a link, by its name; what is there may be something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PinnedLink {
    /// What it should be of.
    pub kind: LinkKind,
    /// The interface that it should hold.
    pub interface: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Name of the pin. A BPF file system takes no dots in names (kernel/bpf/inode.c, `bpf_lookup`), and no interface's name has a
/// colon (net/core/dev.c, `dev_valid_name`).
pub fn name(kind: LinkKind, interface: &str) -> String {
    format!("{}{}", prefix(kind), interface.replace('.', ":"))
}

/// The pins of links in a folder.
pub fn links_in(dir: &Path) -> Vec<PinnedLink> {
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let (kind, interface) = KINDS
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix(prefix(kind))?)))?;
        Some(PinnedLink {
            kind,
            interface: interface.replace(':', "."),
            path,
        })
    };
    pins::entries(dir).into_iter().filter_map(read).collect()
}

/// Detaches the program of a pinned link, and removes the pin.
///
/// # Errors
/// When the pin cannot be removed.
pub fn remove(path: &Path) -> Result<(), FilterError> {
    // What cannot be detached now (it is no link, or its interface is gone) goes with the pin.
    let _ = link::detach(path);
    pins::remove(path)
}

/// [`remove`], where nobody has to know that it failed.
pub fn remove_or_warn(path: &Path) {
    if let Err(error) = remove(path) {
        warn!("{:#}", anyhow::Error::from(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_an_interface_with_a_dot_can_be_pinned() {
        assert_eq!(name(LinkKind::Xdp, "eth0.100"), "link-eth0:100");
        assert_eq!(name(LinkKind::Tcx, "eth0.100"), "tcx-eth0:100");
    }

    #[test]
    fn pins_are_told_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["link-eth0", "tcx-eth0:100", "program", "PORTS"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found: Vec<_> = links_in(dir.path())
            .into_iter()
            .map(|link| (link.kind, link.interface))
            .collect();
        let expected = [
            (LinkKind::Xdp, "eth0".to_owned()),
            (LinkKind::Tcx, "eth0.100".to_owned()),
        ];
        assert_eq!(found, expected);
    }
}
