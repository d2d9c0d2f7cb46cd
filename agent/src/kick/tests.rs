use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use super::{Kicker, Target, diag};

/// What came of a kick, by way of the task.
fn kicked(target: Target, port: u16) -> super::Kicked {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut kicker = Kicker::start();
        assert!(kicker.kick(
            target,
            vec![port],
            Some(Box::new(|kicked| {
                let _ = tell.send(kicked);
            })),
        ));
        told.await.unwrap()
    })
}

fn is_open(stream: &mut TcpStream, other: &mut TcpStream) -> bool {
    other.write_all(b"x").is_ok() && stream.read(&mut [0; 1]).is_ok_and(|read| read == 1)
}

#[test]
fn only_the_connections_that_are_meant_end() {
    if diag::try_destroy().is_err() {
        // Only those who may administer the network may end a connection; the system tests are run as such.
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut pairs: Vec<(TcpStream, TcpStream)> = (0..3)
        .map(|_| {
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            (client, listener.accept().unwrap().0)
        })
        .collect();
    let ends: Vec<SocketAddr> = vec![pairs[1].0.local_addr().unwrap()];
    let of_account = Target::Account {
        account: "no*body".into(),
        ends,
    };
    assert_eq!(kicked(of_account, port).connections, 1);
    let open: Vec<bool> = pairs
        .iter_mut()
        .map(|(client, served)| is_open(client, served))
        .collect();
    assert_eq!(open, [true, false, true]);

    let net = Target::Net("127.0.0.0/8".parse().unwrap());
    assert_eq!(kicked(net.clone(), port).connections, 2);
    assert_eq!(kicked(net, port).connections, 0);
}
