//! Receivers that speak TLS, with certificates of a CA that nobody trusts but who is told to.

use std::sync::Arc;

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::*;

/// A certificate for 127.0.0.1, and one for hooks.example.org, both signed by the CA in `ca.pem`.
const HERE: [&[u8]; 2] = [include_bytes!("here.der"), include_bytes!("here.key.der")];
const ELSEWHERE: [&[u8]; 2] = [
    include_bytes!("elsewhere.der"),
    include_bytes!("elsewhere.key.der"),
];
const CA: &str = include_str!("ca.pem");
const OTHER_CA: &str = include_str!("other-ca.pem");

/// A server that proves to be who `identity` says, and answers each request with `status`.
fn tls_server(identity: [&'static [u8]; 2], status: &'static str) -> (u16, Receiver<String>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let [certificate, key] = identity;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
        )
        .unwrap();
    let config = Arc::new(config);
    let (told, heard) = channel();
    let port = server(move |mut stream| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        // A client that does not trust it goes away in the middle of that.
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                return;
            }
        }
        answer(StreamOwned::new(connection, stream), status, &told);
    });
    (port, heard)
}

fn channels(port: u16, dir: &std::path::Path, ca: Option<&str>) -> [NotifierSettings; 2] {
    let ca_file = ca.map(|text| {
        let path = dir.join("ca.pem");
        std::fs::write(&path, text).unwrap();
        path
    });
    let key_file = dir.join("key");
    std::fs::write(&key_file, "0123abcd\n").unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let webhook = Channel::Webhook {
        url: format!("https://127.0.0.1:{port}/secret"),
        ca_file: ca_file.clone(),
    };
    let abuseipdb = Channel::AbuseIpdb {
        url: format!("https://127.0.0.1:{port}/api/v2/report"),
        key_file,
        ca_file,
    };
    [settings(webhook), settings(abuseipdb)]
}

/// How each fares when it is to tell of a ban.
fn tell(port: u16, ca: Option<&str>, within: Duration) -> Vec<Health> {
    let dir = tempfile::tempdir().unwrap();
    let channels = channels(port, dir.path(), ca).map(|settings| NotifierSettings {
        timeout: within,
        ..settings
    });
    block_on(async {
        let mut notify = Notify::start(&channels, "mx");
        notify.tell(&ban());
        let healths = loop {
            let healths: Vec<Health> = notify.standing().map(|one| one.health).collect();
            let is_known = |health: &Health| health.told > 0 || health.failing_since.is_some();
            if healths.iter().all(is_known) {
                break healths;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        notify.stop().await;
        healths
    })
}

#[track_caller]
fn fails_with(healths: &[Health], words: &str) {
    assert_eq!(healths.len(), 2);
    for health in healths {
        let error = health.last_error.as_deref().unwrap();
        assert!(error.contains(words), "{error}");
        assert_eq!(
            (health.told, health.lost),
            (0, 0),
            "it waits to be tried again"
        );
    }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn who_is_signed_by_the_ca_that_was_named_is_told() {
    let (port, heard) = tls_server(HERE, "200 OK");
    let healths = tell(port, Some(CA), LONG);
    assert!(healths.iter().all(|health| health.told == 1), "{healths:?}");
    let bodies: Vec<String> = heard.try_iter().collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(bodies.iter().any(|body| body.starts_with("ip=203.0.113.7")));
    assert!(bodies.iter().any(|body| body.starts_with("{\"schema\":1")));
}

#[test]
fn who_is_signed_by_nobody_known_is_told_nothing() {
    let (port, heard) = tls_server(HERE, "200 OK");
    fails_with(&tell(port, Some(OTHER_CA), LONG), "not signed by what");
    assert_eq!(heard.try_iter().count(), 0);
}

#[test]
fn a_certificate_for_another_name_is_told_nothing() {
    let (port, heard) = tls_server(ELSEWHERE, "200 OK");
    fails_with(
        &tell(port, Some(CA), LONG),
        "for another name than that of the URL",
    );
    assert_eq!(heard.try_iter().count(), 0);
}

#[test]
fn a_ca_file_without_a_certificate_is_named() {
    let (port, _heard) = tls_server(HERE, "200 OK");
    fails_with(&tell(port, Some("nothing\n"), LONG), "ca.pem");
}

#[test]
fn a_receiver_that_answers_an_error_over_tls_is_tried_again() {
    let (port, heard) = tls_server(HERE, "500 No");
    fails_with(&tell(port, Some(CA), LONG), "it answered 500");
    // Each was asked.
    assert!(heard.try_iter().count() >= 2);
}

#[test]
fn a_receiver_that_never_shakes_hands_is_given_up_in_time() {
    let streams = std::sync::Mutex::new(Vec::new());
    let port = server(move |stream| streams.lock().unwrap().push(stream));
    fails_with(
        &tell(port, Some(CA), Duration::from_secs(1)),
        "no answer within 1 s",
    );
}
