//! `doveadm kick`: Dovecot ends the sessions of a user itself, whatever their ports.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

/// How long Dovecot may take. It is asked apart from everything else, so that nothing waits for it but another question.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Where it may be, beside the folders of `PATH`, which a service may not have.
const FOLDERS: [&str; 4] = [
    "/usr/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/opt/dovecot/bin",
];

/// The program, where there is one.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(FOLDERS.map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("doveadm"))
        .find(|path| path.is_file())
}

/// Ends the sessions of `account`, which is one argument behind `--` and never part of a shell's line.
///
/// # Errors
/// When it cannot be run, takes too long, or fails for another reason than that there are no such sessions.
pub async fn kick(program: &std::path::Path, account: &str) -> io::Result<()> {
    let mut command = Command::new(program);
    command
        .args(["kick", "--", account])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    // Outside a shell `*` and `?` are doveadm's own wildcards: an account of such a name would be everybody.
    if account.contains(['*', '?']) || account.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a name with * or ? would stand for other accounts too",
        ));
    }
    match timeout(TIME_MAX, command.status()).await {
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no end after {} s", TIME_MAX.as_secs()),
        )),
        Ok(Err(error)) => Err(error),
        // EX_NOUSER and DOVEADM_EX_NOTFOUND: nobody of that name is logged in.
        Ok(Ok(status)) if status.success() || matches!(status.code(), Some(67 | 68)) => Ok(()),
        Ok(Ok(status)) => Err(io::Error::other(format!("{status}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf};

    use super::kick;

    fn script(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("doveadm");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn an_account_is_one_argument_whatever_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let program = script(
            &folder,
            &format!(
                "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > {}\n",
                told.display()
            ),
        );
        let account = "-A joe; touch /tmp/x `id` $(id)";
        block_on(kick(&program, account)).unwrap();
        let expected = format!("3\nkick\n--\n{account}\n");
        assert_eq!(fs::read_to_string(told).unwrap(), expected);
    }

    #[test]
    fn a_name_with_wildcards_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(&folder, "#!/bin/sh\nexit 0\n");
        for account in ["*", "jo?", ""] {
            let error = block_on(kick(&program, account)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn nobody_there_is_no_failure_and_others_are() {
        let folder = tempfile::tempdir().unwrap();
        for (code, is_fine) in [(0, true), (67, true), (68, true), (75, false), (1, false)] {
            let program = script(&folder, &format!("#!/bin/sh\nexit {code}\n"));
            assert_eq!(block_on(kick(&program, "joe")).is_ok(), is_fine, "{code}");
        }
        let missing = folder.path().join("nothing");
        assert!(block_on(kick(&missing, "joe")).is_err());
    }
}
