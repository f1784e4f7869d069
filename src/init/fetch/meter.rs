//! A meter in the connection, under HTTP: what a mirror may send, and how long it may take, until the next bytes of the file
//! have come of it. ureq waits and reads for as long as anything comes: trailers or chunks of nothing, for ever.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time};

/// What may still be sent, and until when. Whoever reads sets it anew for each read.
#[derive(Clone, Default)]
pub struct Meter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    bytes: AtomicU64,
    until: Mutex<Option<Instant>>,
}

impl Meter {
    /// Allows so many bytes from now on, within this time if there is no other deadline.
    pub fn allow(&self, bytes: u64, within: Option<Duration>) {
        self.0.bytes.store(bytes, Ordering::Relaxed);
        *self.0.until.lock().unwrap_or_else(PoisonError::into_inner) = within.map(|within| Instant::now() + within);
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let left = self.0.bytes.load(Ordering::Relaxed).checked_sub(bytes);
        self.0.bytes.store(left.unwrap_or_default(), Ordering::Relaxed);
        left.map(drop).ok_or_else(|| Error::Other("sends too much that is not the file".into()))
    }

    fn shortened(&self, timeout: NextTimeout) -> NextTimeout {
        let until = *self.0.until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match left.map(time::Duration::from) {
            Some(left) if left < timeout.after => {
                NextTimeout { after: left, reason: ureq::Timeout::PerRead, ..timeout }
            }
            _ => timeout,
        }
    }
}

impl<In: Transport> Connector<In> for Meter {
    type Out = Metered<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Metered { inner, meter: self.clone() }))
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// A connection with the meter in it.
#[derive(Debug)]
pub struct Metered<In> {
    inner: In,
    meter: Meter,
}

impl<In: Transport> Transport for Metered<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = self.meter.shortened(timeout);
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        let before = self.inner.buffers().input().len();
        let came = self.inner.await_input(timeout)?;
        let now = self.inner.buffers().input().len();
        self.meter.take(now.saturating_sub(before))?;
        Ok(came)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_passes_than_was_allowed() {
        let meter = Meter::default();
        assert!(meter.take(1).is_err());
        meter.allow(10, Some(Duration::ZERO));
        for (bytes, passes) in [(4, true), (6, true), (0, true), (1, false), (1, false)] {
            assert_eq!(meter.take(bytes).is_ok(), passes);
        }
    }

    #[test]
    fn waits_end_when_the_time_is_over() {
        let meter = Meter::default();
        let long = NextTimeout { after: Duration::from_secs(60).into(), ..NextTimeout::default() };
        assert_eq!(meter.shortened(long).after, long.after);
        meter.allow(10, Some(Duration::ZERO));
        assert!(meter.shortened(long).after.is_zero());
        meter.allow(10, Some(Duration::from_secs(600)));
        assert_eq!(meter.shortened(long).after, long.after);
        assert!(meter.shortened(NextTimeout::default()).after <= Duration::from_secs(600).into());
    }
}
