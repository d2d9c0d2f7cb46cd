//! Many entries of a trie by one call, at the edges of what the kernel does, and on a kernel that has no such calls.

use std::{net::Ipv4Addr, path::Path};

use ipnet::{IpNet, Ipv4Net};
use mailwall::filter::Filter;
use mailwall_common::KernelInstant;
use nix::libc;

use crate::{content::Content, in_namespaces, open, pinned::Pinned};

/// More than are read by one call.
const MANY: u32 = 4096;

#[test]
fn tries_are_read_in_as_many_rounds_as_it_takes() {
    in_namespaces(|dir| {
        let mut filter = open(dir);
        // Full rounds, and rounds that are not full or empty.
        for networks in [0, 1, MANY - 1, MANY, MANY + 1, 2 * MANY + 5] {
            filter.replace_all(&bans(networks), &[]).unwrap();
            drop(filter);
            filter = Filter::open(dir).unwrap();
            assert_eq!(kept(&filter), bans(networks), "{networks}");
        }
    });
}

#[test]
fn an_entry_that_is_gone_already_does_not_keep_others_from_leaving() {
    in_namespaces(an_entry_is_gone);
}

#[test]
fn a_kernel_without_calls_for_many_entries_gets_one_call_for_each() {
    in_namespaces(|dir| {
        refuse_batches();
        let mut filter = open(dir);
        filter.replace_all(&bans(300), &[]).unwrap();
        drop(filter);
        filter = Filter::open(dir).unwrap();
        assert_eq!(kept(&filter), bans(300));
        filter.replace_all(&[], &[]).unwrap();
        drop(filter);
        an_entry_is_gone(dir);
    });
}

fn an_entry_is_gone(dir: &Path) {
    let mut filter = open(dir);
    filter.ban(&bans(200)).unwrap();
    let mut pinned = Pinned::open(dir);
    pinned.steal(network(77));
    let nets: Vec<IpNet> = (50..100).map(|n| network(n).into()).collect();
    filter.unban(&nets).unwrap();
    let left = bans(200);
    let left = [&left[..50], &left[100..]].concat();
    assert_eq!(kept(&filter), left);
    assert_eq!(Content::read(&pinned).networks.len(), left.len());
}

/// Each with another end.
fn bans(networks: u32) -> Vec<(IpNet, KernelInstant)> {
    let bans = (0..networks).map(|n| {
        let end = KernelInstant::from_ns((1 << 60) + u64::from(n));
        (network(n).into(), end)
    });
    bans.collect()
}

fn network(n: u32) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + (n << 1)), 31).unwrap()
}

fn kept(filter: &Filter) -> Vec<(IpNet, KernelInstant)> {
    let mut kept = filter.kept().unwrap();
    kept.sort_unstable();
    kept
}

/// From here on `bpf(BPF_MAP_*_BATCH)` is for this thread what it is where the kernel has it not for tries (before 5.13).
fn refuse_batches() {
    const ENOTSUPP: u32 = 524;
    let instruction = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let skip_unless = |test, k, count| instruction(libc::BPF_JMP | test | libc::BPF_K, 0, count, k);
    let answer = |with| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, with);
    // `struct seccomp_data`: the call's number, then at 16 its first argument, of which this is the low half.
    let low = if cfg!(target_endian = "big") { 20 } else { 16 };
    let mut program = [
        load(0),
        skip_unless(libc::BPF_JEQ, libc::SYS_bpf as u32, 4),
        load(low),
        skip_unless(libc::BPF_JGE, 24, 2),
        instruction(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, 27),
        answer(libc::SECCOMP_RET_ERRNO | ENOTSUPP),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives until the call returns, and says its length.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}
