//! Entries of the programs, which differ in where they sit and not in what they do. For the host there is only the library; see `cargo xtask build-ebpf`.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod entry {
    use aya_ebpf::{
        bindings::{
            TC_ACT_SHOT, TC_ACT_UNSPEC,
            xdp_action::{XDP_DROP, XDP_PASS},
        },
        macros::{classifier, tracepoint, xdp},
        programs::{TcContext, TracePointContext, XdpContext},
    };
    use mailwall_common::Verdict;
    use mailwall_filter::{
        connections,
        filter::{filter, filter_ip},
        maps::Maps,
        packet::{Arrival, Packet},
        report,
    };
    #[cfg(feature = "trace")]
    use mailwall_filter::{
        segment::{bare_payload, payload},
        trace,
    };

    /// The program for an interface's XDP hook; its name is `mailwall_common::program_name::XDP`.
    #[xdp]
    fn mailwall(frame: XdpContext) -> u32 {
        xdp_action(judge(&frame))
    }

    /// The same for frames in several buffers, of which it sees the first, which has the headers. Drivers take it at an MTU at
    /// which they refuse the other; kernels before 5.18 do not take it at all.
    #[xdp(frags)]
    fn mailwall_frags(frame: XdpContext) -> u32 {
        xdp_action(judge(&frame))
    }

    /// The program for `tc`. What it does not drop goes on to the programs and filters behind it.
    #[classifier]
    fn mailwall_tc(frame: TcContext) -> i32 {
        tc_action(judge(&frame))
    }

    /// The same where packets have no Ethernet header, such as those of PPP and of tunnels.
    #[classifier]
    fn mailwall_tc_ip(packet: TcContext) -> i32 {
        #[cfg(feature = "trace")]
        trace::look(&packet, bare_payload(&packet));
        let (verdict, family) = filter_ip(&packet, &Maps);
        report::count(verdict, family);
        #[cfg(feature = "trace")]
        let verdict = trace::tell(&packet, verdict);
        tc_action(verdict)
    }

    #[inline(always)]
    fn judge<P: Packet + Arrival>(frame: &P) -> Verdict {
        #[cfg(feature = "trace")]
        trace::look(frame, payload(frame));
        let (verdict, family) = filter(frame, &Maps);
        report::count(verdict, family);
        #[cfg(feature = "trace")]
        let verdict = trace::tell(frame, verdict);
        verdict
    }

    #[inline(always)]
    const fn xdp_action(verdict: Verdict) -> u32 {
        if verdict.is_drop() {
            XDP_DROP
        } else {
            XDP_PASS
        }
    }

    #[inline(always)]
    const fn tc_action(verdict: Verdict) -> i32 {
        if verdict.is_drop() {
            TC_ACT_SHOT
        } else {
            TC_ACT_UNSPEC
        }
    }

    /// The program that the agent attaches to the tracepoint; its name is
    /// `mailwall_common::program_name::CONNECTIONS`.
    #[tracepoint(category = "sock", name = "inet_sock_set_state")]
    fn mailwall_connections(context: TracePointContext) -> u32 {
        if let Some(change) = connections::change(&context) {
            connections::note(&Maps, &change, report::now());
        }
        0
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
