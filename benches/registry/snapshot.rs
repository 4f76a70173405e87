//! The file that a router comes back from.

use std::process::Command;
use std::time::{Duration, Instant};

use pointsman::{config, fuzzing::Process};

use crate::Plan;
use crate::machine::{memory_bytes, mib, processor_ns};
use crate::platform::register_all;
use crate::swaps::drain;

fn settings(path: &str) -> config::Settings {
    let text = format!(
        "[workers]\nthreads = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[access_log]\npath = \"\"\n\
         [registry]\nsnapshot = {path:?}\n"
    );
    config::parse(&text, "bench").unwrap()
}

/// Writes the table of all routes, then has another process begin with it.
pub(crate) fn measure(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes");
    let text = path.to_str().unwrap();
    let process = Process::start(settings(text)).unwrap();
    let (_, admin) = process.addresses();
    let nowhere = ([0, 0, 0, 0], 0).into();
    // The journal is not taken from yet, fills up, and has the table written.
    register_all(&process.live_routes(), plan.routes, 0, [nowhere; 2]);
    let before = memory_bytes("VmRSS");
    let start = Instant::now();
    let running = std::thread::spawn(move || process.run().unwrap());
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "snapshot of {} routes: written within {seconds:.1} s, {:.0} MiB long; \
         {:.0} MiB resident before, {:.0} MiB at most",
        plan.routes,
        mib(std::fs::metadata(&path).unwrap().len() as usize),
        mib(before),
        mib(memory_bytes("VmHWM"))
    );
    drain(admin);
    running.join().unwrap();
    let own = std::env::current_exe().unwrap();
    assert!(Command::new(own).args(["--restore", text]).status().unwrap().success());
}

/// Begins with the snapshot at `path`, as a router does that was restarted.
pub(crate) fn restore(path: &str) {
    let (start, start_ns) = (Instant::now(), processor_ns());
    let process = Process::start(settings(path)).unwrap();
    println!(
        "restored in {:.1} s, {:.1} s of processor time; {:.0} MiB resident, {:.0} MiB at most",
        start.elapsed().as_secs_f64(),
        (processor_ns() - start_ns) / 1e9,
        mib(memory_bytes("VmRSS")),
        mib(memory_bytes("VmHWM"))
    );
    assert!(process.live_routes().version() > 0, "nothing was restored");
}
