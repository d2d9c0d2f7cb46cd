//! Standard input of the agent: a pipe from whatever program has the log.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::yield_now,
};

use super::{
    SourceState,
    lines::LineAssembly,
    outlet::{Gone, Lines, Outlet},
};

/// Bytes read at once.
const CHUNK: usize = 32 * 1024;

/// Reads standard input to its end, or until nobody listens any more.
pub(super) async fn follow(mut outlet: Outlet) {
    let state = match read(&mut outlet).await {
        Ok(Ok(())) => SourceState::Ended,
        Ok(Err(error)) => SourceState::Failed(format!("cannot be read: {error}")),
        Err(Gone) => return,
    };
    let _ = outlet.tell(state).await;
}

async fn read(outlet: &mut Outlet) -> Result<io::Result<()>, Gone> {
    let stdin = io::stdin();
    // A regular file cannot be waited for, and need not be.
    let fd = stdin.as_fd().as_raw_fd();
    // SAFETY: the descriptor of standard input stays open and the same as long as the process lives.
    let waiter = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok();
    let mut assembly = LineAssembly::default();
    let mut chunk = vec![0; CHUNK];
    let mut position = 0;
    outlet.tell(SourceState::Following).await?;
    loop {
        if let Some(waiter) = &waiter {
            let mut ready = tokio::select! {
                ready = waiter.readable() => match ready {
                    Ok(ready) => ready,
                    Err(error) => return Ok(Err(error)),
                },
                () = outlet.closed() => return Err(Gone),
            };
            // Others may have the same pipe open, so it is not made non-blocking; it is asked before each read.
            let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            if poll(&mut asked, PollTimeout::ZERO) == Ok(0) {
                ready.clear_ready();
                continue;
            }
        } else {
            yield_now().await;
        }
        let read = match unistd::read(&stdin, &mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Ok(Err(errno.into())),
        };
        let mut rest = &chunk[..read];
        while !rest.is_empty() {
            let taken = assembly.take(rest);
            rest = &rest[taken.bytes..];
            position += taken.bytes as u64;
            if !taken.lines.is_empty() {
                outlet
                    .hand_over(Lines {
                        lines: taken.lines,
                        cut: taken.cut,
                        position,
                        ..Lines::default()
                    })
                    .await?;
            }
        }
    }
    // The end of the last line will not come, but all of it is there.
    let taken = assembly.take(b"\n");
    if taken.lines.iter().any(|line| !line.is_empty()) {
        let lines = Lines {
            lines: taken.lines,
            cut: taken.cut,
            position,
            ..Lines::default()
        };
        outlet.hand_over(lines).await?;
    }
    Ok(Ok(()))
}
