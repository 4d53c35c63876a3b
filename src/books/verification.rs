//! Which posts the site has, if `SITE_URL` is set: who reads the page of a new post, and what follows from it.
//!
//! A ping of a new post does not count at first. The Worker claims the post, reads its page, reports the verdict to
//! [`Tally::judged`] and sends the ping again. If the site cannot be read, the post waits: it counts, in a room of
//! its own, and is not published.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::{DAY, Time};
use crate::books::pages::Weight;
use crate::books::rows::Rows;
use crate::books::tally::{Asker, Ping, Tally};
use crate::model::page::Post;
use crate::model::place::Key;
use crate::model::standing::Standing;
use crate::verify::address::{lengthen, shorten};
use crate::verify::memory::{Memory, UNREAL};
use crate::verify::pace::{NEW_POSTS, PAGES, Pace};
use crate::verify::page::MAX_ADDRESS_BYTES;
use crate::verify::verdict::{NotReal, Verdict, Why};
use serde::{Deserialize, Serialize};

/// The room for posts that wait.
const WAITING_ROOM: u32 = 1 << 20;
/// How long a post waits, in days; and for how long what a page said is not asked again.
const DAYS: u32 = 30;
/// How long whoever claims a post has for it, in seconds.
const LEASE: u32 = 10;
/// As many posts are claimed at once.
const MOST_LEASES: usize = 256;
/// A post that is counted is looked for again after so many seconds, and after a day where the site does not have
/// it; and where the site could not be read, any is.
const CHECK_AGAIN: u32 = 300;
/// As many posts that were never seen may one network claim in an hour, and at least so many of each of several
/// ledgers.
const PER_NETWORK: u64 = 30;
const LEAST_PER_NETWORK: u64 = 5;
/// How many pages of posts one alarm looks through for those that have waited too long.
const PAGES_PER_SWEEP: usize = 8;
/// And how many it forgets at most.
const MOST_FORGOTTEN: usize = 200;

/// What whoever would verify a post is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Read its page.
    Yours,
    /// Ask again soon: somebody else reads it.
    Wait,
    /// Send the ping again: the post is known.
    Known,
    /// Nothing: the site does not have it.
    Unreal,
}

/// What is stored of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Verified {
    /// The new posts of late.
    pace: Pace,
    /// The posts that wait, and the room that they take.
    pub(super) waiting: u32,
    room: u32,
    /// When those were looked for last that have waited too long.
    swept: Time,
    pub(super) outage: Option<Outage>,
}

/// The site cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Since when.
    pub since: Time,
    /// When that was tried last.
    tried: Time,
    /// Why.
    pub why: Why,
}

/// What is in memory of it.
#[derive(Debug)]
pub(super) struct Verifying {
    /// Who reads which page for which post, since when.
    leases: Vec<(PostId, String, Time)>,
    unreal: Memory,
    checked: Memory,
    read: Pace,
    /// Where the search goes on for posts that have waited too long.
    cursor: Option<u64>,
}

impl Verifying {
    pub(super) fn new(secret: Key) -> Self {
        Self {
            leases: Vec::new(),
            unreal: Memory::new(secret),
            checked: Memory::new(secret),
            read: Pace::default(),
            cursor: None,
        }
    }
}

impl Verified {
    /// Takes the change of a post's weight in.
    pub(super) fn weigh(&mut self, before: Option<Weight>, after: Option<Weight>) {
        let of = |weight: Option<Weight>| {
            let waits = weight.filter(|weight| weight.waits);
            waits.map_or((0, 0), |weight| (1, weight.room))
        };
        let ((one, room), (other, more)) = (of(before), of(after));
        self.waiting = (self.waiting + other).saturating_sub(one);
        self.room = (self.room + more).saturating_sub(room);
    }
}

impl Tally {
    /// Whether somebody who has a ping of a post, from a [`network`](crate::model::network), is to read `address`
    /// for it.
    pub fn claim(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        address: &str,
        network: Option<u32>,
        settings: &Settings,
        now: Time,
    ) -> Result<Claim, Error> {
        if self.pages.knows(rows, post)? {
            return Ok(Claim::Known);
        }
        let Verifying { leases, unreal, .. } = &mut self.verifying;
        if unreal.has(post.as_str(), address, now, UNREAL) {
            return Ok(Claim::Unreal);
        }
        leases.retain(|(_, _, since)| *since <= now && now < since.plus(LEASE));
        let is_it = |lease: &(PostId, String, Time)| lease.0 == *post && lease.1 == address;
        if leases.iter().any(is_it) || leases.len() >= MOST_LEASES {
            return Ok(Claim::Wait);
        }
        if !self.may_add(settings, now) || !self.may_read(settings, now) {
            return Err(Error::TooManyAtOnce);
        }
        self.read_for(network, settings, now)?;
        let lease = (post.clone(), address.to_owned(), now);
        self.verifying.leases.push(lease);
        Ok(Claim::Yours)
    }

