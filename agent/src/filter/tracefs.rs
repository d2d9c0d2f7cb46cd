//! What the kernel says of its tracepoint `sock:inet_sock_set_state`: its number, and where the fields of its record are.

use std::{
    ffi::CStr,
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use mailwall_common::socket_record::{RECORD_FIELDS, RecordField};

use super::bpf::descriptor;

const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const EVENT: &str = "events/sock/inet_sock_set_state";

/// Numbers of include/uapi/linux/mount.h.
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const MOUNT_ATTR_RDONLY: libc::c_uint = 1;

/// Why the tracepoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TracepointError {
    /// The kernel's file system of tracepoints is not there.
    #[error(
        "cannot mount tracefs; it takes root, and a kernel with CONFIG_FTRACE and CONFIG_BPF_EVENTS"
    )]
    Tracefs(#[source] io::Error),
    /// This kernel has no such tracepoint.
    #[error("cannot read what the kernel says of its tracepoint sock:inet_sock_set_state")]
    Unreadable(#[source] io::Error),
    /// Its record is another than the program reads.
    #[error("the kernel's tracepoint sock:inet_sock_set_state has another record: {0}")]
    Format(String),
    /// The kernel refuses the program.
    #[error("the kernel refuses the tracepoint program")]
    Program(#[source] super::error::FilterError),
    /// The program cannot be attached.
    #[error("cannot {action} the tracepoint program")]
    Attach {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The number of the tracepoint, if the fields of its record are where the program reads them.
///
/// # Errors
/// When they are not, or the kernel does not tell.
pub fn tracepoint() -> Result<u64, TracepointError> {
    let mounted = MOUNTED
        .iter()
        .map(|root| Path::new(root).join(EVENT))
        .find(|event| event.is_dir());
    match mounted {
        Some(event) => read(&event),
        None => {
            // Mounted nowhere, and gone when this is read: the host's mounts are not the filter's business.
            let mount = detached_mount().map_err(TracepointError::Tracefs)?;
            let root = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
            read(&root.join(EVENT))
        }
    }
}

fn read(event: &Path) -> Result<u64, TracepointError> {
    let file = |name| fs::read_to_string(event.join(name)).map_err(TracepointError::Unreadable);
    check_format(&file("format")?).map_err(TracepointError::Format)?;
    let number = file("id")?.trim().parse();
    number.map_err(|error| TracepointError::Unreadable(io::Error::other(error)))
}

/// Compares the kernel's description of the record with what the program reads.
fn check_format(format: &str) -> Result<(), String> {
    for RecordField { name, offset, size } in RECORD_FIELDS {
        let Some((is_at, is_long)) = format.lines().find_map(|line| field(line, name)) else {
            return Err(format!("it has no {name}"));
        };
        if (is_at, is_long) != (offset, size) {
            return Err(format!(
                "{name} is {is_long} bytes at {is_at}, not {size} at {offset}"
            ));
        }
    }
    Ok(())
}

/// Offset and size of the field `name`, if this line, such as `field:int oldstate; offset:16; size:4; signed:1;`, is of it.
fn field(line: &str, name: &str) -> Option<(usize, usize)> {
    let mut parts = line.split(';').map(str::trim);
    let declared = parts.next()?.strip_prefix("field:")?;
    let declared = declared.split('[').next()?.split_whitespace().last()?;
    if declared != name {
        return None;
    }
    let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
    let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
    Some((offset, size))
}

/// A mount of tracefs that is in no folder.
fn detached_mount() -> io::Result<OwnedFd> {
    const NAME: &CStr = c"tracefs";
    const NOTHING: *const libc::c_char = std::ptr::null();
    // SAFETY: the name is a C string that outlives the call.
    let context =
        descriptor(unsafe { libc::syscall(libc::SYS_fsopen, NAME.as_ptr(), FSOPEN_CLOEXEC) })?;
    // SAFETY: this command takes neither key nor value.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            NOTHING,
            NOTHING,
            0,
        )
    };
    if created < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes numbers only.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            MOUNT_ATTR_RDONLY,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.12 tells it.
    const FORMAT: &str = "name: inet_sock_set_state
ID: 1407
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;
";

    #[test]
    fn the_record_that_the_program_reads_is_recognised() {
        assert_eq!(check_format(FORMAT), Ok(()));
    }

    #[test]
    fn another_record_is_refused_with_what_differs() {
        let moved = FORMAT.replace("sport;\toffset:24", "sport;\toffset:26");
        assert_eq!(
            check_format(&moved),
            Err("sport is 2 bytes at 26, not 2 at 24".to_owned())
        );
        let narrow = FORMAT.replace(
            "__u16 protocol;\toffset:30;\tsize:2",
            "__u8 protocol;\toffset:30;\tsize:1",
        );
        assert_eq!(
            check_format(&narrow),
            Err("protocol is 1 bytes at 30, not 2 at 30".to_owned())
        );
        let gone = FORMAT.replace("daddr_v6", "peer");
        assert_eq!(check_format(&gone), Err("it has no daddr_v6".to_owned()));
    }
}
