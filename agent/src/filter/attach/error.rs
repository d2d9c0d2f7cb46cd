//! Why the filter could not be put on an interface.

use std::io;

use thiserror::Error;

use super::AttachChoice;
use crate::filter::{AttachMode, FilterError};

/// Why the filter could not be put on an interface.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Its name is not that of an interface.
    #[error("interface {name} does not exist; known: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Another program is there.
    #[error(
        "interface {interface} has another XDP program, {holder}; stop what put it there, \
         or take it off with `ip link set dev {interface} xdp off`"
    )]
    Held {
        /// Where.
        interface: String,
        /// Which program.
        holder: String,
    },
    /// The driver has no native mode.
    #[error("the driver of {interface} has no native XDP")]
    NoNative {
        /// Where.
        interface: String,
    },
    /// Packets are larger than the driver can give to a program.
    #[error("the driver of {interface} has no native XDP at an MTU of {mtu} ({source})")]
    Mtu {
        /// Where.
        interface: String,
        /// Bytes of the largest packet.
        mtu: u32,
        /// As the kernel puts it.
        source: io::Error,
    },
    /// What comes through it are IP packets, and not Ethernet frames.
    #[error(
        "packets on {interface} have no Ethernet header, without which the filter works in tc mode only"
    )]
    NoEthernet {
        /// Where.
        interface: String,
    },
    /// The link could not be pinned.
    #[error("cannot pin the link to {interface}: {source}")]
    Pin {
        /// Where.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// The kernel does not take the program for this mode.
    #[error("{said}")]
    Program {
        /// Why not.
        said: String,
    },
    /// Anything else.
    #[error("cannot attach to {interface} in {mode} mode: {source}")]
    Refused {
        /// Where.
        interface: String,
        /// How.
        mode: AttachMode,
        /// Why not.
        source: io::Error,
    },
    /// Neither of two ways worked.
    #[error("{xdp}; {tc}")]
    Neither {
        /// Why not by XDP.
        xdp: Box<Self>,
        /// Why not by `tc`.
        tc: Box<Self>,
    },
}

impl AttachError {
    /// With what helps beside, where one mode was insisted on.
    pub fn in_full(&self, choice: AttachChoice) -> String {
        match choice {
            AttachChoice::Native if self.depends_on_mode() => {
                format!("{self}; set attach = \"auto\" to fall back on generic mode")
            }
            AttachChoice::Native | AttachChoice::Generic if self.leaves_tc() => {
                format!("{self}; or set attach = \"tc\"")
            }
            _ => self.to_string(),
        }
    }

    /// Whether generic mode may do where native mode failed.
    pub fn depends_on_mode(&self) -> bool {
        matches!(
            self,
            Self::NoNative { .. } | Self::Mtu { .. } | Self::Refused { .. }
        )
    }

    /// Whether `tc` may do where XDP failed.
    pub fn leaves_tc(&self) -> bool {
        matches!(
            self,
            Self::Held { .. } | Self::NoEthernet { .. } | Self::Refused { .. }
        )
    }
}

impl From<FilterError> for AttachError {
    fn from(error: FilterError) -> Self {
        Self::Program {
            said: format!("{:#}", anyhow::Error::from(error)),
        }
    }
}
