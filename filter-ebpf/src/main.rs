//! Entry of the XDP program. For the host there is only the library; see `cargo xtask build-ebpf`.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod entry {
    use aya_ebpf::{
        bindings::xdp_action::{XDP_DROP, XDP_PASS},
        macros::xdp,
        programs::XdpContext,
    };
    use mailwall_filter::{filter::filter, maps::Maps, report};

    /// The program that the agent attaches; its name is `mailwall_common::PROGRAM`.
    #[xdp]
    fn mailwall(frame: XdpContext) -> u32 {
        let (verdict, family) = filter(&frame, &Maps);
        report::count(verdict, family);
        if verdict.is_drop() {
            XDP_DROP
        } else {
            XDP_PASS
        }
    }

    /// The kernel lets only programs under the GPL call some of its functions.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("this is the kernel half of mailwall: `cargo xtask build-ebpf` builds it");
}
