//! Every example of every command's help, which is that of its manual page, is run: with the agent at its usual places, beside it what
//! a mail host has. The examples are asked of the program itself, so that none can be left out.

use std::{
    fs::{self, File},
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use mailwall_tests::{Installed, Responder, Testbed, agent_binary, eventually, rejection};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rusqlite::Connection;

use crate::terminal::Terminal;

/// How long an example, and what is needed for it, may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Examples that end otherwise than with 0, and why.
const ENDS: &[(&str, i32, &str)] = &[
    (
        "mailwall status --plain | grep '^problem'",
        1,
        "grep finds nothing: there is no problem",
    ),
    (
        "mailwall doctor --plain | grep '^problem'",
        1,
        "grep finds nothing: nothing stands in the way",
    ),
    (
        "mailwall config default | diff - /etc/mailwall/mailwall.toml",
        1,
        "diff finds differences",
    ),
];

/// Examples that go on until they are ended, by how they begin, and what they show once they work.
const GOES_ON: &[(&str, &str)] = &[
    ("mailwall run", "started"),
    ("mailwall top", "203.0.113.7"),
    ("mailwall events --follow", "198.51.100.77"),
    ("mailwall counters --watch", "VERDICT"),
];

const CONFIG: &str = "/etc/mailwall/mailwall.toml";
const LOG: &str = "/var/log/mail.log";
const DATABASE: &str = "/var/lib/mailwall/mailwall.db";
/// A host that did well on many days.
const REGULAR: &str = "198.51.100.80";

/// Commands that change nothing: what comes after them needs no fresh start.
const LOOKS: &[&str] = &[
    "mailwall",
    "mailwall account list",
    "mailwall account show",
    "mailwall analyze",
    "mailwall ban list",
    "mailwall breaker show",
    "mailwall completions",
    "mailwall config check",
    "mailwall config from-fail2ban",
    "mailwall config show",
    "mailwall counters",
    "mailwall doctor",
    "mailwall notify",
    "mailwall notify list",
    "mailwall notify test",
    "mailwall parse",
    "mailwall report",
    "mailwall rule list",
    "mailwall rule show",
    "mailwall source",
    "mailwall source list",
    "mailwall status",
    "mailwall top",
];

/// What an operator wrote below the default.
const OWN: &str = "
[[notify]]
name = \"postmaster\"
command = [\"/bin/true\"]

# Stricter than the preset.
[[rule]]
name = \"dictionary\"
count = [\"unknown-recipient\"]
per = \"address\"
distinct = \"recipient\"
limit = 5
window = \"10m\"

[[rule]]
name = \"own\"
count = [\"relay-denied\"]
per = \"address\"
limit = 3
window = \"1h\"
";

/// Files in the folder that the examples are run in.
const FILES: &[(&str, &str)] = &[
    ("access", "198.51.100.41\tREJECT\n198.51.100.42\tREJECT\n"),
    ("bans.txt", "198.51.100.31\n198.51.100.32\n"),
    (
        "drop_v4.json",
        "{\"cidr\":\"198.51.100.64/28\",\"sblid\":\"SBL1\"}\n{\"type\":\"metadata\",\"records\":1}\n",
    ),
    (
        "drop_v6.json",
        "{\"cidr\":\"2001:db8:5::/48\",\"sblid\":\"SBL2\"}\n{\"type\":\"metadata\",\"records\":1}\n",
    ),
    (
        "new.toml",
        "[rules]\npreset = \"strict\"\n\n[[source]]\nfile = \"/var/log/mail.log\"\n",
    ),
    (
        "mailwall.toml",
        "[filter]\nmode = \"observe\"\n\n[[source]]\nfile = \"/var/log/mail.log\"\n",
    ),
    ("partners.txt", "198.51.100.21\n198.51.100.22\n"),
    ("top500.txt", "198.51.100.11\n198.51.100.12\n"),
    (
        "fail2ban/jail.local",
        "[postfix]\nenabled = true\nport = smtp\nfilter = postfix\nlogpath = /var/log/mail.log\n",
    ),
];

#[test]
fn every_example_of_every_command_works() {
    let bed = Testbed::new().unwrap();
    let responder = Responder::start(&bed).unwrap();
    let mut host = Host::new(&bed);
    let mut failures = Vec::new();
    let mut count = 0;
    for (path, examples) in commands() {
        assert_eq!(examples.len(), 3, "{path}");
        if host.is_changed {
            host.begin();
        }
        host.is_changed = !LOOKS.contains(&path.as_str());
        for example in examples {
            count += 1;
            // One that cannot be prepared says so by a panic, and the others are tried all the same.
            let tried = catch_unwind(AssertUnwindSafe(|| host.try_out(&path, &example)));
            let why = match tried {
                Ok(Ok(())) => continue,
                Ok(Err(why)) => why,
                Err(_) => {
                    host.is_changed = true;
                    "see above".to_owned()
                }
            };
            failures.push(format!("{example}\n    {why}"));
        }
    }
    host.end();
    drop(responder);
    assert!(count > 100, "only {count} examples found");
    assert!(
        failures.is_empty(),
        "{} of {count} examples do not work:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Every command with its examples, as the program's own help has them.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut paths = vec!["mailwall".to_owned()];
    while let Some(path) = paths.pop() {
        let output = std::process::Command::new(agent_binary().unwrap())
            .args(path.split(' ').skip(1))
            .arg("--help")
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let section = |title: &str| {
            let lines = help.lines().skip_while(|line| *line != title).skip(1);
            let lines = lines.take_while(|line| !line.is_empty());
            lines.map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        };
        for line in section("Commands:") {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                paths.push(format!("{path} {name}"));
            }
        }
        found.push((path, section("EXAMPLES")));
    }
    found
}

/// An example without its comment.
fn code(example: &str) -> &str {
    example
        .split_once(" #")
        .map_or(example, |(code, _)| code)
        .trim()
}

/// A mail host with a mail server, mailwall, and what other programs left there.
struct Host<'a> {
    bed: &'a Testbed,
    installed: Installed<'a>,
    agent: Option<Running>,
    /// Whether anything may be otherwise than [`Host::begin`] leaves it.
    is_changed: bool,
    /// The database of an agent that knows of regulars.
    database: Vec<u8>,
    /// Connections of clients.
    open: Vec<TcpStream>,
}

/// A process that is over when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl<'a> Host<'a> {
    fn new(bed: &'a Testbed) -> Self {
        let installed = Installed::new(bed).unwrap();
        let host = Self {
            bed,
            installed,
            agent: None,
            is_changed: true,
            database: Vec::new(),
            open: Vec::new(),
        };
        // What stands for systemd here.
        host.installed
            .script(
                "systemctl",
                "test \"$*\" = 'stop mailwall' || exit 1\nkill -TERM \"$(cat /run/agent.pid)\"\n\
                 while mailwall status > /run/status 2> /run/status; do sleep 0.02; done",
            )
            .unwrap();
        let text = "mkdir -p /etc/mailwall /etc/mail /etc/bash_completion.d /usr/local/share/zsh/site-functions\n\
            mkdir -p .config/fish/completions fail2ban\n\
            ipset create f2b-postfix hash:ip timeout 600\nipset add f2b-postfix 198.51.100.51\n\
            printf 'Connect:198.51.100.61\\tREJECT\\nClientRate:\\t10\\n' > /etc/mail/access\n";
        host.installed.run(text).unwrap();
        host
    }

    /// Everything as it is before the first example of a command.
    fn begin(&mut self) {
        self.end();
        let installed = &self.installed;
        for (name, text) in FILES {
            fs::write(installed.home().join(name), text).unwrap();
        }
        installed
            .run(
                "rm -rf /var/lib/mailwall /sys/fs/bpf/mailwall /etc/fail2ban\n\
                 cp -r fail2ban /etc/fail2ban",
            )
            .unwrap();
        self.configure();
        let old: String = lines_of_old().collect();
        fs::write(installed.path("/var/log/mail.log.1").unwrap(), &old).unwrap();
        fs::write(installed.home().join("mail.log.2"), &old).unwrap();
        fs::write(installed.path(LOG).unwrap(), "").unwrap();
        installed.run("gzip -f mail.log.2").unwrap();
        let database = installed.path(DATABASE).unwrap();
        if self.database.is_empty() {
            self.start(&["mailwall", "run"]);
            self.end();
            make_a_regular(&database);
            self.database = fs::read(&database).unwrap();
        } else {
            fs::create_dir(database.parent().unwrap()).unwrap();
            fs::write(&database, &self.database).unwrap();
        }
        self.start(&["mailwall", "run"]);
        self.log(&guesses_of_recipients("203.0.113.7"));
        self.log(&guesses_of_logins("203.0.113.9", 12));
        self.log(&[login("203.0.113.8", 4711)]);
        // A packet for the counters.
        drop(self.bed.client("203.0.113.10").connect(25).unwrap());
        self.until("mailwall ban check -q 203.0.113.7 && mailwall ban check -q 203.0.113.9 && mailwall account show joe@example.org");
    }

    fn configure(&self) {
        let default = self.installed.run("mailwall config default").unwrap();
        fs::write(self.installed.path(CONFIG).unwrap(), own(&default)).unwrap();
    }

    fn start(&mut self, words: &[&str]) {
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.bed.dir().join("agent.log"))
            .unwrap();
        let mut command = self.installed.command(words);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let agent = self.bed.server().spawn(&mut command).unwrap();
        let pid = self.installed.path("/run/agent.pid").unwrap();
        fs::write(pid, agent.id().to_string()).unwrap();
        self.agent = Some(Running(agent));
        self.until("mailwall status");
    }

    /// Ends the agent, if it runs, as systemd does.
    fn end(&mut self) {
        self.open.clear();
        if let Some(mut agent) = self.agent.take() {
            let pid = Pid::from_raw(i32::try_from(agent.0.id()).unwrap());
            kill(pid, Signal::SIGTERM).unwrap();
            let status = agent.0.wait().unwrap();
            assert!(status.success(), "the agent ended with {status}");
        }
    }

    fn log(&self, lines: &[String]) {
        use std::io::Write as _;
        let path = self.installed.path(LOG).unwrap();
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(lines.concat().as_bytes()).unwrap();
    }

    /// Waits until a script succeeds.
    #[track_caller]
    fn until(&self, script: &str) -> String {
        eventually(script, WITHIN, || Ok(self.installed.run(script).ok())).unwrap()
    }

    #[track_caller]
    fn must(&self, script: &str) {
        self.installed.run(script).unwrap();
    }

    /// What has to be so before each example of a command.
    fn prepare(&mut self, path: &str, example: &str) {
        match path {
            "mailwall ban remove" => self.must(
                "mailwall ban add 203.0.113.7 203.0.113.0/24 2001:db8:0:1::/64\nmailwall ban add --from bans.txt",
            ),
            "mailwall config default" => self.configure(),
            "mailwall allow list" => self.must("mailwall allow add 198.51.100.25"),
            "mailwall ban check" => self.must("mailwall ban add 2001:db8:0:1::/64"),
            "mailwall allow remove" => self.must(
                "mailwall allow add 198.51.100.25 2001:db8:7::/48\nmailwall allow add --from partners.txt",
            ),
            "mailwall account release" => self.must("mailwall account hold joe@example.org"),
            "mailwall export" => self.must("mailwall import spamhaus-drop drop_v4.json"),
            "mailwall breaker" | "mailwall breaker resume" => {
                // After an operator let bans go on, nothing pauses them for an hour.
                self.end();
                self.start(&["mailwall", "run"]);
                self.log(&guesses_of_logins(REGULAR, 3));
                self.until("test \"$(mailwall breaker show --plain | cut -f1)\" = paused");
            }
            "mailwall kick" => {
                self.must("mailwall ban remove 203.0.113.7 || true");
                let mut clients = Vec::new();
                for address in ["203.0.113.7", "203.0.113.8"] {
                    let stream = self.bed.client(address).connect(25).unwrap().unwrap();
                    clients.push(stream);
                }
                let port = clients[1].local_addr().unwrap().port();
                self.open = clients;
                self.log(&[login("203.0.113.8", port)]);
                self.until(&format!("mailwall account show joe@example.org | grep -w {port}"));
            }
            "mailwall run" => {
                self.end();
                // What an agent of another user leaves is refused to root.
                self.must("rm -rf /run/mailwall /var/lib/mailwall");
            }
            "mailwall unload" => {
                self.end();
                let other = "/run/bpf/mailwall";
                let words: &[&str] = match example.contains(other) {
                    true => &["mailwall", "run", "--bpffs-dir", other],
                    false => &["mailwall", "run"],
                };
                self.start(words);
                if !example.starts_with("systemctl") {
                    self.end();
                }
            }
            _ => {}
        }
    }

    fn try_out(&mut self, path: &str, example: &str) -> Result<(), String> {
        let example = code(example);
        self.prepare(path, example);
        if let Some((_, shown)) = GOES_ON.iter().find(|(begin, _)| example.starts_with(begin)) {
            self.watch(example, shown);
            return Ok(());
        }
        let mut command = self
            .installed
            .command(&["timeout", "60", "sh", "-c", example]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.bed.server().output(&mut command).unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let said = format!("{}\n--\n{stdout}--\n{stderr}", output.status);
        let (code, _) = ENDS
            .iter()
            .find(|(known, ..)| *known == example)
            .map_or((0, ""), |(_, code, why)| (*code, *why));
        if output.status.signal().is_some() || output.status.code() != Some(code) {
            return Err(said);
        }
        if stderr.contains("error:") || stdout.contains("error:") || stdout.starts_with("no ") {
            return Err(said);
        }
        // What is led into a file is in it.
        let shown = match example.rsplit_once(" > ") {
            Some((_, file)) => self
                .installed
                .run(&format!("cat {file}"))
                .map_err(|error| format!("{error:#}"))?,
            None => stdout,
        };
        let is_empty = shown.trim().is_empty();
        if code == 0 && is_empty {
            return Err(format!("nothing is shown: {said}"));
        }
        if path == "mailwall unload" {
            self.agent = None;
            self.must("! test -e /sys/fs/bpf/mailwall && ! test -e /run/bpf/mailwall");
        }
        Ok(())
    }

    /// Runs what goes on in a terminal, until it shows that it works, and ends it as a user does.
    fn watch(&self, example: &str, shown: &str) {
        // Ctrl-C is for every process of the terminal: a shell in between would die of it, and tell nothing of the agent's end.
        let script = match example.contains('|') {
            true => example.to_owned(),
            false => format!("exec {example}"),
        };
        let command = self.installed.command(&["sh", "-c", &script]);
        let program = command.get_program().to_str().unwrap().to_owned();
        let mut words: Vec<String> = Vec::new();
        words.push("env".to_owned());
        let (set, unset): (Vec<_>, Vec<_>) =
            command.get_envs().partition(|(_, value)| value.is_some());
        for (name, _) in unset {
            words.extend(["-u".to_owned(), name.display().to_string()]);
        }
        for (name, value) in set {
            let value = value.unwrap().display();
            words.push(format!("{}={value}", name.display()));
        }
        words.push(program);
        words.extend(command.get_args().map(|word| word.display().to_string()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let terminal = Terminal::start(self.bed, &words, "");
        if example.starts_with("mailwall events") {
            terminal.until(shown, |screen| {
                let again = "mailwall ban add 198.51.100.77 && mailwall ban remove 198.51.100.77";
                self.must(again);
                screen.contains(shown)
            });
        } else {
            terminal.shows(shown);
        }
        let (key, code) = match example {
            _ if example.starts_with("mailwall top") => ("q", 0),
            _ if example.starts_with("mailwall run") => {
                self.until("mailwall status");
                ("C-c", 0)
            }
            _ => ("C-c", 130),
        };
        terminal.press(&[key]);
        let screen = terminal.shows(&format!("ended {code}"));
        assert!(!screen.contains("error:"), "{example}: {screen}");
    }
}

/// The default configuration with an operator's own; one regular that fails is enough for bans to pause.
fn own(default: &str) -> String {
    let breaker = "hosts = 3\nshare = 10\n";
    assert!(default.contains(breaker));
    default.replace(breaker, "hosts = 1\nshare = 1\n") + OWN
}

/// Whoever did well on two days is a regular; that takes two days, or this.
fn make_a_regular(database: &Path) {
    let database = Connection::open(database).unwrap();
    let now = "unixepoch() * 1000";
    let insert = format!("INSERT INTO regulars VALUES ('{REGULAR}/32', {now}, 7, 7)");
    database.execute(&insert, []).unwrap();
}

fn guesses_of_recipients(address: &str) -> Vec<String> {
    let address = address.parse().unwrap();
    (0..12)
        .map(|number| rejection(address, 77, &format!("guess{number}@example.test")) + "\n")
        .collect()
}

/// A line of Postfix's smtpd, written now.
fn smtpd(pid: u32, text: &str) -> String {
    let line = rejection("203.0.113.1".parse().unwrap(), pid, "x@example.test");
    let (head, _) = line.split_once(": ").unwrap();
    format!("{head}: {text}\n")
}

fn guesses_of_logins(address: &str, count: u32) -> Vec<String> {
    (0..count)
        .map(|number| {
            // Each in a session of its own.
            smtpd(1000 + number, &format!(
                "warning: unknown[{address}]: SASL LOGIN authentication failed: authentication failure, sasl_username=user{number}@example.org"
            ))
        })
        .collect()
}

/// A login of joe, on a connection of its own.
fn login(address: &str, port: u16) -> String {
    let pid = u32::from(port);
    let client = format!("unknown[{address}]:{port}");
    smtpd(pid, &format!("connect from {client}"))
        + &smtpd(
            pid,
            &format!(
                "A{pid:07X}: client={client}, sasl_method=PLAIN, sasl_username=joe@example.org"
            ),
        )
}

/// Lines of a log that has been rotated.
fn lines_of_old() -> impl Iterator<Item = String> {
    (10..30).map(|second| {
        let address = "203.0.113.77".parse().unwrap();
        let recipient = format!("guess{second}@example.test");
        mailwall_tests::rejection_at(
            &format!("Nov  2 10:00:{second} mx"),
            address,
            88,
            &recipient,
        )
        .replacen("mx mx", "mx", 1)
            + "\n"
    })
}
