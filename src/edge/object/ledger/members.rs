//! The calls between ledgers. The lead has posts handed over ([`crate::books::handover`]) and collects what the
//! head needs ([`crate::books::members`]). A member asks for the plan, and tells the lead that there is something
//! to publish.

use super::Inner;
use crate::base::error::Error;
use crate::base::time::Time;
use crate::books::layout::{Phase, Plan};
use crate::edge::platform::kv::within;
use crate::edge::platform::ledgers::{Stub, answer, stub};
use crate::edge::platform::log;
use crate::edge::platform::rpc::{self, Answer};
use crate::edge::platform::runtime::random;
use crate::model::owner::{LEAD, Ledger};
use crate::published::slice::{Grant, Slice};
use wasm_bindgen::JsValue;
use worker::js_sys::{Promise, Uint8Array};

/// How long another ledger may take for an answer, in milliseconds.
const PATIENCE: u32 = 10_000;
/// The same where a reader waits.
const JOIN_PATIENCE: u32 = 3000;
/// The most ranges that are handed over in one call.
const RANGES: u32 = 4;
/// How many ledgers may fail in one publication before the others are left alone.
const MOST_FAILURES: u32 = 3;

/// A ledger that was not told yet.
impl Inner {
    /// Asks the lead for the plan.
    pub(super) async fn ask_for_plan(&self) -> Result<(), Error> {
        let call = stub(&self.env, LEAD)?.join();
        let call = call.map(|call| within(&call, JOIN_PATIENCE));
        let plan = Uint8Array::new(&answer(call).await?);
        self.follow(rpc::read(&plan.to_vec())?)?;
        // The number of this ledger is on the disk before its alarm comes.
        self.committed().await
    }

    /// Takes a plan in.
    pub(super) fn follow(&self, plan: Plan) -> Result<(), Error> {
        self.change(|tally, _, now| {
            tally.follow(plan, now, random);
            Ok(())
        })
    }

    /// Tells the lead that there is something to publish, where that is due.
    pub(super) async fn give_notice(&self) {
        let settings = &self.settings;
        let is_due = self.attempt(|tally, _, now| Ok(tally.has_notice(now, settings)));
        if is_due == Ok(true)
            && let Ok(lead) = stub(&self.env, LEAD)
        {
            // Where it fails, the next alarm tries again.
            let _ = in_time(lead.wake()).await;
        }
    }
}

/// Handing over.
impl Inner {
    /// Hands some ranges of posts over to their new owners; whether all is handed over.
    pub(super) async fn hand_over(&self) -> Result<bool, Error> {
        if self.is_publishing.get() || self.is_handing_over.replace(true) {
            return Ok(false);
        }
        let mut done = Ok(false);
        for _ in 0..RANGES {
            done = self.hand_range_over().await;
            if done != Ok(false) {
                break;
            }
        }
        self.is_handing_over.set(false);
        done
    }

    async fn hand_range_over(&self) -> Result<bool, Error> {
        let settings = &self.settings;
        let has_more = self.change(|tally, rows, _| tally.leave(rows))?;
        self.committed().await?;
        let leaving = self.attempt(|tally, _, _| Ok(tally.leaving()))?;
        let Some(until) = leaving.filter(|_| has_more) else {
            return Ok(true);
        };
        let batches = self.attempt(|tally, rows, now| tally.batches(rows, now, settings))?;
        let send = |(heir, batch): (Ledger, Vec<u8>)| {
            let call = stub(&self.env, heir)?.receive(&Uint8Array::from(batch.as_slice()));
            Ok(in_time(call))
        };
        let sent: Result<Vec<_>, Error> = batches.into_iter().map(send).collect();
        for received in sent? {
            received.await?;
        }
        let done = self.change(|tally, rows, now| tally.left(rows, until, now))?;
        self.committed().await?;
        Ok(done)
    }

