//! Lines of the other programs: Dovecot, Exim, postscreen.

use std::net::IpAddr;

use super::scene::{NO_LOGIN_SERVER, NO_PASSWORDS, Scene};

/// A login to a mailbox with the right password.
pub fn dovecot_login(scene: &mut Scene, at: i64, address: IpAddr, account: &str) {
    if NO_LOGIN_SERVER.contains(&at) {
        return dovecot_fault(scene, at, address, account);
    }
    if NO_PASSWORDS.contains(&at) {
        return dovecot_failure(scene, at, address, account, 1);
    }
    let session = scene.id();
    scene.syslog(
        at,
        "dovecot",
        format_args!(
            "imap-login: Login: user=<{account}@example.org>, method=PLAIN, rip={address}, lip=192.0.2.25, mpid={session}, TLS, session=<s{session}>"
        ),
    );
}

/// One that did not, after so many tries.
pub fn dovecot_failure(scene: &mut Scene, at: i64, address: IpAddr, account: &str, attempts: u32) {
    let session = scene.id();
    scene.syslog(
        at,
        "dovecot",
        format_args!(
            "imap-login: Disconnected (auth failed, {attempts} attempts in 2 secs): user=<{account}@example.org>, method=PLAIN, rip={address}, lip=192.0.2.25, TLS, session=<s{session}>"
        ),
    );
}

/// The server could not ask anybody.
pub fn dovecot_fault(scene: &mut Scene, at: i64, address: IpAddr, account: &str) {
    let session = scene.id();
    scene.syslog(
        at,
        "dovecot",
        format_args!(
            "imap-login: Disconnected (auth service reported temporary failure): user=<{account}@example.org>, method=PLAIN, rip={address}, lip=192.0.2.25, TLS, session=<s{session}>"
        ),
    );
}

/// A message that Exim took.
pub fn exim_accept(scene: &mut Scene, at: i64, address: IpAddr, from: &str) {
    let id = format!("1vMabc-{:011}-0001", scene.id());
    scene.exim(
        at,
        format_args!(
            "{id} <= {from} H=mail.example.net [{address}] P=esmtps X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no S=4711 id={id}@example.net"
        ),
    );
    scene.exim(
        at + 200,
        format_args!("{id} => u1 <u1@example.org> R=local_user T=maildir_home"),
    );
    scene.exim(at + 210, format_args!("{id} Completed"));
}

/// A recipient that Exim refused.
pub fn exim_reject(
    scene: &mut Scene,
    at: i64,
    address: IpAddr,
    helo: &str,
    from: &str,
    to: &str,
    why: &str,
) {
    scene.exim(
        at,
        format_args!("H=({helo}) [{address}] F=<{from}> rejected RCPT <{to}>: {why}"),
    );
}

/// A login that Exim refused.
pub fn exim_failure(scene: &mut Scene, at: i64, address: IpAddr, helo: &str, account: &str) {
    scene.exim(
        at,
        format_args!(
            "plain_login authenticator failed for ({helo}) [{address}]: 535 Incorrect authentication data (set_id={account}@example.org)"
        ),
    );
}

/// A client that talks before the greeting.
pub fn postscreen_pregreet(scene: &mut Scene, at: i64, address: IpAddr, helo: &str) {
    let port = 20_000 + scene.id() % 40_000;
    let client = format!("[{address}]:{port}");
    let tag = "postfix/postscreen[700]";
    scene.syslog(
        at,
        tag,
        format_args!("CONNECT from {client} to [192.0.2.25]:25"),
    );
    scene.syslog(
        at + 80,
        tag,
        format_args!("PREGREET 14 after 0.08 from {client}: EHLO {helo}\\r\\n"),
    );
    scene.syslog(at + 900, tag, format_args!("DISCONNECT {client}"));
}