    /// Notes that a page is read for somebody of a network; refused where that has had enough of them.
    fn read_for(
        &mut self,
        network: Option<u32>,
        settings: &Settings,
        now: Time,
    ) -> Result<(), Error> {
        let most = PER_NETWORK.div_ceil(settings.ledgers.into());
        self.networks
            .add(network, most.max(LEAST_PER_NETWORK), now)?;
        self.verifying.read.add(now);
        Ok(())
    }

    fn may_add(&self, settings: &Settings, now: Time) -> bool {
        let pace = &self.state.guard.verified.pace;
        pace.wait(NEW_POSTS, settings.ledgers, now) == 0
    }

    fn may_read(&self, settings: &Settings, now: Time) -> bool {
        self.verifying.read.wait(PAGES, settings.ledgers, now) == 0
    }

    /// Takes in what a look at `address` said about a post, once or more often; whether the post is known now.
    pub fn judged(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        address: &str,
        verdict: Verdict,
        settings: &Settings,
        now: Time,
    ) -> Result<bool, Error> {
        let is_it = |lease: &(PostId, String, Time)| lease.0 == *post && lease.1 == address;
        self.verifying.leases.retain(|lease| !is_it(lease));
        let was_down = self.outage().is_some();
        self.note_outage(&verdict, now);
        let is_known = self.pages.knows(rows, post)?;
        let mut after = self.pages.post(rows, post)?;
        let asked = shorten(&settings.sites, address);
        let mut standing = match (verdict, &after.standing) {
            (Verdict::Real { title, path }, _) => Standing::Verified {
                checked: now.day(),
                title,
                path,
            },
            (Verdict::Unreachable(_), _) if !is_known => Standing::Waiting {
                since: now.day(),
                at: asked.filter(|at| at.len() <= MAX_ADDRESS_BYTES),
            },
            (Verdict::Unreachable(_), _) => return Ok(true),
            // That may pass, as what a site says that is not quite back.
            (Verdict::NotReal(NotReal::Unreadable(_)), _) if is_known => return Ok(true),
            (Verdict::NotReal(_), Standing::Verified { .. }) if was_down => return Ok(true),
            (Verdict::NotReal(_), Standing::Waiting { at, since }) if *at == asked => {
                match after.record.total {
                    0 | 1 => Standing::Open,
                    // Whoever came first may have named a wrong page: what others were counted stays.
                    _ => Standing::Waiting {
                        since: *since,
                        at: None,
                    },
                }
            }
            // Its page no longer names it. What it was counted stays.
            (Verdict::NotReal(_), Standing::Verified { path, .. })
                if Some(path) == asked.as_ref() =>
            {
                Standing::Verified {
                    checked: now.day(),
                    title: String::new(),
                    path: String::new(),
                }
            }
            (Verdict::NotReal(_), standing) if is_known => {
                // One that waits may be at the address of the next ping.
                if !standing.is_waiting() {
                    let memory = &mut self.verifying.checked;
                    memory.remember(post.as_str(), "", now, DAY);
                }
                return Ok(true);
            }
            (Verdict::NotReal(_), _) => Standing::Open,
        };
        let is_real = standing != Standing::Open;
        if !is_real {
            let memory = &mut self.verifying.unreal;
            memory.remember(post.as_str(), address, now, UNREAL);
            if !is_known {
                return Ok(false);
            }
            after = without_views(after);
        }
        // Where there is no room for the texts of a page, the post goes without them.
        let fits = self.admit(rows, [(post, &standing)], Asker::Anyone);
        if fits.is_err()
            && let Standing::Verified { title, path, .. } = &mut standing
        {
            (*title, *path) = Default::default();
        }
        if !is_known {
            self.add_new(rows, post, &standing, settings, now)?;
        } else if is_real && !standing.is_waiting() {
            // One that has waited needs room among the others.
            self.admit(rows, [(post, &standing)], Asker::Anyone)?;
        }
        after.standing = standing;
        // The statistics tell how many wait.
        self.state.publish.change();
        self.put(rows, post.clone(), after, now)?;
        Ok(is_real)
    }

    /// Refuses a new post that there is no room for, or too many at once.
    fn add_new(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        standing: &Standing,
        settings: &Settings,
        now: Time,
    ) -> Result<(), Error> {
        let has_room = match standing {
            Standing::Waiting { .. } => {
                let room = Weight::of(post, 0, standing).room;
                self.state.guard.verified.room + room <= WAITING_ROOM
            }
            _ => {
                self.admit(rows, [(post, standing)], Asker::Anyone)?;
                true
            }
        };
        if !has_room || !self.may_add(settings, now) {
            return Err(Error::TooManyAtOnce);
        }
        self.state.guard.verified.pace.add(now);
        Ok(())
    }

