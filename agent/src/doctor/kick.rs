//! Whether the kernel ends live connections when it is asked.

use std::io;

use super::{Finding, ok, warning};

/// Tries it, on a connection that cannot be.
pub(super) fn kicks() -> Finding {
    kicks_of(crate::kick::try_destroy())
}

fn kicks_of(tried: io::Result<()>) -> Finding {
    const TOPIC: &str = "kicks";
    match tried {
        Ok(()) => ok(TOPIC, "the kernel ends connections when asked"),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => warning(
            TOPIC,
            format!("{error}; `mailwall kick` and rules with kick = true end none, bans work"),
            "take a kernel with CONFIG_INET_DIAG_DESTROY; until then ban the host, and restart the mail server to end its sessions",
        ),
        Err(error) => warning(
            TOPIC,
            format!("cannot tell whether the kernel ends connections ({error}); bans work"),
            "does a sandbox (seccomp, SELinux, a container) keep mailwall from NETLINK_SOCK_DIAG?",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{
        super::{Level, tests::shown},
        kicks_of,
    };

    #[test]
    fn a_kernel_that_cannot_is_a_warning_that_says_what_works() {
        assert_eq!(kicks_of(Ok(())).level, Level::Ok);
        let lacking = io::Error::new(io::ErrorKind::Unsupported, "this kernel cannot");
        let lacking = kicks_of(Err(lacking));
        let refused = kicks_of(Err(io::Error::from_raw_os_error(libc::EPERM)));
        expect_test::expect![[r#"
            warning kicks: this kernel cannot; `mailwall kick` and rules with kick = true end none, bans work
              => take a kernel with CONFIG_INET_DIAG_DESTROY; until then ban the host, and restart the mail server to end its sessions
            warning kicks: cannot tell whether the kernel ends connections (Operation not permitted (os error 1)); bans work
              => does a sandbox (seccomp, SELinux, a container) keep mailwall from NETLINK_SOCK_DIAG?
        "#]]
        .assert_eq(&shown(&[lacking, refused]));
    }
}
