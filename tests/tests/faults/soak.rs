//! A steady load for a long time: memory, descriptors and the database must not grow with it. `cargo xtask test --soak[=MINUTES]`.

use std::{env, fs, thread, time::Duration};

use mailwall_tests::{Agent, Stopwatch, Testbed};

use crate::{Scene, scene::host};

/// For how many minutes, if asked for.
const MINUTES: &str = "MAILWALL_SOAK_MINUTES";
/// For how long otherwise.
const SHORT: Duration = Duration::from_secs(12);
/// Looks at the agent.
const SAMPLES: u32 = 24;
/// So much more memory may the last third of a soak need than the first: what the allocator does not give back.
const MARGIN_KIB: u64 = 4096;
/// Descriptors that come and go with those who ask.
const MARGIN_FILES: usize = 8;
/// Clients that offend, over and over.
const CLIENTS: usize = 2000;
/// Bans that end while the load goes on.
const BRIEF: Duration = Duration::from_secs(5);

/// How the agent is.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rss_kib: u64,
    files: usize,
    database_kib: u64,
}

fn sample(agent: &Agent<'_>) -> Sample {
    let process = format!("/proc/{}", agent.pid());
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    // What is mapped of the kernel's maps is not the agent's own.
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let database: u64 = fs::read_dir(agent.setup().state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    Sample {
        rss_kib: own.trim().trim_end_matches(" kB").parse().unwrap(),
        files: fs::read_dir(format!("{process}/fd")).unwrap().count(),
        database_kib: database / 1024,
    }
}

fn wanted() -> Duration {
    match env::var(MINUTES) {
        Ok(minutes) => {
            Duration::from_secs(60 * minutes.parse::<u64>().expect("a number of minutes"))
        }
        Err(_) => SHORT,
    }
}

#[test]
fn a_steady_load_needs_a_steady_amount_of_memory() {
    let wanted = wanted();
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    // Every client is known before it is looked for growth.
    scene.offend(0..CLIENTS);
    for number in 0..400 {
        scene.ban(agent.setup(), host(number), BRIEF);
    }
    scene.ask(&agent);
    let watch = Stopwatch::start();
    let mut samples = Vec::new();
    for turn in 0_usize.. {
        // A hundred offences a second, and what goes with them.
        let first = turn * 10 % CLIENTS;
        scene.offend(first..first + 10);
        if turn % 10 == 0 {
            scene.ban(agent.setup(), host(turn / 10 % 400), BRIEF);
        }
        if turn % 600 == 0 {
            rotate(&scene);
            agent.cli(&["reload"]).unwrap();
        }
        let at = watch.elapsed();
        if at >= wanted * u32::try_from(samples.len()).unwrap() / SAMPLES {
            let taken = sample(&agent);
            println!(
                "{:6.1} min: {} KiB, {} descriptors, database {} KiB",
                at.as_secs_f64() / 60.0,
                taken.rss_kib,
                taken.files,
                taken.database_kib
            );
            samples.push(taken);
        }
        if at >= wanted {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    scene.ask(&agent);
    judge(&samples);
}

/// By renaming, as logrotate does.
fn rotate(scene: &Scene<'_>) {
    let mut old = scene.log().as_os_str().to_owned();
    old.push(".1");
    fs::rename(scene.log(), &old).unwrap();
    fs::write(scene.log(), "").unwrap();
}

fn judge(samples: &[Sample]) {
    let third = samples.len() / 3;
    let (begin, end) = (&samples[..third], &samples[samples.len() - third..]);
    let most = |of: &[Sample], what: fn(&Sample) -> u64| of.iter().map(what).max().unwrap();
    let memory = [begin, end].map(|of| most(of, |sample| sample.rss_kib));
    let files = [begin, end].map(|of| most(of, |sample| sample.files as u64));
    assert!(
        memory[1] <= memory[0] + MARGIN_KIB,
        "memory grew from {} to {} KiB",
        memory[0],
        memory[1]
    );
    assert!(
        files[1] <= files[0] + MARGIN_FILES as u64,
        "descriptors: {} and then {}",
        files[0],
        files[1]
    );
}
