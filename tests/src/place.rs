//! Where the things are that `cargo xtask` has prepared.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The agent, built beside the program that asks (`target/debug`, `target/release`); `MAILWALL_BINARY` names another.
///
/// # Errors
/// When it is not there.
pub fn agent_binary() -> Result<PathBuf> {
    let binary = match env::var_os("MAILWALL_BINARY") {
        Some(named) => PathBuf::from(named),
        None => profile_dir()?.join("mailwall"),
    };
    ensure!(
        binary.is_file(),
        "{} is not there: run `cargo build --package mailwall` first, or use `cargo xtask test`",
        binary.display()
    );
    Ok(binary)
}

/// The folder of the private roots, whether it is there or not: `target/roots`; `MAILWALL_ROOTS` names another.
///
/// # Errors
/// When the running program does not lie in a target folder.
pub fn roots() -> Result<PathBuf> {
    if let Some(named) = env::var_os("MAILWALL_ROOTS") {
        return Ok(PathBuf::from(named));
    }
    let profile = profile_dir()?;
    let target = profile.parent().context("a build folder has a parent")?;
    Ok(target.join("roots"))
}

/// The private root of a mail server, whether it is there or not.
///
/// # Errors
/// When the running program does not lie in a target folder.
pub fn server_root(name: &str) -> Result<PathBuf> {
    Ok(roots()?.join(name))
}

/// Where programs are looked for: the caller's path, and the folders of root's programs, which are not on everybody's.
pub fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

/// `target/debug` or `target/release`: test programs lie in its `deps`.
fn profile_dir() -> Result<PathBuf> {
    let program = env::current_exe().context("find the running program")?;
    let folder = program.parent().context("a program has a folder")?;
    let profile = match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(Path::new("/")),
        _ => folder,
    };
    Ok(profile.to_owned())
}
