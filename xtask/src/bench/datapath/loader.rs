//! The programs of the benchmark, loaded over the very maps that the agent filled.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions, include_bytes_aligned, maps::Map, programs::Xdp,
};
use mailwall_common::{ABI, MAPS, choose_clock};

/// The object that `cargo xtask build-ebpf` makes.
static OBJECT: &[u8] = include_bytes_aligned!("../../../bpf/bench.bpf.o");

/// Maps of the benchmark's own, pinned so that each load finds them filled.
const OWN_MAPS: [&str; 8] = [
    "DRAWS",
    "HASH_V4",
    "ROOMY_V4",
    "HASH_V6",
    "TRIE_V4",
    "TRIE_V6",
    "BITMAP_V4",
    "RECORDS_OF_BANS",
];

/// Which sources the programs write into the frames.
#[derive(Clone, Copy)]
pub enum Sources {
    /// None: the frame stays as it is.
    Fixed,
    /// IPv4 addresses of `count` numbers from `first` on.
    V4 { first: u32, count: u32 },
    /// IPv6 /64s of `count` numbers from `first` on.
    V6 { first: u32, count: u32 },
}

/// The loaded programs.
pub struct Programs(Ebpf);

impl Programs {
    /// Loads them over the maps that an agent pinned under `bpffs`, for such sources.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn load(bpffs: &Path, sources: Sources) -> Result<Self> {
        let (version, first, count) = match sources {
            Sources::Fixed => (0_u32, 0, 1),
            Sources::V4 { first, count } => (4, first, count),
            Sources::V6 { first, count } => (6, first, count),
        };
        let own = bpffs.join("bench");
        fs::create_dir_all(&own).with_context(|| format!("make {}", own.display()))?;
        let mut loader = EbpfLoader::new();
        choose_clock(&mut loader);
        loader.override_global("IP_VERSION", &version, true);
        loader.override_global("FIRST", &first, true);
        loader.override_global("COUNT", &count, true);
        for shape in &MAPS {
            loader.map_pin_path(shape.name, agent_pin(bpffs, shape.name));
        }
        for name in OWN_MAPS {
            loader.map_pin_path(name, own.join(name));
        }
        let mut ebpf = loader
            .load(OBJECT)
            .context("load the maps of the benchmark's object")?;
        for (name, program) in ebpf.programs_mut() {
            let program: &mut Xdp = program.try_into()?;
            program
                .load()
                .with_context(|| format!("load the benchmark's program {name}"))?;
        }
        Ok(Self(ebpf))
    }

    /// A map of the benchmark's own, to fill it.
    ///
    /// # Errors
    /// When the object has none of that name.
    pub fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.0
            .map_mut(name)
            .with_context(|| format!("the benchmark's object has no map {name}"))
    }

    /// A program.
    ///
    /// # Errors
    /// When the object has none of that name.
    pub fn program(&self, name: &str) -> Result<&Xdp> {
        self.0
            .program(name)
            .with_context(|| format!("the benchmark's object has no program {name}"))?
            .try_into()
            .map_err(|error| anyhow!("{name}: {error}"))
    }

    /// A program, to attach it.
    ///
    /// # Errors
    /// When the object has none of that name.
    pub fn program_mut(&mut self, name: &str) -> Result<&mut Xdp> {
        self.0
            .program_mut(name)
            .with_context(|| format!("the benchmark's object has no program {name}"))?
            .try_into()
            .map_err(|error| anyhow!("{name}: {error}"))
    }

    /// Runs a program on a frame many times: what it said of the last.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn run(&self, name: &str, frame: &[u8], repeat: u32) -> Result<u32> {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::new()
        };
        let result = self
            .program(name)?
            .test_run(options)
            .with_context(|| format!("run the program {name}"))?;
        Ok(result.return_value)
    }
}

/// Where the agent pins a map.
pub fn agent_pin(bpffs: &Path, map: &str) -> PathBuf {
    agent_dir(bpffs).join(ABI.to_string()).join(map)
}

/// What the agent is told as its `--bpffs-dir`.
pub fn agent_dir(bpffs: &Path) -> PathBuf {
    bpffs.join("mailwall")
}
