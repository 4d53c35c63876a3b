//! `GET /health`: how old the published numbers are, and whether publishing has failed for an hour, which only the
//! ledger knows. The ledger's answer is reused for half a minute.

use super::Asked;
use crate::base::error::Error;
use crate::base::time::Time;
use crate::books::health::is_ill;
use crate::edge::platform::reply::{self, Reply};
use crate::http::answer;
use std::cell::Cell;
use worker::js_sys::Date;

/// For how long the ledger is not asked again, in milliseconds.
const YOUNG: f64 = 30_000.0;

thread_local! {
    /// Since when publishing has failed, and when the ledger told it.
    static FAILING: Cell<Option<(Option<Time>, f64)>> = const { Cell::new(None) };
}

impl Asked {
    pub(super) async fn health(self) -> Reply {
        match self.look().await {
            Ok(reply) => reply,
            Err(error) => reply::refusal(error, None),
        }
    }

    async fn look(&self) -> Result<Reply, Error> {
        let is_young = |(_, at): &(_, f64)| (0.0..YOUNG).contains(&(Date::now() - at));
        let failing = match FAILING.get().filter(is_young) {
            Some((failing, _)) => failing,
            None => {
                let failing = self.ledgers().failing().await?;
                FAILING.set(Some((failing, Date::now())));
                failing
            }
        };
        let published = self.published().await;
        let now = Time::from_millis(Date::now());
        let (status, (published, oldest)) = match is_ill(failing, now) {
            // Readers may have nothing to read either.
            true => (503, published.unwrap_or_default()),
            false => (200, published?),
        };
        let body = answer::health(published, oldest, failing, now);
        Ok(reply::health(status, &body))
    }
}
