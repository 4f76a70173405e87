//! Lines on their way to standard error.
//!
//! Whoever reads standard error may stop reading, and then a write to it does
//! not come back. So nobody who has something to say writes it: lines go into a
//! bounded buffer, and one thread, which has nothing else to do, writes them.
//! What finds the buffer full is lost and counted, and once the sink takes
//! lines again, one of them says how many were lost.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Thread};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::sync::Mutex;

/// Bytes of lines that may wait.
pub(super) const QUEUE_BYTES: usize = 1 << 20;
/// Between two tries at a sink that is full and does not block.
const RETRY: Duration = Duration::from_millis(10);

/// Lines of this process lost so far; there is one standard error.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Log lines that were lost since the start of the process, because standard
/// error was too slow or broken.
pub fn log_lines_dropped() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The buffer between those who log and the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// The thread that writes, once it runs.
    writer: OnceLock<Thread>,
    /// No more lines come.
    stopping: AtomicBool,
    /// Nobody waits for the last lines any more.
    abandoned: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Events in `bytes`.
    events: u64,
    /// Events lost since this was last asked for.
    lost: u64,
}

impl Queue {
    /// Adds what is said about one event, if there is room.
    pub(super) fn push(&self, text: &[u8]) {
        let mut waiting = self.waiting.lock();
        // Of an event larger than all the room there is, the one is let in.
        if !waiting.bytes.is_empty() && waiting.bytes.len() + text.len() > QUEUE_BYTES {
            waiting.lost += 1;
            drop(waiting);
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(text);
        waiting.events += 1;
        drop(waiting);
        if was_empty {
            self.wake();
        }
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut self.waiting.lock())
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Writes what comes to `sink` until the queue is stopped and empty.
    fn serve(&self, mut sink: impl Write) {
        // Set before the first look: who adds a line later finds it.
        let _ = self.writer.set(thread::current());
        let mut unsaid = 0;
        loop {
            // Read before the lines are: what was said before a stop is then
            // among them.
            let stopping = self.stopping.load(Ordering::Acquire);
            let Waiting { bytes, events, lost } = self.take();
            unsaid += lost;
            if bytes.is_empty() {
                if stopping {
                    return;
                }
                thread::park();
            } else if self.write(&mut sink, &bytes).is_err() {
                LOST.fetch_add(events, Ordering::Relaxed);
                unsaid += events;
            } else if unsaid > 0 {
                // Into this queue again, like everything.
                let lines = std::mem::take(&mut unsaid);
                tracing::warn!(lines, "log lines were lost, since standard error was not taken");
            }
        }
    }

    fn write(&self, sink: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match sink.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever shares it made it non-blocking: full is not broken.
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        && !self.abandoned.load(Ordering::Acquire) =>
                {
                    thread::sleep(RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Where `tracing` writes.
#[derive(Clone, Debug)]
pub(super) struct Queued(pub(super) Arc<Queue>);

impl<'a> MakeWriter<'a> for Queued {
    type Writer = OneEvent<'a>;

    fn make_writer(&'a self) -> OneEvent<'a> {
        OneEvent(&self.0)
    }
}

/// Takes one event's text, which comes in one write.
#[derive(Debug)]
pub(super) struct OneEvent<'a>(&'a Queue);

impl Write for OneEvent<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes. Dropping this has it write what waits, and waits for
/// that within bounds.
#[derive(Debug)]
pub(super) struct Writing {
    queue: Arc<Queue>,
    done: mpsc::Receiver<()>,
    patience: Duration,
}

impl Writing {
    /// Writes what comes into `queue` to standard error, from a thread of its
    /// own; `patience` is for the last lines.
    pub(super) fn to_stderr(queue: Arc<Queue>, patience: Duration) -> io::Result<Self> {
        // A descriptor of our own: no lock that others would wait for while
        // this thread is stuck in a write.
        let sink = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        Self::to(sink, queue, patience)
    }

    fn to(
        sink: impl Write + Send + 'static,
        queue: Arc<Queue>,
        patience: Duration,
    ) -> io::Result<Self> {
        let (finished, done) = mpsc::sync_channel(1);
        let served = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || {
            served.serve(sink);
            // The owner may have stopped waiting.
            let _ = finished.send(());
        })?;
        Ok(Self { queue, done, patience })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.queue.stopping.store(true, Ordering::Release);
        self.queue.wake();
        if self.done.recv_timeout(self.patience).is_err() {
            self.queue.abandoned.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Instant;

    use super::*;

    /// Far longer than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_come_out_in_order_and_all_of_them_before_the_end() {
        let (mut reader, sink) = io::pipe().unwrap();
        let queue = Arc::new(Queue::default());
        queue.push(b"before the thread\n");
        let writing = Writing::to(sink, queue.clone(), LONG).unwrap();
        (0..100).for_each(|n| queue.push(format!("{n}\n").as_bytes()));
        drop(writing);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(text, format!("before the thread\n{expected}"));
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_up_nobody_and_bounds_what_waits() {
        let (reader, sink) = io::pipe().unwrap();
        let queue = Arc::new(Queue::default());
        let writing = Writing::to(sink, queue.clone(), Duration::from_millis(50)).unwrap();
        let line = [b'x'; 4 << 10];
        // More than the pipe, the write under way and the queue can hold.
        let before = log_lines_dropped();
        (0..3 * QUEUE_BYTES / line.len()).for_each(|_| queue.push(&line));
        assert!(log_lines_dropped() > before);
        assert!(queue.waiting.lock().bytes.len() <= QUEUE_BYTES);
        let begun = Instant::now();
        drop(writing);
        assert!(begun.elapsed() < LONG, "the end does not wait for the reader");
        drop(reader);
    }

    #[test]
    fn an_event_larger_than_all_the_room_is_let_in_alone() {
        let queue = Queue::default();
        queue.push(&vec![b'x'; 2 * QUEUE_BYTES]);
        queue.push(b"more");
        let Waiting { bytes, events, lost } = queue.take();
        assert_eq!((bytes.len(), events, lost), (2 * QUEUE_BYTES, 1, 1));
    }

    #[test]
    fn a_full_sink_that_does_not_block_is_tried_again() {
        struct Reluctant(Vec<u8>, bool, mpsc::Sender<Vec<u8>>);
        impl Write for Reluctant {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                self.0.push(bytes[0]);
                Ok(1)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Drop for Reluctant {
            fn drop(&mut self) {
                drop(self.2.send(std::mem::take(&mut self.0)));
            }
        }
        let (sender, written) = mpsc::channel();
        let queue = Arc::new(Queue::default());
        queue.push(b"whole\n");
        drop(Writing::to(Reluctant(Vec::new(), false, sender), queue, LONG).unwrap());
        assert_eq!(written.recv_timeout(LONG).unwrap(), b"whole\n");
    }
}
