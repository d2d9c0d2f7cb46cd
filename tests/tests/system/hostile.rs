//! A local user who means harm, at every socket of the agent: strangers get nowhere, members of the group keep no operator out, bans are
//! carried out meanwhile, and memory is bounded.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use mailwall_tests::{Agent, MailServer, Outcome, Setup, Testbed, eventually};
use nix::unistd::Group;

use crate::{config, must, provoke, quiet_agent};

const WITHIN: Duration = Duration::from_secs(120);
/// A user without any rights: `nobody`.
const NOBODY: u32 = 65_534;
/// A group that every Debian has.
const GROUP: &str = "mail";
/// The longest request that there is, as `protocol.rs` has it.
const REQUEST_MAX_KB: u64 = 64 << 10;
/// As many connections as the agent serves of the members of the group.
const CONNECTIONS_MAX: usize = 64;

/// Keeps as many connections open as it is told to, each of which does one kind of harm without end; says `at it` when all of them
/// have been made or refused once. Ends with its parent.
const HARM: &str = r#"
import errno, os, random, socket, sys, time
place, count, kinds = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",")
parent = os.getppid()

def connect():
    if place.startswith("/"):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(place)
    else:
        host, port = place.split(":")
        stream = socket.create_connection((host, int(port)))
    stream.setblocking(False)
    return stream

BEGIN = {
    "silent": b"",
    "half": b'{"request":"sta',
    "huge": b'{"request":"ban-add","reason":"',
    "garbage": b"\x00\xff{[\x1b]]]\n",
    "slow": b'{"request":"ban-list","sort":"added","limit":0}\n',
    "follow": b'{"request":"events","follow":true,"limit":0}\n',
}
BLOCK = b"x" * 65536

def begin(kind):
    try:
        stream = connect()
        stream.send(BEGIN[kind])
        return stream
    except OSError as error:
        if error.errno == errno.EACCES:
            print("refused", flush=True)
            sys.exit(0)
        return None

open_ones = [None] * count
is_told = False
while os.getppid() == parent:
    for number in range(count):
        kind = kinds[number % len(kinds)]
        stream = open_ones[number]
        if stream is None:
            open_ones[number] = begin(kind)
            continue
        try:
            if kind == "huge":
                for _ in range(64):
                    stream.send(BLOCK)
            elif kind == "garbage" or random.random() < 0.001:
                raise OSError
            elif kind in ("silent", "half") and stream.recv(65536) == b"":
                raise OSError
        except BlockingIOError:
            pass
        except OSError:
            stream.close()
            open_ones[number] = None
    if not is_told:
        print("at it", flush=True)
        is_told = True
    time.sleep(0.005)
"#;

/// A process that does harm; dropped, it ends.
struct Harm(Child);

impl Harm {
    /// Starts as `nobody`, with that group, at a socket; waits until it is at it, and gives what it says.
    fn start(bed: &Testbed, group: u32, place: &str, count: usize, kinds: &str) -> (Self, String) {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={group}"))
            .args(["--clear-groups", "/usr/bin/python3", "-c", HARM, place])
            .args([&count.to_string(), kinds])
            // So that the undertaker finds it.
            .arg(bed.dir().join("harm"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = bed.server().spawn(&mut command).unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        (Self(child), said.trim_end().to_owned())
    }
}

impl Drop for Harm {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn open_to_others(bed: &Testbed) {
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o755)).unwrap();
}

fn members() -> u32 {
    Group::from_name(GROUP).unwrap().unwrap().gid.as_raw()
}

/// The most memory that the agent ever had, in KiB.
fn peak_kb(agent: &Agent<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1));
    kb.unwrap().parse().unwrap()
}

/// As often as an operator looks.
#[track_caller]
fn an_operator_is_answered(agent: &Agent<'_>) {
    for words in [&["status"][..], &["ban", "list"], &["rule", "list"]].repeat(10) {
        must(agent, words);
    }
}

#[test]
fn members_of_the_group_keep_no_operator_out() {
    let bed = Testbed::new().unwrap();
    open_to_others(&bed);
    let server = MailServer::start(&bed).unwrap();
    let config = config(
        server.log(),
        "10m",
        &format!("[control]\ngroup = \"{GROUP}\"\n"),
    );
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let before = peak_kb(&agent);
    let socket = agent.setup().socket();
    let (harm, said) = Harm::start(
        &bed,
        members(),
        socket.to_str().unwrap(),
        2 * CONNECTIONS_MAX,
        "half,huge,garbage,slow,follow,silent",
    );
    assert_eq!(said, "at it");
    an_operator_is_answered(&agent);
    provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    must(&agent, &["ban", "add", "203.0.113.8", "--for", "1h"]);
    let banned = bed.client("203.0.113.8").send("alice@example.test");
    assert_eq!(banned.unwrap(), Outcome::Dropped);
    an_operator_is_answered(&agent);
    // One long request at a time, as text and while it is read.
    let grown = peak_kb(&agent) - before;
    assert!(grown < 3 * REQUEST_MAX_KB, "{grown} KiB");
    drop(harm);
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 2, "{list}");
    let (status, _setup) = agent.stop().unwrap();
    assert!(status.success());
}

