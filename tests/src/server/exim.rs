//! Exim, with its own log files.

use super::Software;

/// Exim 4.96.
pub const EXIM: Software = Software {
    name: "exim",
    title: "Exim 4.96",
    suite: "bookworm",
    packages: &["exim4-daemon-light"],
    programs: &["usr/sbin/exim4"],
    log: "mainlog",
    port: 25,
    files: || vec![("etc/exim4/exim4.conf", CONFIG.to_owned())],
    start: "exec /usr/sbin/exim4 -bdf -q5m",
};

const CONFIG: &str = r"
primary_hostname = mx.example.test
domainlist local_domains = example.test
log_file_path = /var/log/bed/%slog
keep_environment =
daemon_smtp_ports = 25
tls_advertise_hosts =
# Clients must wait for the greeting.
pipelining_connect_advertise_hosts = :
host_lookup = *
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipients

begin acl
recipients:
  accept domains = +local_domains
         endpass
         message = unknown user
         verify = recipient
  accept authenticated = *
  deny   message = relay not permitted

begin routers
local:
  driver = accept
  domains = +local_domains
  local_parts = postmaster : alice : bob
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  file = /var/mail/$local_part_data
  user = mail

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{match{$auth2}{^(alice|bob)\$}}{eq{$auth3}{a password of $auth2}}}}
  server_set_id = $auth2
";
