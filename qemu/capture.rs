//! Emptying QEMU's output as it comes, on a thread per stream, and waking whoever waits for it.

use crate::console::Screen;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What QEMU wrote, filled by one thread per stream: both must be emptied at all times or QEMU stands still.
#[derive(Default)]
pub(crate) struct Captured {
    streams: Mutex<Streams>,
    grown: Condvar,
}

#[derive(Default)]
pub(crate) struct Streams {
    /// The serial console.
    pub screen: Screen,
    /// QEMU's standard error.
    pub complaints: Vec<u8>,
    /// How many of the streams have come to their end.
    pub ended: usize,
}

impl Streams {
    /// Changes with everything that a wait could be waiting for.
    pub fn length(&self) -> usize {
        self.screen.raw.len() + self.ended
    }
}

impl Captured {
    pub fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what comes through `pipe` until its end.
    pub fn follow(
        self: Arc<Self>,
        mut pipe: impl Read + Send + 'static,
        keep: fn(&mut Streams, &[u8]),
    ) -> JoinHandle<()> {
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A pipe that cannot be read any more tells us what its end tells us.
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                keep(&mut self.lock(), buffer.get(..count).unwrap_or_default());
                self.grown.notify_all();
            }
            self.lock().ended += 1;
            self.grown.notify_all();
        })
    }

    /// Returns when the streams are longer than `length`, or at `wake`.
    pub fn wait_beyond(&self, length: usize, wake: Instant) {
        let mut streams = self.lock();
        while streams.length() == length {
            let left = wake.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            streams = self.grown.wait_timeout(streams, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
