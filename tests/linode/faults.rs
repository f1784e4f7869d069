//! What goes wrong, because a test wants it to.

use crate::refusal::Refusal;
use plain_http::{Answer, Request};

/// Seconds that who asks too much is told to wait.
const RETRY_AFTER: u32 = 1;

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, and not done.
    Refused(u16),
    /// It is done, and answered with this status.
    Lost(u16),
    /// It is done, and the connection ends without an answer.
    Silent,
}

/// How much of the metadata a Linode finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The services answer, and know nothing.
    Empty,
    /// All but the IPv6 addresses.
    NoIpv6,
    /// All.
    Complete,
}

/// All that was ordered and did not come yet.
#[derive(Debug, Default)]
pub struct Faults {
    orders: Vec<Order>,
    /// Whether images that are uploaded stay as they are.
    pub images_stay: bool,
    /// How many requests for metadata each of the first two stages lasts, for each machine that boots.
    pub metadata_stages: u32,
}

#[derive(Debug)]
struct Order {
    method: String,
    suffix: String,
    fault: Fault,
    times: u32,
}

impl Faults {
    /// The next requests of this method, to a path that ends so, go wrong. An empty word stands for all.
    pub fn order(&mut self, method: &str, suffix: &str, fault: Fault, times: u32) {
        self.orders.push(Order { method: method.into(), suffix: suffix.into(), fault, times });
    }

    /// What goes wrong with this request, if anything does.
    pub fn take(&mut self, request: &Request) -> Option<Fault> {
        let matches = |order: &&mut Order| {
            let is_method = order.method.is_empty() || order.method == request.method;
            order.times > 0 && is_method && request.path().ends_with(&order.suffix)
        };
        let order = self.orders.iter_mut().find(matches)?;
        order.times -= 1;
        Some(order.fault)
    }

    /// How much of the metadata is there after so many requests.
    pub fn stage(&self, asked: u32) -> Stage {
        match asked.checked_div(self.metadata_stages) {
            Some(0) => Stage::Empty,
            Some(1) => Stage::NoIpv6,
            Some(_) | None => Stage::Complete,
        }
    }
}

/// What is said with a status.
pub fn answer(status: u16) -> Answer {
    match status {
        429 => Answer::from(Refusal::new(429, "Too many requests")).with("Retry-After", RETRY_AFTER.to_string()),
        500 => Refusal::new(500, "Internal Server Error").into(),
        status => Refusal::new(status, "Please try again later").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_by_stages() {
        let mut faults = Faults::default();
        assert_eq!(faults.stage(0), Stage::Complete);
        faults.metadata_stages = 2;
        let stages: Vec<_> = (0..5).map(|asked| faults.stage(asked)).collect();
        assert_eq!(stages, [Stage::Empty, Stage::Empty, Stage::NoIpv6, Stage::NoIpv6, Stage::Complete]);
    }
}
