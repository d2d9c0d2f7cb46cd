//! Frames by the million: BPF_PROG_TEST_RUN with live frames, which a program sends into the cable, each from another source.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::{TestRun as _, TestRunAttrs, TestRunOptions};
use mailwall_tests::Stopwatch;
use nix::unistd::Pid;

use super::{
    super::loader::{Programs, Sources},
    road::{Road, SENDING_CPU, keep_on},
};
use crate::bench::datapath::scene::Scene;

/// Frames that the kernel hands to the program, and then to the cable, at once: as many as it takes.
const BATCH: u32 = 256;

/// A sender.
pub struct Generator(Programs);

impl Generator {
    /// One whose frames come from the first `count` banned addresses.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn new(scene: &Scene, count: u32) -> Result<Self> {
        scene.programs(Sources::V4 { first: 0, count }).map(Self)
    }

    /// Sends so many frames as fast as it goes, and tells how long that took.
    ///
    /// # Errors
    /// When the kernel has no live frames (Linux 5.18 has).
    pub fn send(&self, road: &Road, frames: u32) -> Result<Duration> {
        let program = self.0.program("flood")?;
        let context = context(road)?;
        road.bed.clients().enter(|| {
            keep_on(Pid::from_raw(0), SENDING_CPU)?;
            let options = TestRunOptions {
                data_in: Some(&road.frame),
                ctx_in: Some(&context),
                repeat: frames,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::new()
            };
            let watch = Stopwatch::start();
            program.test_run(options).context("send frames")?;
            Ok(watch.elapsed())
        })
    }
}

/// A `struct xdp_md` that says where the frame came in, and so where it goes out.
fn context(road: &Road) -> Result<Vec<u8>> {
    let (data, data_meta, queue, egress) = (0, 0, 0, 0);
    let data_end = u32::try_from(road.frame.len())?;
    let words: [u32; 6] = [data, data_end, data_meta, road.wire_index, queue, egress];
    Ok(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
}
