//! Two hosts with a network card each and a wire between the cards, which are of a kind of one's choice: what a filter does with
//! real packets of that kind.

use std::{
    env, fs,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket},
};

use crate::{Namespace, search_path};

/// The environment variable that names two cards of this host, with a comma between, that are joined by a wire, driven by
/// virtio-net and used for nothing else: tests take them out of the host's network and put them back. Set in the machines of
/// `cargo xtask test --kernels`.
pub const VIRTIO_PAIR: &str = "MAILWALL_VIRTIO_PAIR";

/// Addresses of the server, and of the clients.
const SERVER: [&str; 4] = [
    "192.0.2.1/24",
    "2001:db8:77::1/64",
    "2001:db8:78::1/64",
    "2001:db8:79::1/64",
];
const CLIENTS: [&str; 6] = [
    "192.0.2.10/24",
    "192.0.2.11/24",
    "192.0.2.12/24",
    "2001:db8:77::10/64",
    "2001:db8:78::10/64",
    "2001:db8:79::10/64",
];

/// Held by whoever has the cards that `VIRTIO_PAIR` names.
static PAIR: Mutex<()> = Mutex::new(());

/// A mail host, its clients, and a wire. The server has the addresses 192.0.2.1, 2001:db8:77::1, 2001:db8:78::1 and 2001:db8:79::1; the clients have
/// 192.0.2.10, 192.0.2.11, 2001:db8:77::10 and 2001:db8:78::10.
#[derive(Debug)]
pub struct Cards {
    server: Namespace,
    clients: Namespace,
    /// Names of the cards of both.
    cards: [String; 2],
    pair: Option<MutexGuard<'static, ()>>,
}

impl Cards {
    /// Between virtual Ethernet cards.
    ///
    /// # Errors
    /// When the caller is not root, or `ip` is missing.
    pub fn veth() -> Result<Self> {
        let cards = ["card0".to_owned(), "card1".to_owned()];
        let cards = Self::between(cards, None)?;
        let clients = cards.clients.path();
        cards.server.ip(&format!(
            "link add card0 type veth peer name card1 netns {clients}"
        ))?;
        cards.address()
    }

    /// Between the virtio-net cards that `VIRTIO_PAIR` names; nothing when it names none.
    ///
    /// # Errors
    /// When what it names is not two such cards.
    pub fn virtio() -> Result<Option<Self>> {
        let Ok(pair) = env::var(VIRTIO_PAIR) else {
            return Ok(None);
        };
        let held = PAIR.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = pair
            .split_once(',')
            .with_context(|| format!("{VIRTIO_PAIR}={pair} does not name two cards"))?;
        for card in [first, second] {
            let driver = Path::new("/sys/class/net").join(card).join("device/driver");
            let driver = fs::read_link(&driver)
                .with_context(|| format!("{VIRTIO_PAIR}={pair}: find the driver of {card}"))?;
            ensure!(
                driver.ends_with("virtio_net"),
                "{VIRTIO_PAIR}={pair}: the driver of {card} is {}",
                driver.display()
            );
        }
        let cards = Self::between([first.to_owned(), second.to_owned()], Some(held))?;
        for (card, namespace) in [(first, &cards.server), (second, &cards.clients)] {
            ip(&["link", "set", card, "netns", &namespace.path()])?;
        }
        cards.address().map(Some)
    }

    /// The mail host's network.
    pub fn server(&self) -> &Namespace {
        &self.server
    }

    /// The mail host's card.
    pub fn card(&self) -> &str {
        &self.cards[0]
    }

    /// Sends a SYN from an address of the clients, again and again as TCP does it, without waiting for an answer.
    ///
    /// # Errors
    /// When the clients do not have the address.
    pub fn begin_connection(&self, from: &str, to: SocketAddr) -> Result<Attempt> {
        let from: IpAddr = from.parse()?;
        self.clients.enter(|| {
            let family = if from.is_ipv4() {
                AddressFamily::Inet
            } else {
                AddressFamily::Inet6
            };
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket: OwnedFd = socket(family, SockType::Stream, flags, None)?;
            let from = SockaddrStorage::from(SocketAddr::new(from, 0));
            bind(socket.as_raw_fd(), &from).with_context(|| format!("bind to {from}"))?;
            match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
                Ok(()) | Err(Errno::EINPROGRESS) => Ok(Attempt(socket.into())),
                Err(error) => bail!("connect from {from} to {to}: {error}"),
            }
        })
    }

    fn between(cards: [String; 2], pair: Option<MutexGuard<'static, ()>>) -> Result<Self> {
        Ok(Self {
            server: Namespace::new()?,
            clients: Namespace::new()?,
            cards,
            pair,
        })
    }

    fn address(self) -> Result<Self> {
        let hosts = [
            (&self.server, SERVER.as_slice()),
            (&self.clients, CLIENTS.as_slice()),
        ];
        for ((host, addresses), card) in hosts.into_iter().zip(&self.cards) {
            for address in addresses {
                // Usable at once, without waiting for duplicate address detection.
                let nodad = if address.contains(':') { " nodad" } else { "" };
                host.ip(&format!("address add {address} dev {card}{nodad}"))?;
            }
            host.ip(&format!("link set {card} up"))?;
        }
        Ok(self)
    }
}

impl Drop for Cards {
    fn drop(&mut self) {
        if self.pair.is_none() {
            return;
        }
        // The kernel puts them back too, but some time after their networks have gone.
        for (host, card) in [&self.server, &self.clients].into_iter().zip(&self.cards) {
            if let Err(error) = host.ip(&format!("link set {card} netns 1")) {
                eprintln!("{card} is not put back: {error:#}");
            }
        }
    }
}

/// A connection that a client has begun.
#[derive(Debug)]
pub struct Attempt(TcpStream);

impl Attempt {
    /// Whether the server has answered.
    pub fn is_connected(&self) -> bool {
        self.0.peer_addr().is_ok()
    }
}

/// Runs `ip` with this host's own network.
fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(words)
        .env("PATH", search_path())
        .output()
        .context("start ip")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
