//! Every metric there is.

/// What kind of number it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It only grows, until the agent (or the kernel's map) starts anew.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric: a name, and what it means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Family {
    /// Snake case, with the unit at its end; `_total` for counters.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// In a sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal $help:literal;)*) => {
        /// The metrics, each by its own name.
        pub mod families {
            use super::{Family, Kind};
            $(
                #[doc = $help]
                pub const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };
            )*
        }

        /// Every metric, in the order in which they are shown.
        pub const FAMILIES: &[Family] = &[$(families::$constant,)*];
    };
}

families! {
    BUILD_INFO = Gauge "mailwall_build_info" "Version of the agent; always 1.";
    ENFORCING = Gauge "mailwall_enforcing" "1 when bans are enforced, 0 in observe mode.";
    FILTER_LOADED = Gauge "mailwall_filter_loaded" "1 when the filter is in the kernel, 0 when nothing is filtered.";
    INTERFACE_ATTACHED = Gauge "mailwall_interface_attached" "1 when the filter is attached to the interface, 0 when it should be but is not.";
    PROBLEMS = Gauge "mailwall_problems" "Problems that mailwall status names.";
    BANS = Gauge "mailwall_bans" "Bans in force, by the rule that decided them, or manual.";
    ALLOWED_NETWORKS = Gauge "mailwall_allowed_networks" "Networks on the allowlist.";
    BAN_MAP_ENTRIES = Gauge "mailwall_ban_map_entries" "Bans in each map of the filter.";
    BAN_MAP_CAPACITY = Gauge "mailwall_ban_map_capacity" "Bans that each map of the filter can hold.";
    PACKETS = Counter "mailwall_packets_total" "Packets that the filter saw, by what it made of them, since its maps were made.";
    LIMIT_EVENTS_LOST = Counter "mailwall_limit_events_lost_total" "Events of connection limits that were lost because there were too many, since the maps were made.";
    EVENTS = Counter "mailwall_events_total" "Events read from logs and limits, by kind.";
    DECISIONS = Counter "mailwall_decisions_total" "Decisions carried out.";
    DECISIONS_UNSAVED = Gauge "mailwall_decisions_unsaved" "Decisions in force that the database could not take yet.";
    DATABASE = Gauge "mailwall_database_bytes" "Bytes of the database that are in use.";
    DATABASE_LIMIT = Gauge "mailwall_database_limit_bytes" "Bytes that the database may take: max_mb of the configuration.";
    TRACKED_HOSTS = Gauge "mailwall_tracked_hosts" "Hosts and networks whose offences are counted now.";
    RULE_BREACHES = Counter "mailwall_rule_breaches_total" "Times that a rule's limit was reached.";
    SOURCE_UP = Gauge "mailwall_source_up" "1 when the source is followed, 0 when it is waited for, failed or ended.";
    SOURCE_LINES = Counter "mailwall_source_lines_total" "Lines of a source, by how they were read.";
    SOURCE_LINES_CUT = Counter "mailwall_source_lines_cut_total" "Lines cut because they were too long.";
    SOURCE_LINES_LOST = Counter "mailwall_source_lines_lost_total" "Lines that never came, as the kernel or the logger says.";
    SOURCE_LAG_BYTES = Gauge "mailwall_source_lag_bytes" "Bytes of a source that are not read yet.";
    SOURCE_LAG_SECONDS = Gauge "mailwall_source_lag_seconds" "Time since a source was last read to its end; 0 while it is.";
    NOTIFIER_MESSAGES = Counter "mailwall_notifier_messages_total" "Messages of a notifier, told or lost.";
    NOTIFIER_WAITING = Gauge "mailwall_notifier_waiting" "Messages of a notifier that wait for a digest or another try.";
    NOTIFIER_FAILING = Gauge "mailwall_notifier_failing" "1 while the deliveries of a notifier fail.";
    PROCESS_START_TIME = Gauge "process_start_time_seconds" "When the agent was started, in seconds since 1970.";
    PROCESS_MEMORY = Gauge "process_resident_memory_bytes" "Memory of the agent.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" "Processor time of the agent.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{FAMILIES, Kind};

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for family in FAMILIES {
            let name = family.name;
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.starts_with("mailwall_") || name.starts_with("process_"),
                "{name}"
            );
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                family.kind == Kind::Counter,
                "{name}"
            );
            assert!(
                family.help.ends_with('.') && !family.help.contains(['\n', '\\']),
                "{name}"
            );
        }
    }
}
