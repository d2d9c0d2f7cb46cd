//! The programs of the object, and which of them an interface gets.

use aya::programs::{Program, ProgramError};
use mailwall::filter::{AttachChoice, AttachMode, Attachment, Filter};
use mailwall_common::{Verdict, program_name};
use mailwall_tests::{filter_kernel, packet::Frame};
use nix::errno::Errno;

use crate::host::{by, in_namespaces, ip, names, total};

/// Instructions the verifier may walk through: a quarter of what Linux allows.
const VERIFIED_MAX: u32 = 250_000;

#[test]
fn the_verifier_takes_every_program_with_room_to_spare() {
    let mut ebpf = filter_kernel::object();
    for (name, program) in ebpf.programs_mut() {
        let loaded = match program {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            Program::TracePoint(program) => program.load(),
            other => panic!("{name} is of no known type: {other:?}"),
        };
        match loaded {
            Ok(()) => {
                let info = program.info().unwrap();
                // Kernels before 5.16 do not count.
                let walked = info.verified_instruction_count().unwrap_or_default();
                println!("{name}: {walked} instructions verified");
                assert!(walked <= VERIFIED_MAX, "{name}: {walked}");
            }
            Err(ProgramError::LoadError { io_error, .. })
                if name == program_name::XDP_FRAGS
                    && io_error.raw_os_error() == Some(Errno::EINVAL as i32) =>
            {
                // Before 5.18.
                println!("this kernel has no XDP for several buffers");
            }
            Err(ProgramError::LoadError { verifier_log, .. }) => panic!("{name}: {verifier_log}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn a_large_mtu_gets_the_program_for_several_buffers_or_says_why_not() {
    in_namespaces(|host| {
        host.peer.ip("link set wire0 mtu 9000").unwrap();
        ip("link set guard0 mtu 9000");
        let mut filter = host.filter();
        let guarded = filter.attach(&names(["guard0"]), AttachChoice::Auto)[0].clone();
        host.assert_guarded("guard0");
        if !guarded.multi_buffer {
            // Before Linux 5.18.
            println!("this kernel has no XDP for several buffers: {guarded:?}");
            assert_eq!(guarded.mode, Some(AttachMode::Generic));
            let problem = guarded.problem.as_deref().unwrap();
            assert!(
                problem.contains("no native XDP at an MTU of 9000"),
                "{problem}"
            );
            return;
        }
        let expected = Attachment {
            multi_buffer: true,
            ..by(AttachMode::Native, "guard0")
        };
        assert_eq!(guarded, expected);
        let filler = vec![0; 8000];
        let before = total(&filter, Verdict::NotIp);
        host.arrived(&[Frame::new().other(0x88b5, &filler)]);
        assert_eq!(total(&filter, Verdict::NotIp), before + 1);

        // A restart takes the same program again, in one step.
        drop(filter);
        let mut filter = Filter::open(&host.pins).unwrap();
        assert_eq!(
            filter.attach(&names(["guard0"]), AttachChoice::Auto),
            [expected]
        );
        host.assert_guarded("guard0");

        // Where the other one will do, it is taken.
        drop(filter);
        host.peer.ip("link set wire0 mtu 1500").unwrap();
        ip("link set guard0 mtu 1500");
        let mut filter = Filter::open(&host.pins).unwrap();
        assert_eq!(
            filter.attach(&names(["guard0"]), AttachChoice::Auto),
            [by(AttachMode::Native, "guard0")]
        );
        host.assert_guarded("guard0");
    });
}
