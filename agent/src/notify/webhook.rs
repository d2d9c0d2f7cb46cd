//! A webhook: JSON by HTTP POST. The client is blocking and runs in a thread of its own, with a time-out for the whole of the call.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use serde::Serialize;
use tokio::sync::oneshot;
use ureq::{
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{Message, queue::Parcel};

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// Whose signatures are trusted.
type Roots = Arc<Vec<Certificate<'static>>>;

/// Why a text is not the URL of a webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UrlError {
    /// It is no URL of HTTP.
    NotHttp,
    /// It would go through the network without TLS.
    NotPrivate,
}

/// What is posted, and what commands read.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    schema: u32,
    host: &'a str,
    messages: &'a [Message],
    more: Vec<MoreView<'a>>,
    repeats: u64,
}

#[derive(Serialize)]
struct MoreView<'a> {
    topic: &'static str,
    rule: Option<&'a str>,
    count: u64,
}

impl<'a> Body<'a> {
    pub(super) fn of(host: &'a str, parcel: &'a Parcel) -> Self {
        let more = parcel.more.iter().map(|more| MoreView {
            topic: more.topic.as_str(),
            rule: more.rule.as_deref(),
            count: more.count,
        });
        Self {
            schema: SCHEMA,
            host,
            messages: &parcel.messages,
            more: more.collect(),
            repeats: parcel.repeats,
        }
    }

    pub(super) fn json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}

/// Whether `url` is one that can be posted to: HTTPS, or plain HTTP to this host.
///
/// # Errors
///
/// When it is not.
pub fn check_url(url: &str) -> Result<(), UrlError> {
    let uri: Uri = url.parse().map_err(|_| UrlError::NotHttp)?;
    let host = uri.host().ok_or(UrlError::NotHttp)?;
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_this_host(host) => Ok(()),
        Some("http") => Err(UrlError::NotPrivate),
        _ => Err(UrlError::NotHttp),
    }
}

fn is_this_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Where to post to, and whom to trust there.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    url: String,
    ca_file: Option<PathBuf>,
}

impl Endpoint {
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> Self {
        Self {
            url: url.to_owned(),
            ca_file: ca_file.map(Path::to_owned),
        }
    }
}

pub(super) async fn post(
    endpoint: Endpoint,
    host: &str,
    parcel: &Parcel,
    within: Duration,
) -> Result<(), String> {
    let body = Body::of(host, parcel).json()?;
    let headers = vec![("content-type", "application/json".to_owned())];
    post_bytes(endpoint, headers, body, within).await
}

/// Posts `body`; only a status of success is one.
pub(super) async fn post_bytes(
    endpoint: Endpoint,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    within: Duration,
) -> Result<(), String> {
    let (reply, answer) = oneshot::channel();
    let call = move || {
        // Whoever waits may have given up.
        let _ = reply.send(call(&endpoint, &headers, &body, within));
    };
    let thread = thread::Builder::new().name("webhook".to_owned());
    thread
        .spawn(call)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    answer
        .await
        .unwrap_or_else(|_| Err("the call was broken off".to_owned()))
}

fn call(
    endpoint: &Endpoint,
    headers: &[(&'static str, String)],
    body: &[u8],
    within: Duration,
) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(within))
        .http_status_as_error(false)
        // A secret in the path must not go elsewhere.
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("mailwall/", env!("CARGO_PKG_VERSION")));
    let config = if endpoint.url.starts_with("https:") {
        config.tls_config(tls(endpoint.ca_file.as_deref())?)
    } else {
        config
    };
    let agent = config.build().new_agent();
    let request = headers
        .iter()
        .fold(agent.post(&endpoint.url), |request, (name, value)| {
            request.header(*name, value)
        });
    let answer = request.send(body).map_err(|error| match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", within.as_secs()),
        error => in_words(&error.to_string(), endpoint),
    })?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

/// An error of the call, and what to do about those that an operator can mend.
fn in_words(error: &str, endpoint: &Endpoint) -> String {
    let advice = match &endpoint.ca_file {
        _ if error.contains("not valid for name") => {
            "its certificate is for another name than that of the URL".to_owned()
        }
        _ if error.contains("certificate expired") => "its certificate is over".to_owned(),
        None if error.contains("UnknownIssuer") => {
            "its certificate is signed by none that this host trusts: name that of a private CA with ca_file".to_owned()
        }
        Some(path) if error.contains("UnknownIssuer") => {
            format!("its certificate is not signed by what {} holds", path.display())
        }
        _ => return error.to_owned(),
    };
    format!("{advice} ({error})")
}

/// TLS with the roots of this host, or those in a file, which is read each time.
fn tls(ca_file: Option<&Path>) -> Result<TlsConfig, String> {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    let roots = match (ca_file, ROOTS.get()) {
        (Some(path), _) => roots_in(path)?,
        (None, Some(roots)) => roots.clone(),
        (None, None) => {
            let found = rustls_native_certs::load_native_certs().certs;
            if found.is_empty() {
                return Err(
                    "this host has no TLS roots: install ca-certificates, or set SSL_CERT_FILE"
                        .to_owned(),
                );
            }
            ROOTS.get_or_init(|| roots(&found)).clone()
        }
    };
    let provider = rustls::crypto::ring::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(roots))
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}

fn roots(found: &[CertificateDer<'static>]) -> Roots {
    let roots = found
        .iter()
        .map(|root| Certificate::from_der(root).to_owned());
    Arc::new(roots.collect())
}

fn roots_in(path: &Path) -> Result<Roots, String> {
    let shown = path.display();
    let found = rustls_native_certs::load_certs_from_paths(Some(path), None);
    match (found.certs.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots(&found.certs)),
        (true, Some(error)) => Err(format!("cannot read the certificates in {shown}: {error}")),
        (true, None) => Err(format!("{shown} holds no certificate (PEM)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_with_what_to_do() {
        let shown = |error: &str, ca_file: Option<&str>| {
            let endpoint = Endpoint::new("https://192.0.2.1/", ca_file.map(Path::new));
            in_words(error, &endpoint)
        };
        let unknown = "rustls: invalid peer certificate: UnknownIssuer";
        assert!(shown(unknown, None).contains("name that of a private CA with ca_file"));
        assert!(shown(unknown, Some("/etc/ca.pem")).contains("/etc/ca.pem"));
        assert_eq!(shown("refused", None), "refused");
    }

    #[test]
    fn secrets_go_over_tls_or_not_at_all() {
        for (url, expected) in [
            ("https://hooks.example.org/x", Ok(())),
            ("http://127.0.0.1:8080/x", Ok(())),
            ("http://[::1]/x", Ok(())),
            ("http://localhost/x", Ok(())),
            ("http://hooks.example.org/x", Err(UrlError::NotPrivate)),
            ("http://127.0.0.1.example.org/x", Err(UrlError::NotPrivate)),
            ("ftp://example.org/x", Err(UrlError::NotHttp)),
            ("example.org", Err(UrlError::NotHttp)),
            ("", Err(UrlError::NotHttp)),
        ] {
            assert_eq!(check_url(url), expected, "{url}");
        }
    }
}