    /// Notes whether the site can be read.
    fn note_outage(&mut self, verdict: &Verdict, now: Time) {
        let outage = &mut self.state.guard.verified.outage;
        let before = outage.is_some();
        *outage = match verdict {
            Verdict::Unreachable(why) => Some(Outage {
                since: outage.map_or(now, |outage| outage.since),
                tried: now,
                why: *why,
            }),
            _ => None,
        };
        if outage.is_some() != before {
            self.state.publish.change();
        }
    }

    /// Since when and why the site cannot be read, where it cannot.
    pub fn outage(&self) -> Option<Outage> {
        self.state.guard.verified.outage
    }

    /// Whether the page of a post of which a ping was just counted is to be read again: at the address, or without
    /// one at that of the ping.
    pub fn check(&mut self, ping: Ping, settings: &Settings, now: Time) -> Option<Option<String>> {
        let sites = &settings.sites;
        if sites.is_empty() {
            return None;
        }
        let standing = &self.pages.changed(ping.post)?.standing;
        let waits = standing.is_waiting();
        let outage = &mut self.state.guard.verified.outage;
        let was_just_tried =
            |outage: &Outage| outage.tried <= now && now < outage.tried.plus(CHECK_AGAIN);
        if outage.as_ref().is_some_and(was_just_tried) {
            return None;
        }
        let address = match standing {
            Standing::Verified { checked, path, .. } => {
                if *checked > now.day().minus(DAYS) {
                    // Any post tells whether the site can be read again, and one is enough.
                    outage.as_mut()?.tried = now;
                }
                lengthen(sites, path)
            }
            // Whoever sent another ping may have named a wrong page.
            Standing::Waiting { .. } | Standing::Open | Standing::Owner => None,
        };
        if !self.may_read(settings, now) {
            return None;
        }
        // Each network has its own try at one that waits: nobody can take it from the others.
        let network = ping.network().filter(|_| waits);
        let asker = network.map_or_else(String::new, |network| network.to_string());
        let checked = &mut self.verifying.checked;
        let id = ping.post.as_str();
        if checked.has(id, &asker, now, DAY) {
            return None;
        }
        checked.remember(id, &asker, now, CHECK_AGAIN);
        self.read_for(network, settings, now).ok()?;
        Some(address)
    }

    /// The address at which a post is known to be.
    pub fn address(
        &mut self,
        rows: &impl Rows,
        post: &PostId,
        settings: &Settings,
    ) -> Result<Option<String>, Error> {
        Ok(match self.standing(rows, post)? {
            Standing::Verified { path, .. } => lengthen(&settings.sites, &path),
            Standing::Waiting { at: Some(at), .. } => lengthen(&settings.sites, &at),
            _ => None,
        })
    }

    /// Has a post wait no longer, because no site is asked any more. All together, those that wait exceed the room of
    /// posts by their own at most.
    pub(super) fn open(&mut self, rows: &impl Rows, post: &PostId, now: Time) -> Result<(), Error> {
        let mut after = self.pages.post(rows, post)?;
        after.standing = Standing::Open;
        self.put(rows, post.clone(), after, now)
    }

    /// Forgets posts that have waited too long, some pages at a time, once a day; where no site is asked any more,
    /// none waits on.
    pub(super) fn forget_waiting(
        &mut self,
        rows: &impl Rows,
        now: Time,
        settings: &Settings,
    ) -> Result<(), Error> {
        if self.expiry(now).is_none_or(|due| due > now) {
            return Ok(());
        }
        let opens = settings.sites.is_empty();
        let mut next = Some(self.verifying.cursor.unwrap_or_default());
        let mut late = Vec::new();
        for _ in 0..PAGES_PER_SWEEP {
            let Some(place) = next else { break };
            let range = self.pages.lines(rows, place, &mut |id, line| {
                if let Standing::Waiting { since, .. } =
                    crate::model::page::one(line)?.standing()?
                    && (opens || since <= now.day().minus(DAYS))
                {
                    late.push(PostId::parse(id.to_owned())?);
                }
                Ok(())
            })?;
            if late.len() > MOST_FORGOTTEN {
                // The others of this page come next.
                late.truncate(MOST_FORGOTTEN);
                break;
            }
            next = range.end();
        }
        self.verifying.cursor = next;
        if next.is_none() {
            self.state.guard.verified.swept = now;
        }
        for post in late {
            if opens {
                self.open(rows, &post, now)?;
                continue;
            }
            let nothing = without_views(self.pages.post(rows, &post)?);
            self.put(rows, post, nothing, now)?;
        }
        Ok(())
    }

    /// When posts that have waited too long are to be looked for.
    pub(super) fn expiry(&self, now: Time) -> Option<Time> {
        let verified = &self.state.guard.verified;
        let due = match self.verifying.cursor {
            Some(_) => now,
            None => verified.swept.plus(DAY),
        };
        // Posts that are handed over must not change meanwhile.
        (verified.waiting > 0 && !self.layout.is_moving()).then_some(due)
    }
}

/// A post as it is forgotten: Workers KV may have an entry of it.
fn without_views(Post { entry, .. }: Post) -> Post {
    Post {
        entry,
        ..Post::default()
    }
}
