//! The folders and files that the agent uses.

use std::{fs::File, io, path::Path, sync::Arc};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};

use super::{Caller, Finding, clients::clients, ok, problem, warning};
use crate::dialect::pattern::PatternSet;

/// Root may, and mostly it is root that runs the agent.
const ASK_ROOT: &str = "sudo mailwall doctor";

/// A folder that is not there is made when it is needed, if that can be done.
pub(super) fn folder(caller: Caller, topic: &str, dir: &Path) -> Finding {
    let shown = dir.display();
    let existing = match std::path::absolute(dir) {
        Ok(absolute) => absolute
            .ancestors()
            .find(|path| path.exists())
            .map(Path::to_owned),
        Err(_) => None,
    };
    let Some(existing) = existing else {
        return problem(
            topic,
            format!("{shown} cannot be reached"),
            "name another one",
        );
    };
    if !existing.is_dir() {
        let text = format!("{} is not a folder", existing.display());
        return problem(topic, text, "move it out of the way, or name another one");
    }
    match access(&existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if existing == dir => ok(topic, format!("{shown} can be written")),
        Ok(()) => ok(topic, format!("{shown} can be made")),
        Err(Errno::EROFS) => {
            let text = format!("{shown} is on a file system that is mounted read-only");
            problem(topic, text, "name a folder that can be written")
        }
        Err(Errno::EACCES) if !caller.is_root() => {
            let text = format!("{} cannot be written by this user", existing.display());
            warning(topic, text, ASK_ROOT)
        }
        Err(errno) => {
            let text = format!(
                "{} cannot be written ({})",
                existing.display(),
                errno.desc()
            );
            problem(topic, text, "name another one")
        }
    }
}

/// Whether a log can be read, and what its end tells of the clients.
pub(super) fn source(caller: Caller, path: &Path, patterns: &Arc<PatternSet>) -> Finding {
    let topic = format!("source {}", path.display());
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => match clients(&topic, path, patterns) {
            Ok(Some(found)) => found,
            Ok(None) => ok(&topic, format!("can be read, {} bytes", metadata.len())),
            Err(error) => problem(
                &topic,
                format!("cannot be read ({error})"),
                "check the disk",
            ),
        },
        Ok(_) => problem(&topic, "is not a file", "name a log file in [[source]]"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => warning(
            &topic,
            "does not exist; is read as soon as it does",
            "is the mail log elsewhere, or only in the journal?",
        ),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !caller.is_root() => {
            warning(&topic, "cannot be read by this user", ASK_ROOT)
        }
        Err(error) => {
            let advice = "let the user that `mailwall run` runs as read it";
            problem(&topic, format!("cannot be read ({error})"), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::Level, *};

    fn summary(finding: &Finding) -> (Level, &str) {
        (finding.level, &finding.text)
    }

    #[test]
    fn folders_and_files_are_tried() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("mail.log");
        let caller = Caller::this_process();
        let source = |path: &Path| super::source(caller, path, &Arc::default());
        let folder = |topic: &str, path: &Path| super::folder(caller, topic, path);
        assert_eq!(source(&log).level, Level::Warning);
        fs::write(&log, "text").unwrap();
        assert_eq!(summary(&source(&log)), (Level::Ok, "can be read, 4 bytes"));
        assert_eq!(source(dir.path()).level, Level::Problem);

        assert_eq!(folder("state folder", dir.path()).level, Level::Ok);
        assert_eq!(
            folder("state folder", &dir.path().join("a/b")).level,
            Level::Ok
        );
        assert_eq!(folder("state folder", &log).level, Level::Problem);
        assert_eq!(folder("state folder", &log.join("a")).level, Level::Problem);
    }
}