#[test]
fn strangers_get_nowhere() {
    let bed = Testbed::new().unwrap();
    open_to_others(&bed);
    let sockets = format!(
        "[policy]\nlisten = \"unix:{0}/policy.sock\"\n\n[metrics]\nlisten = \"unix:{0}/metrics.sock\"\n\n\
         [control]\ngroup = \"{GROUP}\"\n",
        bed.dir().display()
    );
    let agent = quiet_agent(&bed, &sockets);
    for socket in [
        agent.setup().socket(),
        bed.dir().join("policy.sock"),
        bed.dir().join("metrics.sock"),
    ] {
        assert!(socket.exists(), "{}", socket.display());
        let place = socket.to_str().unwrap();
        let (_harm, said) = Harm::start(&bed, NOBODY, place, 10, "silent,garbage");
        assert_eq!(said, "refused", "{place}");
        let run_dir = socket.parent().unwrap();
        // Nor can they put another one there.
        let mut replace = Command::new("setpriv");
        replace
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={NOBODY}"))
            .args(["--clear-groups", "mv", "-f"])
            .args([&socket, &run_dir.join("away")])
            .stderr(Stdio::null());
        assert!(!bed.server().output(&mut replace).unwrap().status.success());
    }
    an_operator_is_answered(&agent);
}

/// At a TCP socket every local user is let in.
#[test]
fn who_is_silent_at_the_sockets_of_the_host_keeps_nobody_out_for_long() {
    let bed = Testbed::new().unwrap();
    let sockets = "[policy]\nlisten = \"inet:127.0.0.1:10040\"\n\n[metrics]\nlisten = \"inet:127.0.0.1:9464\"\n";
    let agent = quiet_agent(&bed, sockets);
    let connect = |port: u16| {
        bed.server()
            .enter(|| Ok(std::net::TcpStream::connect(("127.0.0.1", port))?))
            .unwrap()
    };
    // As many as are served at once.
    let silent: Vec<_> = (0..400).map(|_| connect(10040)).collect();
    let scrapers: Vec<_> = (0..8).map(|_| connect(9464)).collect();
    let answer = |port: u16, question: &str| {
        let mut stream = connect(port);
        stream.set_read_timeout(Some(WITHIN))?;
        stream.write_all(question.as_bytes())?;
        let mut first = [0; 6];
        Ok(stream.read_exact(&mut first).is_ok().then_some(first))
    };
    an_operator_is_answered(&agent);
    let question =
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\n\n";
    let given = eventually("an answer", WITHIN, || answer(10040, question)).unwrap();
    assert_eq!(&given, b"action");
    let scrape = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let given = eventually("metrics", WITHIN, || answer(9464, scrape)).unwrap();
    assert_eq!(&given, b"HTTP/1");
    drop((silent, scrapers));
}

/// Starts in a run-time directory that has been prepared so, and gives why it does not.
#[track_caller]
fn refusal(bed: &Testbed, prepare: impl FnOnce(&Path)) -> String {
    let run_dir = bed.dir().join("run");
    let setup = Setup::new(bed, &config(&bed.dir().join("mail.log"), "10m", "")).unwrap();
    prepare(&run_dir);
    let answer = setup.cli(&["run"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    answer.stderr
}

/// What is said of a run-time directory, and who prepares one so.
type Trap = (&'static str, fn(&Path));

#[test]
fn an_agent_does_not_start_where_others_could_take_its_place() {
    let prepared: [Trap; 4] = [
        ("belongs to user nobody, who could", |run_dir| {
            fs::create_dir(run_dir).unwrap();
            chown(run_dir, Some(NOBODY), None).unwrap();
        }),
        ("is open to everybody", |run_dir| {
            fs::create_dir(run_dir).unwrap();
            fs::set_permissions(run_dir, Permissions::from_mode(0o1777)).unwrap();
        }),
        ("is a symbolic link of user nobody", |run_dir| {
            symlink("/etc", run_dir).unwrap();
            std::os::unix::fs::lchown(run_dir, Some(NOBODY), None).unwrap();
        }),
        ("is in the way: it is not a socket", |run_dir| {
            fs::create_dir(run_dir).unwrap();
            symlink("/etc/passwd", run_dir.join("control.sock")).unwrap();
        }),
    ];
    for (why, prepare) in prepared {
        let bed = Testbed::new().unwrap();
        let said = refusal(&bed, prepare);
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(!Path::new("/etc/control.sock").exists());
}

#[test]
fn a_socket_that_somebody_left_is_replaced_and_one_in_use_is_not() {
    let bed = Testbed::new().unwrap();
    let setup = Setup::new(&bed, &config(&bed.dir().join("mail.log"), "10m", "")).unwrap();
    let socket = setup.socket();
    fs::create_dir(socket.parent().unwrap()).unwrap();
    let live = UnixListener::bind(&socket).unwrap();
    let answer = setup.cli(&["run"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.stderr.contains("another mailwall is running"),
        "{answer:?}"
    );
    drop(live);
    chown(&socket, Some(NOBODY), Some(NOBODY)).unwrap();
    let agent = setup.start().unwrap();
    let status = fs::metadata(&socket).unwrap();
    assert_eq!(status.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&status), 0);
    assert!(UnixStream::connect(&socket).is_ok());
    must(&agent, &["status"]);
}
