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

/// The same, which logs the ports of clients, asks a policy service whether what an account sends is to be
/// held, and sends what is for `remote.test` to port 2525 of this host.
pub const EXIM_ASKING: Software = Software {
    files: || vec![("etc/exim4/exim4.conf", asking())],
    ..EXIM
};

fn asking() -> String {
    const ADDITIONS: [(&str, &str); 4] = [
        (
            "keep_environment =\n",
            "log_selector = +incoming_port\nacl_smtp_data = data\n",
        ),
        ("begin acl\n", ASKS),
        ("begin routers\n", ROUTES),
        ("begin transports\n", SENDS),
    ];
    let add =
        |text: String, (place, more): &(&str, &str)| text.replace(place, &format!("{place}{more}"));
    ADDITIONS.iter().fold(CONFIG.to_owned(), add)
}

/// As `agent/presets/README.md` has it.
const ASKS: &str = r"
data:
  warn   authenticated = *
         condition = ${if match{${readsocket{inet:127.0.0.1:10040}{request=smtpd_access_policy\nprotocol_state=DATA\nsasl_username=$authenticated_id\n\n}{2s}{}{}}}{^action=HOLD}}
         control = freeze/no_tell
  accept
";

const ROUTES: &str = r"
remote:
  driver = manualroute
  domains = remote.test
  route_list = * 127.0.0.1
  self = send
  transport = elsewhere
";

const SENDS: &str = r"
elsewhere:
  driver = smtp
  port = 2525
  allow_localhost
";

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
