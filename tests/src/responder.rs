//! A small SMTP responder that logs in Postfix's format: stands in for Postfix where that cannot be had. It knows the recipients
//! that exist, and delivers to nowhere.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{Testbed, log_line, mail_server::RECIPIENTS};

/// Longest command line that is read.
const LINE_MAX: u64 = 1024;
/// Longest silence of a client.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks for a new client.
const PAUSE: Duration = Duration::from_millis(5);
/// The first process id that it logs.
const FIRST_PID: u32 = 1000;

/// A running responder.
#[derive(Debug)]
pub struct Responder {
    log: PathBuf,
    stopping: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Responder {
    /// Starts it on the mail host, port 25, IPv4 and IPv6.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(bed: &Testbed) -> Result<Self> {
        fs::create_dir(bed.dir().join("log"))?;
        let log = bed.dir().join("log/mail.log");
        fs::write(&log, "")?;
        let listener = bed.server().enter(|| {
            TcpListener::bind((Ipv6Addr::UNSPECIFIED, 25)).context("listen at port 25")
        })?;
        listener.set_nonblocking(true)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (log, stopping) = (log.clone(), Arc::clone(&stopping));
            move || accept(&listener, &log, &stopping)
        });
        Ok(Self {
            log,
            stopping,
            listener: Some(thread),
        })
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.listener.take() {
            // A panic in it has been printed.
            let _ended = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, log: &Path, stopping: &AtomicBool) {
    let mut pid = FIRST_PID;
    while !stopping.load(Ordering::Relaxed) {
        let Ok((stream, from)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        pid += 1;
        let mut dialogue = Dialogue {
            client: from.ip().to_canonical(),
            log: log.to_owned(),
            pid,
            commands: Vec::new(),
        };
        thread::spawn(move || {
            dialogue.write(&format!("connect from unknown[{}]", dialogue.client));
            match dialogue.speak(stream) {
                Ok(()) => {}
                Err(_) => dialogue.write(&format!(
                    "lost connection after {} from unknown[{}]",
                    dialogue.commands.last().map_or("CONNECT", |(name, _)| name),
                    dialogue.client
                )),
            }
            let counts = dialogue.counts();
            dialogue.write(&format!(
                "disconnect from unknown[{}]{counts}",
                dialogue.client
            ));
        });
    }
}

struct Dialogue {
    client: IpAddr,
    log: PathBuf,
    pid: u32,
    /// Each command, and whether it was accepted.
    commands: Vec<(String, bool)>,
}

impl Dialogue {
    fn speak(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut output = stream.try_clone()?;
        let mut input = BufReader::new(stream);
        output.write_all(b"220 mx.example.test ESMTP\r\n")?;
        let mut queue_id = None;
        loop {
            let line = read_line(&mut input)?;
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let verb = verb.to_ascii_uppercase();
            let reply = match verb.as_str() {
                "EHLO" | "HELO" => "250 mx.example.test".to_owned(),
                "MAIL" | "RSET" | "NOOP" => "250 2.0.0 Ok".to_owned(),
                "RCPT" => {
                    let reply = self.recipient(&line);
                    if reply.starts_with("250") && queue_id.is_none() {
                        let id = format!("{:X}", 0xA000_0000_u32 + self.pid);
                        self.write(&format!("{id}: client=unknown[{}]", self.client));
                        queue_id = Some(id);
                    }
                    reply
                }
                "DATA" if queue_id.is_some() => {
                    output.write_all(b"354 End data with <CR><LF>.<CR><LF>\r\n")?;
                    while read_line(&mut input)? != "." {}
                    "250 2.0.0 Ok: queued".to_owned()
                }
                "QUIT" => "221 2.0.0 Bye".to_owned(),
                _ => "502 5.5.2 Error: command not recognized".to_owned(),
            };
            let quit = verb == "QUIT";
            self.commands
                .push((verb.to_lowercase(), !reply.starts_with('5')));
            output.write_all(format!("{reply}\r\n").as_bytes())?;
            if quit {
                return Ok(());
            }
        }
    }

    fn recipient(&self, line: &str) -> String {
        let address = line
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or("", |(address, _)| address);
        if RECIPIENTS.contains(&address) {
            return "250 2.1.5 Ok".to_owned();
        }
        self.append(&log_line::rejection(self.client, self.pid, address));
        format!(
            "550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table"
        )
    }

    /// As Postfix counts: ` ehlo=1 mail=1 rcpt=0/4 quit=1 commands=3/7`.
    fn counts(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.commands {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut text = String::new();
        for name in names {
            let of_name = self.commands.iter().filter(|(other, _)| other == name);
            text += &format!(" {name}={}", ratio(of_name));
        }
        text + &format!(" commands={}", ratio(self.commands.iter()))
    }

    fn write(&self, text: &str) {
        self.append(&log_line::smtpd(self.pid, text));
    }

    fn append(&self, line: &str) {
        // Opened each time, so that it may be rotated; a test that finds no line fails by itself.
        let _written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

fn ratio<'a>(commands: impl Iterator<Item = &'a (String, bool)>) -> String {
    let (mut good, mut all) = (0, 0);
    for (_, accepted) in commands {
        good += usize::from(*accepted);
        all += 1;
    }
    if good == all {
        all.to_string()
    } else {
        format!("{good}/{all}")
    }
}

fn read_line(input: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if input.take(LINE_MAX).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
