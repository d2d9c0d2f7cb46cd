//! The programs that `cargo xtask bench datapath` measures with: mailwall's own filter on random sources, and beside it what it
//! is compared with. For the host there is nothing; see `cargo xtask build-ebpf`.
//!
//! Each program first writes the next source into the frame ([`source`]) and then goes on as if that had come from the wire, so
//! that the filter's code is measured as it is. What that costs, the program `draw` costs too.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    feature(core_intrinsics),
    expect(internal_features, reason = "the only atomic addition on this target")
)]

#[cfg(target_arch = "bpf")]
mod designs;
#[cfg(target_arch = "bpf")]
mod entry;
#[cfg(target_arch = "bpf")]
mod source;

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("these are programs for the kernel: `cargo xtask build-ebpf` builds them");
}
