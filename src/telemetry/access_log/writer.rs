//! The thread that writes.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use crate::config::{AccessLogFormat, AccessLogSettings};
use crate::lifecycle::{TaskKind, Tasks};

use super::lane::{AccessLogHandle, Lane, Lanes};
use super::sink::{self, Sink};

/// How long lines gather before they are written together.
const BATCH: Duration = Duration::from_millis(10);

/// How a shutdown of the log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Every line that was waiting has been handed to the sink.
    Complete,
    /// The sink was still busy at the deadline; what waited is lost.
    Cut,
}

/// The access log of a router. Dropping it stops the writer after what waits
/// now, without waiting for that.
#[derive(Debug)]
pub struct AccessLog {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    lanes: Arc<Lanes>,
    control: Arc<Control>,
    done: mpsc::Receiver<()>,
}

/// What the owner asks of the writer, and the writer tells.
#[derive(Debug, Default)]
struct Control {
    stop: AtomicBool,
    reopen: AtomicBool,
    /// Lines taken from a buffer that the sink would not have.
    lost: AtomicU64,
}

impl AccessLog {
    /// Opens the target and starts the writer, unless the log is off.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub(crate) fn start(
        settings: &AccessLogSettings,
        workers: usize,
        tasks: &Arc<Tasks>,
    ) -> io::Result<Self> {
        match sink::open(&settings.target)? {
            Some(sink) => Self::to(sink, settings.format, workers, tasks),
            None => Ok(Self { running: None }),
        }
    }

    /// Starts the writer on a sink.
    pub(super) fn to(
        sink: Box<dyn Sink>,
        format: AccessLogFormat,
        workers: usize,
        tasks: &Arc<Tasks>,
    ) -> io::Result<Self> {
        let lanes = (0..workers).map(|_| Lane::default()).collect();
        let lanes = Arc::new(Lanes { lanes, format, writer: OnceLock::new() });
        let control = Arc::new(Control::default());
        let (finished, done) = mpsc::sync_channel(1);
        let writer = Writer {
            lanes: Arc::clone(&lanes),
            control: Arc::clone(&control),
            state: State::new(sink),
        };
        let thread = tasks.spawn_thread(TaskKind::AccessLog, "access-log".into(), move || {
            writer.run();
            // The owner may have stopped waiting.
            let _ = finished.send(());
        })?;
        lanes.writer.get_or_init(|| thread.thread().clone());
        Ok(Self { running: Some(Running { lanes, control, done }) })
    }

    /// The handle of one worker.
    ///
    /// # Panics
    /// When used, if `worker` is not below the number the log began with.
    pub fn worker(&self, worker: usize) -> AccessLogHandle {
        self.running.as_ref().map_or(AccessLogHandle::off(), |running| {
            AccessLogHandle::new(Arc::clone(&running.lanes), worker)
        })
    }

    /// Asks the writer to open its file again, before its next write. If that
    /// fails it goes on with the old one, and says so.
    pub fn reopen(&self) {
        if let Some(running) = &self.running {
            running.control.reopen.store(true, Ordering::Release);
            running.lanes.wake();
        }
    }

    /// Lines lost since the start: to a full buffer, or to a broken sink.
    pub fn dropped(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| {
            let full: u64 = running.lanes.lanes.iter().map(Lane::dropped).sum();
            full + running.control.lost.load(Ordering::Relaxed)
        })
    }

    /// Writes what waits and stops, within `deadline`. For when the workers
    /// have ended: lines written afterwards go nowhere.
    pub fn shutdown(mut self, deadline: Duration) -> Flush {
        let Some(running) = self.running.take() else { return Flush::Complete };
        running.stop();
        match running.done.recv_timeout(deadline) {
            Ok(()) => Flush::Complete,
            Err(_) => Flush::Cut,
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop();
        }
    }
}

impl Running {
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Release);
        self.lanes.wake();
    }
}

/// The thread's own things.
struct Writer {
    lanes: Arc<Lanes>,
    control: Arc<Control>,
    state: State,
}

struct State {
    sink: Box<dyn Sink>,
    spare: Vec<u8>,
    /// The last write ended within a line.
    mid_line: bool,
    /// The last write failed, and that has been reported.
    broken: bool,
}

impl State {
    fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, spare: Vec::new(), mid_line: false, broken: false }
    }
}

impl Writer {
    fn run(mut self) {
        loop {
            // Read before the buffers are: what was written before a stop is
            // then seen in this round.
            let stopping = self.control.stop.load(Ordering::Acquire);
            if self.control.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            let wrote = self.write_all_lanes();
            if stopping {
                return;
            }
            if wrote {
                thread::sleep(BATCH);
            } else {
                thread::park();
            }
        }
    }

    fn reopen(&mut self) {
        match self.state.sink.reopen() {
            Ok(()) => self.state.mid_line = false,
            Err(error) => tracing::error!(%error, "the access log could not be opened again"),
        }
    }

    /// Writes what waits; says whether there was anything.
    fn write_all_lanes(&mut self) -> bool {
        let mut any = false;
        for lane in &self.lanes.lanes {
            let mut lines = lane.swap(std::mem::take(&mut self.state.spare));
            if !lines.is_empty() {
                any = true;
                let lost = self.state.write(&lines, &self.control.stop);
                self.control.lost.fetch_add(lost, Ordering::Relaxed);
            }
            lines.clear();
            self.state.spare = lines;
        }
        any
    }
}

impl State {
    /// Writes lines and says how many of them were lost.
    fn write(&mut self, lines: &[u8], stop: &AtomicBool) -> u64 {
        if self.mid_line && self.write_bytes(b"\n", stop).is_ok() {
            self.mid_line = false;
        }
        match self.write_bytes(lines, stop) {
            Ok(()) => {
                if std::mem::take(&mut self.broken) {
                    tracing::info!("the access log can be written again");
                }
                0
            }
            Err(Unwritten { bytes, error }) => {
                let (written, rest) = lines.split_at(lines.len() - bytes);
                if let Some(last) = written.last() {
                    self.mid_line = *last != b'\n';
                }
                if !std::mem::replace(&mut self.broken, true) {
                    tracing::error!(%error, "the access log cannot be written, lines are lost");
                }
                rest.iter().filter(|byte| **byte == b'\n').count() as u64
            }
        }
    }

    fn write_bytes(&mut self, bytes: &[u8], stop: &AtomicBool) -> Result<(), Unwritten> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(Unwritten::new(rest, ErrorKind::WriteZero.into())),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever shares the pipe made it non-blocking: it is full,
                // which is slow and not broken.
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && !stop.load(Ordering::Acquire) =>
                {
                    thread::sleep(BATCH);
                }
                Err(error) => return Err(Unwritten::new(rest, error)),
            }
        }
        Ok(())
    }
}

/// A write that stopped short.
struct Unwritten {
    bytes: usize,
    error: io::Error,
}

impl Unwritten {
    fn new(rest: &[u8], error: io::Error) -> Self {
        Self { bytes: rest.len(), error }
    }
}
