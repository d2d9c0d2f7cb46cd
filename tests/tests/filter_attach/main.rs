//! Every way to put the filter on an interface, with frames on a cable: what is dropped is what the host at its end does not
//! receive. Each test has a network namespace and a mount namespace of its own, and one more for the other end of the cable.
//! Needs root. What a kernel has is found by trying, and what it has not is printed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod device;
mod host;
mod program;
mod tc;
