//! A journal of systemd, as far as the agent asks its `journalctl`.

use std::{
    fs::{self, File},
    io::Write as _,
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{Testbed, rejection};

/// A folder with a `journalctl` in it that has this journal. Its methods panic where a test could not go on.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    written: u32,
}

impl Journal {
    /// One with a record that nobody reads, because it was there before.
    pub fn new(bed: &Testbed) -> Self {
        let folder = bed.dir().join("programs");
        fs::create_dir(&folder).expect("a folder is made");
        let program = folder.join("journalctl");
        let script = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$@" >> asked
echo $$ > pid
for word; do
    case $word in
        --after-cursor=*)
            at=$(grep -nF "\"__CURSOR\":\"${word#--after-cursor=}\"" records | cut -d: -f1)
            exec tail -n "+$((at + 1))" -f records ;;
    esac
done
exec tail -n 1 -f records
"#;
        fs::write(&program, script).expect("a program is written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .expect("a program is made executable");
        let mut journal = Self { folder, written: 0 };
        // What was there before is not read.
        journal.write("hello", json!({}));
        journal
    }

    /// The folder, for [`Setup::with_programs`](crate::Setup::with_programs).
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Process id of the `journalctl` that was started last.
    pub fn pid(&self) -> String {
        fs::read_to_string(self.folder.join("pid")).unwrap_or_default()
    }

    /// Writes a record with this message; `fields` take the place of those of a smtpd of Postfix.
    pub fn write(&mut self, message: &str, fields: Value) {
        self.written += 1;
        let now = jiff::Timestamp::now().as_microsecond();
        let mut record = json!({
            "__CURSOR": format!("s=f00;i={:x};b=1;m=2;t=3;x=4", self.written),
            "__REALTIME_TIMESTAMP": now.to_string(),
            "_HOSTNAME": "mx",
            "_TRANSPORT": "syslog",
            "_PID": "77",
            "_UID": "110",
            "_COMM": "smtpd",
            "_SYSTEMD_UNIT": "postfix@-.service",
            "SYSLOG_IDENTIFIER": "postfix/smtpd",
            "MESSAGE": message,
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            record[name] = value.clone();
        }
        let path = self.folder.join("records");
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .expect("the records are opened");
        writeln!(file, "{record}").expect("a record is written");
    }

    /// Writes rejections of a client, one for each number.
    pub fn reject(&mut self, client: &str, numbers: Range<u32>, fields: &Value) {
        let client = client.parse().expect("the test names an address");
        for number in numbers {
            let line = rejection(client, 1, &format!("nobody{number}@example.test"));
            let (_, message) = line.split_once("]: ").unwrap_or(("", &line));
            self.write(message, fields.clone());
        }
    }
}
