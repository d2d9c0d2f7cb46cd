//! Who may ask the agent: checked by the server, whatever the mode of the socket lets through. Needs root, to be somebody else.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use expect_test::expect;
use mailwall::control::{self, Call, protocol::Answer, socket_path};
use nix::unistd::{Gid, Group, User, geteuid};
use tempfile::TempDir;
use tokio::{runtime::Builder, sync::mpsc, task::spawn_blocking};

use crate::answers;

/// What `status` says to a process of another user, with the socket in this mode, its group `group`.
fn status_of(user: &User, gid: Gid, group: Option<&str>, mode: u32) -> String {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    // The build directory may be closed to others.
    let binary = dir.path().join("mailwall");
    fs::copy(env!("CARGO_BIN_EXE_mailwall"), &binary).unwrap();
    let (uid, run_dir) = (user.uid.as_raw(), dir.path().to_owned());
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let listener = control::listen(&run_dir, group).unwrap();
            fs::set_permissions(socket_path(&run_dir), Permissions::from_mode(mode)).unwrap();
            let (calls_in, mut calls) = mpsc::channel::<Call>(4);
            tokio::spawn(control::serve(listener, calls_in));
            let shown = spawn_blocking(move || run_as(uid, gid.as_raw(), &binary, &run_dir));
            tokio::select! {
                shown = shown => shown.unwrap(),
                Some(call) = calls.recv() => {
                    assert_eq!(call.peer.uid, uid);
                    call.reply.answer(Answer::Status(Box::new(answers::status())));
                    "asked".to_owned()
                }
            }
        })
}

/// Without supplementary groups: std drops them together with the user.
fn run_as(uid: u32, gid: u32, binary: &Path, run_dir: &Path) -> String {
    let output = Command::new(binary)
        .args(["status", "--run-dir"])
        .arg(run_dir)
        .env_clear()
        .uid(uid)
        .gid(gid)
        .current_dir("/")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stderr = stderr.replace(run_dir.to_str().unwrap(), "DIR");
    format!("{stderr}[{}]", output.status.code().unwrap())
}

#[test]
fn others_get_exit_code_4() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED others_get_exit_code_4: only root can become another user");
        return;
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let daemon = Group::from_name("daemon").unwrap().unwrap();
    // The file system lets nobody through.
    expect![[r#"
        error: not permitted to use DIR/control.sock
        hint: run it as root, or as a member of the group in [control]
        [4]"#]]
    .assert_eq(&status_of(&nobody, nobody.gid, None, 0o600));
    // It does, but the server does not.
    let refused = status_of(&nobody, nobody.gid, None, 0o666);
    let refused = refused.replace(&nobody.uid.to_string(), "UID");
    expect![[r#"
        error: user UID may not use the control socket
        hint: run it as root, or as a member of the group in [control]
        [4]"#]]
    .assert_eq(&refused);
    // Without a group in the config, none is let in, not even that of root.
    let roots_group = status_of(&nobody, Gid::from_raw(0), None, 0o666);
    assert!(roots_group.ends_with("[4]"), "{roots_group}");
    // A member of the configured group may ask.
    assert_eq!(
        status_of(&nobody, daemon.gid, Some("daemon"), 0o660),
        "asked"
    );
}
