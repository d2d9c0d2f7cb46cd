//! The object file without what only a debugger reads. BTF, which the kernel and bpftool read, stays.

use anyhow::{Context as _, Result};
use object::{
    build::elf::{Builder, SectionData},
    elf,
};

/// The same object with no DWARF in it.
pub fn without_debug_sections(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("read the object the linker wrote")?;
    for section in &mut builder.sections {
        section.delete = is_for_debuggers(&section.name);
    }
    // LLVM keeps the names of sections with those of symbols, which the builder cannot.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;

    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("write the object without its debug sections")?;
    Ok(stripped)
}

/// DWARF, and the relocations of it and of BTF: those are for linkers, loaders take BTF as it stands.
fn is_for_debuggers(section: &[u8]) -> bool {
    section.starts_with(b".debug_")
        || section.starts_with(b".rel.debug_")
        || section.starts_with(b".rel.BTF")
}
