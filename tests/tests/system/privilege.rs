//! The agent gives up root after its start: what it goes on to do as another user.

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mailwall_tests::{Agent, Setup, Testbed, agent_binary, eventually, search_path};
use nix::unistd::{Group, User};

use crate::{config, must};

const WITHIN: Duration = Duration::from_secs(120);
/// A user that every Debian has, and whose only group is its own.
const USER: &str = "mail";
/// A group that it is no member of.
const FOREIGN: &str = "daemon";

/// An agent as that user, which serves policy clients.
fn unprivileged<'a>(bed: &'a Testbed, policy: &str) -> Agent<'a> {
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o755)).unwrap();
    fs::write(bed.dir().join("mail.log"), "").unwrap();
    let setup = Setup::new(bed, &with_policy(bed, policy)).unwrap();
    let agent = setup.running_as(USER).start().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let uid = User::from_name(USER).unwrap().unwrap().uid;
    assert!(
        status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")),
        "{status}"
    );
    agent
}

fn with_policy(bed: &Testbed, policy: &str) -> String {
    config(
        &bed.dir().join("mail.log"),
        "10m",
        &format!("[policy]\n{policy}\n"),
    )
}

fn socket(bed: &Testbed, name: &str) -> PathBuf {
    bed.dir().join("run").join(name)
}

fn at(path: &Path, group: &str) -> String {
    format!(
        "listen = \"unix:{}\"\ngroup = \"{group}\"\nmode = \"0660\"",
        path.display()
    )
}

/// Whether a policy client is answered there.
fn answers(path: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(path) else {
        return false;
    };
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let question =
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\n\n";
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).unwrap();
    &answer == b"action=DUNNO\n\n"
}

#[track_caller]
fn belongs_to(path: &Path, group: &str) {
    let status = fs::metadata(path).unwrap();
    let group = Group::from_name(group).unwrap().unwrap();
    assert_eq!(status.gid(), group.gid.as_raw());
    assert_eq!(status.permissions().mode() & 0o777, 0o660);
}

fn problems(agent: &Agent<'_>) -> String {
    agent.json(&["status"]).unwrap()["problems"].to_string()
}

#[test]
fn the_policy_socket_moves_and_is_made_anew_without_root() {
    let bed = Testbed::new().unwrap();
    let first = socket(&bed, "policy.sock");
    let agent = unprivileged(&bed, &at(&first, USER));
    belongs_to(&first, USER);
    assert!(answers(&first));
    let second = socket(&bed, "other.sock");
    agent
        .setup()
        .write_config(&with_policy(&bed, &at(&second, USER)))
        .unwrap();
    must(&agent, &["reload"]);
    assert_eq!(problems(&agent), "[]");
    assert!(answers(&second) && !first.exists());
    belongs_to(&second, USER);
    // Somebody clears the folder.
    fs::remove_file(&second).unwrap();
    eventually(
        "a new socket",
        WITHIN,
        || Ok(answers(&second).then_some(())),
    )
    .unwrap();
    belongs_to(&second, USER);
    assert_eq!(problems(&agent), "[]");
    // Another program's socket in its place is left alone.
    fs::remove_file(&second).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&second).unwrap();
    eventually("a problem", WITHIN, || {
        Ok(problems(&agent)
            .contains("another program listens there")
            .then_some(()))
    })
    .unwrap();
    agent.stop().unwrap();
    assert!(second.exists());
    drop(other);
}

#[test]
fn root_gives_the_policy_socket_a_group_that_the_user_cannot() {
    let bed = Testbed::new().unwrap();
    let first = socket(&bed, "policy.sock");
    let agent = unprivileged(&bed, &at(&first, FOREIGN));
    belongs_to(&first, FOREIGN);
    assert!(answers(&first));
    let second = socket(&bed, "other.sock");
    agent
        .setup()
        .write_config(&with_policy(&bed, &at(&second, FOREIGN)))
        .unwrap();
    must(&agent, &["reload"]);
    let told = problems(&agent);
    assert!(
        told.contains("cannot give it to the group daemon")
            && told.contains("; restart mailwall, or make the user"),
        "{told}"
    );
    assert!(!second.exists(), "nobody is let in by half");
    let agent = agent.restart().unwrap();
    assert_eq!(problems(&agent), "[]");
    belongs_to(&second, FOREIGN);
    assert!(answers(&second));
}

#[test]
fn who_cannot_see_the_filter_is_not_told_that_there_is_none() {
    let bed = Testbed::new().unwrap();
    let agent = unprivileged(&bed, "");
    let (_, setup) = agent.stop().unwrap();
    // Where a stranger gets to it, unlike to a folder of builds.
    let program = bed.dir().join("mailwall");
    fs::copy(agent_binary().unwrap(), &program).unwrap();
    fs::set_permissions(bed.bpffs(), Permissions::from_mode(0o700)).unwrap();
    let unload = setup.command(&["unload"]);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", FOREIGN, "--regid", FOREIGN, "--clear-groups"])
        .arg(&program)
        .args(unload.get_args())
        .env("PATH", search_path());
    let answer = setup.run(&mut command).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.stderr.contains("Permission denied") && answer.stderr.contains("run it as root"),
        "{answer:?}"
    );
    assert!(bed.bpffs().join("mailwall/2/SETTINGS").exists());
    // Root does it.
    let answer = setup.cli(&["unload"]).unwrap();
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(!bed.bpffs().join("mailwall").exists());
}
