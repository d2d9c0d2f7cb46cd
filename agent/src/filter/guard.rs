//! Which interfaces to attach to, for those that are named.

use super::interface::{Interface, Upon};

/// Deepest stack of VLANs and bonds that is followed down; the kernel builds none deeper than this.
const DEPTH_MAX: usize = 8;

/// An interface to attach to, and for which names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// What it is; `None` when there is no interface of that name.
    pub interface: Option<Interface>,
    /// Names that lead to it and are not its own.
    pub on_behalf: Vec<String>,
}

impl Guard {
    /// What an operator who named another interface should know.
    pub fn note(&self) -> Option<String> {
        (!self.on_behalf.is_empty()).then(|| {
            format!(
                "guards all of {}, for {}",
                self.name,
                self.on_behalf.join(", ")
            )
        })
    }
}

/// The interfaces to attach to for these names, each once, in the order in which they are named first. The packets of a VLAN are
/// met on its parent, with their tags, where native XDP is to be had; those of a bond's port on the bond, which puts a program on
/// all its ports. A bridge and its ports stand for themselves: on a port, the packets to whatever is behind the bridge are met,
/// on the bridge those to this host.
pub fn resolve(names: &[String], present: &[Interface]) -> Vec<Guard> {
    let mut guards: Vec<Guard> = Vec::new();
    for name in names {
        let interface = present
            .iter()
            .find(|interface| interface.name == *name)
            .map(|interface| lowest(interface, present));
        let target = interface.map_or(name, |interface| &interface.name);
        let guard = match guards.iter_mut().find(|guard| guard.name == *target) {
            Some(guard) => guard,
            None => {
                guards.push(Guard {
                    name: target.clone(),
                    interface: interface.cloned(),
                    on_behalf: Vec::new(),
                });
                let last = guards.len() - 1;
                &mut guards[last]
            }
        };
        if target != name && !guard.on_behalf.contains(name) {
            guard.on_behalf.push(name.clone());
        }
    }
    guards
}

/// The interface at which the packets of this one are met.
fn lowest<'a>(interface: &'a Interface, present: &'a [Interface]) -> &'a Interface {
    let mut lowest = interface;
    for _ in 0..DEPTH_MAX {
        let Some(Upon::Parent(index) | Upon::Bond(index)) = lowest.upon else {
            break;
        };
        // One of another network namespace is not listed.
        let Some(next) = present.iter().find(|interface| interface.index == index) else {
            break;
        };
        lowest = next;
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str, upon: Option<Upon>) -> Interface {
        Interface {
            index,
            name: name.to_owned(),
            upon,
            ..Interface::default()
        }
    }

    #[track_caller]
    fn check(names: &[&str], expected: &[(&str, &[&str])]) {
        let present = [
            interface(2, "eth0", Some(Upon::Bond(4))),
            interface(3, "eth1", Some(Upon::Bond(4))),
            interface(4, "bond0", None),
            interface(5, "bond0.7", Some(Upon::Parent(4))),
            interface(6, "bond0.7.9", Some(Upon::Parent(5))),
            interface(7, "wan0", Some(Upon::Parent(99))),
            interface(8, "eth2", None),
        ];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let guards = resolve(&names, &present);
        let found: Vec<(&str, Vec<&str>)> = guards
            .iter()
            .map(|guard| {
                let on_behalf = guard.on_behalf.iter().map(String::as_str).collect();
                (guard.name.as_str(), on_behalf)
            })
            .collect();
        let expected: Vec<(&str, Vec<&str>)> = expected
            .iter()
            .map(|(name, on_behalf)| (*name, on_behalf.to_vec()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_interface_stands_for_itself() {
        check(&["eth2", "bond0"], &[("eth2", &[]), ("bond0", &[])]);
    }

    #[test]
    fn vlans_and_ports_lead_down_to_one_interface() {
        check(&["bond0.7", "bond0"], &[("bond0", &["bond0.7"])]);
        check(&["eth0", "eth1"], &[("bond0", &["eth0", "eth1"])]);
        check(&["bond0.7.9"], &[("bond0", &["bond0.7.9"])]);
    }

    #[test]
    fn a_vlan_whose_parent_is_elsewhere_stands_for_itself() {
        check(&["wan0"], &[("wan0", &[])]);
    }

    #[test]
    fn what_does_not_exist_keeps_its_name() {
        check(&["eth9", "eth2"], &[("eth9", &[]), ("eth2", &[])]);
    }

    #[test]
    fn the_note_says_how_much_is_guarded() {
        let guard = Guard {
            name: "eth0".to_owned(),
            interface: None,
            on_behalf: vec!["eth0.5".to_owned(), "eth0.6".to_owned()],
        };
        assert_eq!(
            guard.note().unwrap(),
            "guards all of eth0, for eth0.5, eth0.6"
        );
    }
}
