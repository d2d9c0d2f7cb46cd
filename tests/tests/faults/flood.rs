//! The control socket is flooded: with requests, and with connections that ask nothing.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use mailwall_tests::{Testbed, eventually};

use crate::{Scene, scene::client, scene::host, scene::net_of, so_many};

const HOUR: Duration = Duration::from_secs(3600);
/// Callers at once: more than are served.
const CALLERS: usize = 24;
/// Connections that are held open without a word, each of them by a caller.
const HELD: usize = 4;

fn flood(over: &AtomicBool, asked: &AtomicUsize, socket: &Path) {
    let mut held = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = UnixStream::connect(socket) else {
            continue;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        if held.len() < HELD {
            // Half a request.
            let _written = stream.write_all(b"{\"");
            held.push(stream);
            continue;
        }
        // One that is turned away may find the socket closed.
        let _written = stream.write_all(b"{\"request\":\"status\"}\n");
        let mut answer = [0; 4096];
        if stream.read(&mut answer).is_ok_and(|read| read > 0) {
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_flood_on_the_control_socket_delays_no_ban_of_a_rule_and_frees_nobody() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    for number in 0..20 {
        scene.ban(agent.setup(), host(number), HOUR);
    }
    scene.ban_briefly(agent.setup());
    let socket = agent.setup().socket();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| flood(&over, &asked, &socket));
        }
        for round in 0..so_many(10, 300) {
            scene.offend(round..round + 1);
            let net = [net_of(client(round))];
            let dropped = eventually("a ban amid the flood", Duration::from_secs(60), || {
                Ok((scene.arrived(&net) == 0).then_some(()))
            });
            if dropped.is_err() {
                over.store(true, Ordering::Relaxed);
            }
            dropped.unwrap();
        }
        scene.ask_the_kernel();
        over.store(true, Ordering::Relaxed);
    });
    assert!(
        asked.load(Ordering::Relaxed) > CALLERS,
        "nobody was answered"
    );
    scene.ask(&agent);
}
