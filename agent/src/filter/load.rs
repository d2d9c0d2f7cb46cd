//! Loading the XDP program over pinned maps.

use std::fs;

use aya::{Ebpf, EbpfLoader, programs::Xdp};
use mailwall_common::{MAPS, PROGRAM};
use tracing::debug;

use super::{
    error::FilterError,
    pins::{self, Pins},
};

/// The object that `cargo xtask build-ebpf` makes of `filter-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/mailwall.bpf.o");

/// Loads the program over maps of its own, and pins nothing.
///
/// # Errors
/// When the kernel refuses the maps or the program.
pub fn unpinned() -> Result<Ebpf, FilterError> {
    let mut ebpf = EbpfLoader::new()
        .load(OBJECT)
        .map_err(FilterError::Object)?;
    program_of(&mut ebpf)?.load()?;
    Ok(ebpf)
}

/// Loads the program over the pinned maps, or over new ones, which are pinned then; pins the program too. Tells its number.
///
/// # Errors
/// When the kernel refuses the maps, the program or the pins.
pub fn pinned(pins: &Pins) -> Result<(Ebpf, u32), FilterError> {
    let mut loader = EbpfLoader::new();
    for shape in &MAPS {
        loader.map_pin_path(shape.name, pins.map(shape.name));
    }
    let mut ebpf = loader.load(OBJECT).map_err(FilterError::Object)?;
    let program = program_of(&mut ebpf)?;
    program
        .load()
        .map_err(FilterError::from)
        .inspect_err(|error| {
            if let FilterError::Program { said, .. } = error {
                debug!("the verifier said:\n{said}");
            }
        })?;
    let program_id = program.info().map_err(FilterError::Load)?.id();
    // Over the old pin by a rename, so that there is one at any time.
    let (pin, fresh) = (pins.program(), pins.map("program-new"));
    pins::remove(&fresh)?;
    let pinned = |source| FilterError::PinProgram {
        path: pin.clone(),
        source,
    };
    program.pin(&fresh).map_err(pinned)?;
    fs::rename(&fresh, &pin).map_err(|source| FilterError::Pins {
        action: "rename the pinned program to",
        path: pin,
        advice: "it takes root",
        source,
    })?;
    Ok((ebpf, program_id))
}

/// The program of a loaded object.
///
/// # Errors
/// When it has none.
pub fn program_of(ebpf: &mut Ebpf) -> Result<&mut Xdp, FilterError> {
    let program = ebpf
        .program_mut(PROGRAM)
        .ok_or(FilterError::Incomplete("XDP program"))?;
    Ok(program.try_into()?)
}
