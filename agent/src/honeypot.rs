//! Baits: names of accounts, recipients and HELO names that only bots use. Plain data.

use std::collections::BTreeSet;

/// Most baits of a kind.
pub const BAITS_MAX: usize = 10_000;

/// Accounts of databases, web servers and other software: no one reads mail under such a name. Names of roles (`info`, `admin`,
/// `test`) are not among them, which bots try as well.
const ACCOUNTS: &[&str] = &[
    "ansible",
    "apache",
    "cassandra",
    "dbadmin",
    "elastic",
    "ftpuser",
    "hadoop",
    "jenkins",
    "kafka",
    "mongodb",
    "mysql",
    "nginx",
    "oracle",
    "postgres",
    "redis",
    "sqladmin",
    "sysdba",
    "tomcat",
    "ubuntu",
    "vagrant",
    "weblogic",
    "wildfly",
    "www-data",
    "ylmf-pc",
    "zookeeper",
];
/// The botnet of that name (BlockCracking; Exim's and Postfix' lists know it since 2012).
const HELO: &[&str] = &["ylmf-pc"];

/// Names that only bots use. In lower case; accounts and recipients without their domain stand for every domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Baits {
    /// Whoever fails to log in as one of them is a bot, unless somebody has ever logged in under that name.
    pub accounts: BTreeSet<Box<str>>,
    /// Whoever is refused for writing to one of them is a bot.
    pub recipients: BTreeSet<Box<str>>,
    /// Whoever calls itself so and offends is a bot.
    pub helo: BTreeSet<Box<str>>,
}

impl Baits {
    /// None.
    pub const fn none() -> Self {
        Self {
            accounts: BTreeSet::new(),
            recipients: BTreeSet::new(),
            helo: BTreeSet::new(),
        }
    }
}

impl Default for Baits {
    fn default() -> Self {
        let set = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        Self {
            accounts: set(ACCOUNTS),
            recipients: BTreeSet::new(),
            helo: set(HELO),
        }
    }
}
