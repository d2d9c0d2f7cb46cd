//! Another version of the agent was there before.

use mailwall_common::KernelInstant;
use mailwall_tests::{
    Testbed,
    earlier::{Earlier, EarlierBan},
};

use crate::{quiet_agent, wait_for_ban};

#[test]
fn bans_of_an_earlier_version_are_taken_over_when_the_database_is_lost() {
    let bed = Testbed::new().unwrap();
    let bans = ["203.0.113.7/32", "198.51.100.0/24", "2001:db8:100:1::/64"];
    let earlier_bans = bans.map(|net| EarlierBan {
        net: net.parse().unwrap(),
        ends: KernelInstant::NEVER,
        drops: 7,
    });
    let pins = bed.bpffs().join("mailwall");
    let earlier = bed
        .server()
        .enter(|| Earlier::install(&pins, "mail0", &earlier_bans))
        .unwrap();

    let agent = quiet_agent(&bed, "");
    for net in bans {
        let ban = wait_for_ban(&agent, net);
        assert_eq!(ban["rule"], "kernel", "{ban}");
        assert_eq!(ban["ends"], serde_json::Value::Null, "{ban}");
        assert_eq!(ban["dropped"], 7, "{ban}");
    }
    let said = agent.setup().said();
    assert!(
        said.contains("took over the bans found in the kernel"),
        "{said}"
    );
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "native", "{status}");
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    assert!(!earlier.dir().exists());
    // They are in the database from here on.
    let (_, setup) = agent.stop().unwrap();
    bed.lose_pins().unwrap();
    let agent = setup.start().unwrap();
    for net in bans {
        wait_for_ban(&agent, net);
    }
}
