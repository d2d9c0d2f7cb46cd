//! The programs that tell of each packet, in the kernel: they judge as the others do, and the others have nothing of it. Needs root.

use aya::{
    EbpfLoader,
    programs::{Program, ProgramError},
};
use mailwall_common::{choose_clock, program_name};
use mailwall_tests::{
    filter_cases,
    filter_kernel::{Kernel, OBJECT, TRACING_OBJECT},
};
use nix::errno::Errno;

/// The ring that programs tell through.
const RING: &str = "AYA_LOGS";

/// Instructions the verifier may walk through: half of what Linux allows. If a kernel refuses these programs, it refuses no more than
/// tracing.
const VERIFIED_MAX: u32 = 500_000;

#[test]
fn the_program_in_force_has_nothing_of_tracing() {
    let in_use = |kernel: Kernel| kernel.maps_in_use().iter().any(|name| name == RING);
    assert!(!in_use(Kernel::load()));
    assert!(in_use(Kernel::load_tracing()));
    let holds = |object: &[u8]| {
        object
            .windows(RING.len())
            .any(|part| part == RING.as_bytes())
    };
    assert!(!holds(OBJECT));
    assert!(holds(TRACING_OBJECT));
}

#[test]
fn the_program_that_traces_judges_every_case_as_the_table_says() {
    let mut kernel = Kernel::load_tracing();
    for case in filter_cases::all() {
        kernel.arrange(&case.scene);
        let outcome = kernel.run(case.frame.bytes());
        assert_eq!(outcome, case.expected(), "{}", case.name);
    }
}

#[test]
fn the_verifier_takes_every_program_that_traces() {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    let mut ebpf = loader.load(TRACING_OBJECT).unwrap();
    for (name, program) in ebpf.programs_mut() {
        let loaded = match program {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            // Sees no packets.
            Program::TracePoint(_) => continue,
            _ => panic!("{name} is of no known type"),
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
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