    /// The lead's part in a change; whether there was one to see to.
    pub(super) async fn see_to_change(&self) -> Result<bool, Error> {
        let settings = &self.settings;
        if self.attempt(|tally, _, now| Ok(tally.wants_change(settings, now)))? {
            self.begin_change().await?;
        }
        let plan =
            self.attempt(|tally, _, now| Ok(tally.plan().filter(|_| tally.is_changing(now))))?;
        let Some(plan) = plan else {
            return Ok(false);
        };
        // What the others are told is on the disk.
        self.committed().await?;
        let told = self.tell(plan).await;
        self.change(|tally, _, now| {
            tally.went_on(told.is_ok(), now);
            match (told, plan.phase) {
                (Ok(true), Phase::Moving) => {
                    tally.all_moved(now);
                    log::event("handed_over", &[("ledgers", settings.ledgers.into())]);
                }
                (Ok(_), Phase::Settled) => tally.all_know(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Begins a change, where this is the deployment that publishes.
    async fn begin_change(&self) -> Result<(), Error> {
        let settings = &self.settings;
        let owner = self.is_owner().await;
        if owner == Ok(true) && self.attempt(|tally, _, _| Ok(tally.needs_room(settings)))? {
            self.collect_all().await?;
        }
        self.change(|tally, _, now| {
            let begun = match owner {
                Ok(true) => tally.begin_change(settings, now, random),
                // What was logged when it was found.
                Ok(false) => {
                    tally.put_off_change(now);
                    return Ok(());
                }
                Err(error) => Err(error),
            };
            match begun {
                Ok(()) => log::event("handing_over", &[("ledgers", settings.ledgers.into())]),
                Err(Error::TooManyPosts) => {
                    worker::console_error!(
                        "ledger: {} ledgers have no room for all posts; their number stays",
                        settings.ledgers
                    );
                    tally.put_off_change(now);
                }
                Err(_) => tally.went_on(false, now),
            }
            Ok(())
        })
    }

    /// Tells the others of the plan: where posts are handed over, those that lose some, and this ledger does
    /// its part; whether all has been handed over.
    async fn tell(&self, plan: Plan) -> Result<bool, Error> {
        let ledgers = match plan.phase {
            Phase::Moving => plan.sources(),
            _ => plan.members(),
        };
        let bytes = rpc::bytes(&plan)?;
        let call = |stub: &Stub| in_time(stub.advance(&bytes));
        let others = ledgers.clone().filter(|ledger| *ledger != LEAD);
        let calls: Result<Vec<_>, Error> = others
            .map(|ledger| stub(&self.env, ledger).map(|stub| call(&stub)))
            .collect();
        let mut done = Ok(true);
        if plan.phase == Phase::Moving && ledgers.contains(&LEAD) {
            done = self.hand_over().await;
        }
        for call in calls? {
            done = match (done, call.await) {
                (Ok(done), Ok(told)) => Ok(done && told.is_truthy()),
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
        }
        done
    }
}

/// Publishing together.
impl Inner {
    /// Has the others publish what they are granted, and collects what the head needs of them.
    pub(super) async fn collect_all(&self) -> Result<(), Error> {
        let ledgers = self.attempt(|tally, _, _| Ok(tally.to_ask()))?;
        let mut failures = 0;
        for (n, ledger) in ledgers.iter().enumerate() {
            if failures == MOST_FAILURES {
                break;
            }
            let left = ledgers.len() - n;
            let order = self.attempt(|tally, _, _| {
                let plan = tally.plan().ok_or(Error::Unavailable)?;
                Ok((plan, tally.grant(left), tally.published_of(*ledger)))
            })?;
            let slice = self.collect_one(*ledger, &order).await;
            failures += u32::from(slice.is_err());
            self.attempt(|tally, _, _| {
                match slice {
                    Ok(slice) => tally.collected(*ledger, slice),
                    Err(_) => tally.not_collected(*ledger),
                }
                Ok(())
            })?;
        }
        self.change(|tally, _, now| {
            tally.all_asked(now);
            Ok(())
        })
    }

    async fn collect_one(
        &self,
        ledger: Ledger,
        order: &(Plan, Grant, Option<Time>),
    ) -> Result<Slice, Error> {
        let call = stub(&self.env, ledger)?.collect(&rpc::bytes(order)?);
        let answer = in_time(call).await.inspect_err(|error| {
            worker::console_error!("ledger: {ledger} has nothing for the head: {error}");
        });
        Slice::read(&Uint8Array::new(&answer?).to_vec())
    }

    /// Publishes what the lead grants. `published` is when the slice was put together that the lead has
    /// published last.
    pub(super) async fn publish_grant(
        &self,
        grant: Grant,
        published: Option<Time>,
    ) -> Result<Slice, Error> {
        if self.is_handing_over.get() || self.is_publishing.replace(true) {
            return Err(Error::Moving);
        }
        let slice = self.write_grant(grant, published).await;
        self.is_publishing.set(false);
        slice
    }

    async fn write_grant(&self, grant: Grant, published: Option<Time>) -> Result<Slice, Error> {
        let settings = &self.settings;
        let begun = self.change(|tally, rows, now| {
            tally.begin_grant(rows, (grant, published), now, settings)
        })?;
        self.committed().await?;
        let outcomes = self.write_all(begun.ok_or(Error::Unpublished)?).await?;
        let writes = outcomes.writes;
        let slice = self.change(|tally, rows, now| {
            tally.end(rows, outcomes, now, settings)?;
            Ok(tally.slice(writes, now, settings))
        })?;
        self.committed().await?;
        Ok(slice)
    }
}

/// What a call of another ledger comes to, if that is in time. The call is on its way at once.
fn in_time(call: Result<Promise, JsValue>) -> Answer {
    let call = call.map(|call| within(&call, PATIENCE));
    answer(call)
}
