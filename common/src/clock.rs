//! Which clock the kernel's half reads.

/// The name of the global of the kernel's half that says which clock it reads: not 0 for the coarse one, which the kernel sets
/// with each of its ticks and which costs next to nothing to read, 0 for the one that all kernels have.
pub const COARSE_CLOCK: &str = "COARSE_CLOCK";

/// Has the object that is about to be loaded read the coarse clock where the kernel has it, as Linux 5.11 does. The verifier
/// takes the global for a constant, so it never comes to the call that a kernel does not know.
#[cfg(feature = "user")]
pub fn choose_clock(loader: &mut aya::EbpfLoader<'_>) {
    use aya::{
        programs::ProgramType,
        sys::{BpfHelper, is_helper_supported},
    };
    let helper = BpfHelper::BPF_FUNC_ktime_get_coarse_ns;
    // Every kernel has the other, also one that cannot be asked.
    let coarse = match is_helper_supported(ProgramType::Xdp, helper) {
        Ok(true) => &1_u8,
        Ok(false) | Err(_) => &0_u8,
    };
    loader.override_global(COARSE_CLOCK, coarse, true);
}
