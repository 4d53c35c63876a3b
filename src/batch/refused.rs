//! Collects refused pings, so that they do not reach the ledger one by one.

use crate::model::reason::Reason;

/// How long refused pings are gathered for a report, in milliseconds.
pub const GATHER: u32 = 1000;
/// How long a report is waited for before it is taken for lost with its request, in milliseconds.
const LOST: f64 = 10_000.0;

/// The pings that were refused since the last report.
#[derive(Debug, Default)]
pub struct Refused {
    pings: [u32; Reason::ALL.len()],
    /// When the report was begun that is on its way.
    reporting: Option<f64>,
}

impl Refused {
    /// Nothing was refused yet.
    pub const fn new() -> Self {
        Self {
            pings: [0; Reason::ALL.len()],
            reporting: None,
        }
    }

    /// Notes a ping, `now` in milliseconds; whether a report has to be begun, because none is on its
    /// way.
    pub fn add(&mut self, reason: Reason, now: f64) -> bool {
        let pings = &mut self.pings[usize::from(reason.number())];
        *pings = pings.saturating_add(1);
        let is_on_its_way = |began: f64| (0.0..LOST).contains(&(now - began));
        if self.reporting.is_some_and(is_on_its_way) {
            return false;
        }
        self.reporting = Some(now);
        true
    }

    /// Takes all pings into a report, by reason.
    pub fn report(&mut self) -> impl Iterator<Item = (Reason, u32)> + use<> {
        self.reporting = None;
        let pings = std::mem::take(&mut self.pings);
        let all = Reason::ALL.into_iter().zip(pings);
        all.filter(|(_, pings)| *pings > 0)
    }
}
