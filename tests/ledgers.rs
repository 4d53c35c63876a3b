//! Several ledgers over rows in memory: their number changes again and again, ledgers crash between any two
//! steps, and what they send each other is lost, repeated or late. Every answer stays exact.

#![allow(clippy::expect_used)]

mod site;

use proptest::prelude::*;
use site::{START, Store, at};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::limits::HOUR_SECONDS as HOUR;
use tally::base::settings::Settings;
use tally::base::time::{DAY, Time};
use tally::books::layout::{Phase, Plan, Whose};
use tally::books::publication::Outcomes;
use tally::books::takeover::{FoundPart, Want};
use tally::books::tally::{Ping, Tally};
use tally::model::filter::Filter;
use tally::model::mode::Mode;
use tally::model::outcome::Outcome;
use tally::model::owner::Owners;
use tally::model::reason::Reason;
use tally::model::record::Record;
use tally::model::standing::Standing;
use tally::published::head::{HEAD, Published, Where};
use tally::published::part::{self, Part};
use tally::published::slice::{Grant, Slice};

const POSTS: u16 = 300;

/// Long ids, so that a ledger has several pages, which are handed over in several ranges.
fn post(of: u16) -> PostId {
    site::post(format!("{of:0>400}"))
}

/// One ledger with its rows.
struct Node {
    store: Store,
    tally: Tally,
}

impl Node {
    fn end(&mut self, writes: u32, now: Time, settings: &Settings) {
        let outcomes = Outcomes {
            writes,
            ..Outcomes::default()
        };
        let ended = self.tally.end(&self.store, outcomes, now, settings);
        ended.expect("pages");
    }
}

/// A site of several ledgers, and what its counts should be.
struct Cluster {
    nodes: BTreeMap<u8, Node>,
    settings: Settings,
    now: u32,
    keys: u32,
    /// What stands in Workers KV under Tally's own keys.
    kv: BTreeMap<String, Vec<u8>>,
    /// The writes to Workers KV, and the ledgers that do not answer the lead.
    writes: u32,
    silent: BTreeSet<u8>,
    /// Batches that were sent, which may come again.
    sent: Vec<(u8, Vec<u8>)>,
    counts: HashMap<u16, u64>,
    visits: HashMap<(u16, u8), u32>,
    ids: BTreeSet<(u16, u8)>,
    imports: BTreeSet<u8>,
    /// The posts that the owner has set or imported.
    owned: BTreeSet<u16>,
    skipped: u64,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    ArrivesTwice,
    IsLost,
    LosesItsAnswer,
}

#[derive(Clone, Debug)]
enum Op {
    /// A view by a visitor, with an id, asked by a Worker that takes the posts for shared among so many. It is
    /// written, or lost in a crash.
    Ping {
        post: u16,
        visitor: Option<u8>,
        id: Option<u8>,
        ledgers: u8,
        written: bool,
    },
    Skip(u16, u8),
    Set(u16, u64),
    Import(u8),
    /// The owner deletes what has at most so many views and is anybody's.
    Remove(u64),
    /// A ledger hands over, as far as its messages and it itself get.
    Advance(u8, Vec<Fate>, u8),
    /// A batch comes again.
    Late(usize),
    /// The lead looks after the change, as far as messages get.
    Lead(Vec<Fate>, u8),
    Crash(u8),
    Ledgers(u8),
    Wait(u32),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::ArrivesTwice),
        1 => Just(Fate::IsLost),
        1 => Just(Fate::LosesItsAnswer),
    ]
}

fn ledgers() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![1, 2, 3, 4, 7, 16])
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let some = |n: u8| prop::option::weighted(0.6, 0..n);
    // Mostly of a few posts, so that there are repeats.
    let ping = (
        prop_oneof![2 => 0..8_u16, 1 => 0..POSTS],
        some(2),
        some(3),
        ledgers(),
        prop::bool::weighted(0.9),
    );
    let ping = ping.prop_map(|(post, visitor, id, ledgers, written)| Op::Ping {
        post,
        visitor,
        id,
        ledgers,
        written,
    });
    let op = prop_oneof![
        40 => ping,
        1 => (0..POSTS, 0..3_u8).prop_map(|(post, n)| Op::Skip(post, n)),
        2 => (0..POSTS, 0..9_u64).prop_map(|(post, views)| Op::Set(post, views)),
        1 => (0..3_u8).prop_map(Op::Import),
        1 => (1..5_u64).prop_map(Op::Remove),
        15 => (0..16_u8, prop::collection::vec(fate(), 16), 0..6_u8)
            .prop_map(|(ledger, fates, end)| Op::Advance(ledger, fates, end)),
        4 => (0..100_usize).prop_map(Op::Late),
        8 => (prop::collection::vec(fate(), 16), 0..8_u8)
            .prop_map(|(fates, end)| Op::Lead(fates, end)),
        4 => (0..16_u8).prop_map(Op::Crash),
        3 => ledgers().prop_map(Op::Ledgers),
        2 => prop_oneof![0..60_u32, 0..4000_u32].prop_map(Op::Wait),
    ];
    prop::collection::vec(op, 0..300)
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self::unadopted(1);
        let lead = cluster.node(0);
        lead.tally.found_no_head();
        let listed = lead
            .tally
            .found_section(&lead.store, &None, Default::default(), at(START));
        listed.expect("rows");
        cluster.save(0);
        cluster
    }

    /// A site at its first start.
    fn unadopted(ledgers: u8) -> Self {
        Self {
            nodes: BTreeMap::new(),
            settings: Settings {
                ledgers,
                writes: 100_000,
                new_posts: u32::MAX,
                ..Settings::default()
            },
            now: START,
            kv: BTreeMap::new(),
            writes: 0,
            silent: BTreeSet::new(),
            keys: 0,
            sent: Vec::new(),
            counts: HashMap::new(),
            visits: HashMap::new(),
            ids: BTreeSet::new(),
            imports: BTreeSet::new(),
            owned: BTreeSet::new(),
            skipped: 0,
        }
    }

    fn key(&mut self) -> [u8; 16] {
        self.keys += 1;
        let mut key = [0; 16];
        key[..4].copy_from_slice(&self.keys.to_le_bytes());
        key
    }

    /// A ledger, which begins as it is asked first.
    fn node(&mut self, ledger: u8) -> &mut Node {
        if !self.nodes.contains_key(&ledger) {
            self.start(ledger, Store::default());
        }
        self.nodes.get_mut(&ledger).expect("a ledger")
    }

    fn start(&mut self, ledger: u8, store: Store) {
        let now = at(self.now);
        let mut keys: Vec<_> = (0..4).map(|_| self.key()).collect();
        let random = || keys.pop().expect("a key");
        let tally = Tally::load(&store, ledger, &self.settings, now, random);
        let tally = tally.expect("readable rows");
        self.nodes.insert(ledger, Node { store, tally });
    }

    /// What was not written is lost.
    fn crash(&mut self, ledger: u8) {
        if let Some(node) = self.nodes.remove(&ledger) {
            self.start(ledger, node.store);
        }
    }

    fn save(&mut self, ledger: u8) {
        let (now, settings) = (at(self.now), self.settings.clone());
        let Node { store, tally } = self.node(ledger);
        tally.save(store, now, &settings).expect("rows");
    }

    fn plan(&mut self) -> Plan {
        self.node(0).tally.plan().expect("the lead's plan")
    }

    fn follow(&mut self, ledger: u8, plan: Plan) {
        let now = at(self.now);
        let mut keys: Vec<_> = (0..4).map(|_| self.key()).collect();
        let node = self.node(ledger);
        node.tally.follow(plan, now, || keys.pop().expect("a key"));
    }

    /// The ledger that a Worker finds; `None` where the post is on its way.
    fn owner(&mut self, of: u16, ledgers: u8) -> Option<u8> {
        let mut ledger = Owners::among(ledgers).of_post(&post(of));
        for _ in 0..6 {
            match self.node(ledger).tally.whose(&post(of)) {
                Whose::Here => return Some(ledger),
                Whose::There(other) => ledger = other,
                Whose::OnItsWay => return None,
                Whose::Unknown => {
                    let plan = self.plan();
                    self.follow(ledger, plan);
                    self.save(ledger);
                }
            }
        }
        unreachable!("nobody owns {of}");
    }

    fn ping(&mut self, of: u16, visitor: Option<u8>, id: Option<u8>, ledgers: u8, written: bool) {
        let Some(ledger) = self.owner(of, ledgers) else {
            return;
        };
        let now = self.now;
        let (settings, key, name) = (self.settings.clone(), self.key(), post(of));
        let (address, sent_id) = (visitor.map(|n| n.to_string()), id.map(|n| n.to_string()));
        let ping = Ping {
            post: &name,
            id: sent_id.as_deref(),
            visitor: address.as_deref().map(|address| (address, "Firefox")),
            network: None,
        };
        let Node { store, tally } = self.node(ledger);
        let outcome = tally.ping(store, ping, &settings, at(now), || key);
        let outcome = outcome.expect("room");
        let visit = visitor.and_then(|visitor| self.visits.get(&(of, visitor)));
        let is_repeat = visit.is_some_and(|then| then.abs_diff(now) < settings.dedupe)
            || id.is_some_and(|id| self.ids.contains(&(of, id)));
        let count = self.counts.entry(of).or_default();
        let expected = match is_repeat {
            true => Outcome::Repeat(*count),
            false => Outcome::Counted(*count + 1),
        };
        assert_eq!(outcome, expected, "{of} at {ledger}, {visitor:?}, {id:?}");
        if !written {
            return self.crash(ledger);
        }
        match is_repeat {
            true => self.skipped += 1,
            false => {
                *count += 1;
                self.visits
                    .extend(visitor.map(|visitor| ((of, visitor), now)));
                self.ids.extend(id.map(|id| (of, id)));
            }
        }
        self.save(ledger);
    }

    fn set(&mut self, of: u16, views: u64) {
        let ledgers = self.plan().ledgers;
        let now = at(self.now);
        if let Some(ledger) = self.owner(of, ledgers) {
            let Node { store, tally } = self.node(ledger);
            tally.set(store, &post(of), views, now).expect("room");
            self.counts.insert(of, views);
            match views {
                0 => self.owned.remove(&of),
                _ => self.owned.insert(of),
            };
            self.save(ledger);
        }
    }

    /// Adds 10 views to each post, once for each id; only where no change is on its way.
    fn import(&mut self, id: u8) {
        let plan = self.plan();
        if plan.phase != Phase::Settled {
            return;
        }
        let owners = Owners::among(plan.ledgers);
        let (now, settings) = (at(self.now), self.settings.clone());
        for ledger in 0..plan.ledgers {
            self.follow(ledger, plan);
            let own = (0..POSTS).filter(|of| owners.of_post(&post(*of)) == ledger);
            let record = Record {
                total: 10,
                ..Record::default()
            };
            let records = own.map(|of| (post(of), record.clone())).collect();
            let Node { store, tally } = self.node(ledger);
            let id = id.to_string();
            tally
                .import(store, records, Mode::Add, Some(&id), &settings, now)
                .expect("room");
            self.save(ledger);
        }
        if self.imports.insert(id) {
            (0..POSTS).for_each(|of| *self.counts.entry(of).or_default() += 10);
            self.owned.extend(0..POSTS);
        }
    }

    /// Where no change is on its way.
    fn remove(&mut self, most: u64) {
        let plan = self.plan();
        if plan.phase != Phase::Settled {
            return;
        }
        let now = at(self.now);
        let filter = Filter {
            views: Some(most),
            ..Filter::default()
        };
        let mut views = 0;
        for ledger in 0..plan.ledgers {
            self.follow(ledger, plan);
            let mut next = Some(0);
            while let Some(from) = next {
                let Node { store, tally } = self.node(ledger);
                let removed = tally.remove(store, from, &filter, false, now);
                let removed = removed.expect("pages");
                views += removed.views;
                next = removed.next;
                self.save(ledger);
            }
        }
        let owned = &self.owned;
        let goes = |of: &u16, views: &mut u64| *views <= most && !owned.contains(of);
        let gone = self.counts.extract_if(|of, views| goes(of, views));
        assert_eq!(views, gone.map(|(_, views)| views).sum::<u64>());
    }

    /// Hands a range over: the messages meet their fates, and it ends after so many steps. Whether all is
    /// handed over.
    fn advance(&mut self, ledger: u8, fates: &[Fate], end: u8) -> bool {
        let plan = self.plan();
        self.follow(ledger, plan);
        let (now, settings) = (at(self.now), self.settings.clone());
        let Node { store, tally } = self.node(ledger);
        if !tally.leave(store).expect("pages") {
            self.save(ledger);
            return true;
        }
        if end == 1 {
            self.crash(ledger);
            return false;
        }
        self.save(ledger);
        if end == 2 {
            self.crash(ledger);
            return false;
        }
        let Node { store, tally } = self.node(ledger);
        let until = tally.leaving().expect("a range");
        let batches = tally.batches(store, now, &settings).expect("pages");
        let mut all = true;
        for ((heir, batch), fate) in batches.into_iter().zip(fates.iter().cycle()) {
            self.sent.push((heir, batch.clone()));
            let times = match fate {
                Fate::IsLost => 0,
                Fate::ArrivesTwice => 2,
                Fate::Arrives | Fate::LosesItsAnswer => 1,
            };
            for _ in 0..times {
                assert_eq!(self.receive(heir, &batch), Ok(()));
            }
            all &= !matches!(fate, Fate::IsLost | Fate::LosesItsAnswer);
        }
        if !all || end == 3 {
            self.crash(ledger);
            return false;
        }
        let Node { store, tally } = self.node(ledger);
        let done = tally.left(store, until, now).expect("pages");
        if end == 4 {
            self.crash(ledger);
            return false;
        }
        self.save(ledger);
        done
    }

    fn receive(&mut self, heir: u8, batch: &[u8]) -> Result<(), Error> {
        let (now, settings) = (at(self.now), self.settings.clone());
        let mut keys: Vec<_> = (0..4).map(|_| self.key()).collect();
        let Node { store, tally } = self.node(heir);
        let received = tally.receive(store, batch, &settings, now, || keys.pop().expect("a key"));
        self.save(heir);
        received
    }

    /// What the lead does in its alarm.
    fn lead(&mut self, fates: &[Fate], end: u8) {
        let now = at(self.now);
        let settings = self.settings.clone();
        let mut keys: Vec<_> = (0..4).map(|_| self.key()).collect();
        let lead = &mut self.node(0).tally;
        if lead.wants_change(&settings, now) {
            if lead.needs_room(&settings) {
                self.collect_all();
            }
            let lead = &mut self.node(0).tally;
            let begun = lead.begin_change(&settings, now, || keys.pop().expect("a key"));
            if begun == Err(Error::Unavailable) {
                lead.went_on(false, now);
            }
            return self.save(0);
        }
        let plan = self.plan();
        match plan.phase {
            Phase::Moving => {
                let mut done = true;
                for ledger in plan.sources() {
                    done &= self.advance(ledger, fates, end);
                }
                if done {
                    self.node(0).tally.all_moved(now);
                }
            }
            Phase::Publishing => self.publish(),
            Phase::Settled => {
                for ledger in plan.members() {
                    self.follow(ledger, plan);
                    self.save(ledger);
                }
                self.node(0).tally.all_know();
            }
        }
        self.save(0);
    }

    /// Publishes all that has changed, to a Workers KV that takes everything.
    fn publish(&mut self) {
        self.now += self.settings.publish;
        let (now, settings) = (at(self.now), self.settings.clone());
        let begun = {
            let Node { store, tally } = self.node(0);
            tally.publish_again(now);
            tally.begin(store, now, &settings).expect("pages")
        };
        let Some(begun) = begun else { return };
        self.save(0);
        self.collect_all();
        let Node { store, tally } = self.nodes.get_mut(&0).expect("the lead");
        let entries = begun.entries.len();
        let writes = write_all(&mut self.kv, (store, tally), entries, now, &settings);
        self.writes += writes;
        self.node(0).end(writes, now, &settings);
        self.save(0);
    }

    /// The lead asks the others for what they have.
    fn collect_all(&mut self) {
        let (now, settings) = (at(self.now), self.settings.clone());
        let asked = self.node(0).tally.to_ask();
        for (n, ledger) in asked.iter().enumerate() {
            let plan = self.plan();
            let lead = &mut self.node(0).tally;
            let (grant, published) = (lead.grant(asked.len() - n), lead.published_of(*ledger));
            if self.silent.contains(ledger) {
                self.node(0).tally.not_collected(*ledger);
                continue;
            }
            self.follow(*ledger, plan);
            let Node { store, tally } = self.nodes.get_mut(ledger).expect("a ledger");
            let begun = tally
                .begin_grant(store, (grant, published), now, &settings)
                .expect("pages");
            let Some(begun) = begun else { continue };
            let entries = begun.entries.len();
            let writes = write_all(&mut self.kv, (store, tally), entries, now, &settings);
            self.writes += writes;
            let node = self.nodes.get_mut(ledger).expect("a ledger");
            node.end(writes, now, &settings);
            let slice = node.tally.slice(writes, now, &settings);
            self.save(*ledger);
            self.node(0).tally.collected(*ledger, slice);
        }
        self.node(0).tally.all_asked(now);
    }

    /// The views of a post as readers see them.
    fn read(&self, of: u16) -> u64 {
        let published = Published::read(self.kv[HEAD].clone()).expect("a head");
        let views = |part: &Part, secret| {
            let line = part.find(secret, &post(of)).expect("lines");
            line.map_or(0, |line| line.total)
        };
        match published.part_of(&post(of)) {
            Where::Nowhere => 0,
            Where::Here(part) => views(part, &published.head.secret),
            Where::In(holdings, range, _) => {
                let bytes = self.kv[&part::key(&holdings.deployment, range)].clone();
                views(&Part::read(bytes, 0).expect("a part"), &holdings.secret)
            }
        }
    }

    /// Gives a ledger what it wants to read of another site's Workers KV, until it wants nothing.
    fn restore(&mut self, ledger: u8, kv: &BTreeMap<String, Vec<u8>>) {
        let now = at(self.now);
        for _ in 0..1000 {
            let Node { store, tally } = self.node(ledger);
            match tally.want(store, None).expect("pages") {
                None => return,
                Some(Want::Head) => {
                    let head = Published::read(kv[HEAD].clone()).expect("a head");
                    tally.found_head(store, &head, now).expect("room");
                }
                Some(Want::Part(key)) => {
                    let part = Part::read(kv[&key].clone(), 0).expect("a part");
                    let found = FoundPart::Part(part);
                    tally.found_part(store, &key, &found, now).expect("room");
                }
                Some(want) => unreachable!("{want:?}"),
            }
            self.save(ledger);
            self.crash(ledger);
        }
        unreachable!("it never ends");
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Ping {
                post,
                visitor,
                id,
                ledgers,
                written,
            } => self.ping(post, visitor, id, ledgers, written),
            Op::Skip(of, pings) => {
                let ledgers = self.plan().ledgers;
                if let Some(ledger) = self.owner(of, ledgers) {
                    let reason = [Reason::Bot, Reason::Unknown][usize::from(of % 2)];
                    self.node(ledger).tally.skip(reason, pings.into());
                    self.save(ledger);
                    self.skipped += u64::from(pings);
                }
            }
            Op::Set(of, views) => self.set(of, views),
            Op::Import(id) => self.import(id),
            Op::Remove(views) => self.remove(views),
            Op::Advance(ledger, fates, end) => {
                let plan = self.plan();
                if plan.phase == Phase::Moving && plan.sources().contains(&ledger) {
                    self.advance(ledger, &fates, end);
                }
            }
            Op::Late(n) => {
                if let Some((heir, batch)) = self.sent.get(n % self.sent.len().max(1)).cloned() {
                    // One that is too early is refused, and changes nothing.
                    let _ = self.receive(heir, &batch);
                }
            }
            Op::Lead(fates, end) => self.lead(&fates, end),
            Op::Crash(ledger) => self.crash(ledger),
            Op::Ledgers(ledgers) => self.settings.ledgers = ledgers,
            Op::Wait(seconds) => self.now += seconds,
        }
    }

    /// Lets changes come to their end, and compares everything.
    fn check(mut self) {
        for _ in 0..60 {
            self.now += 10;
            self.lead(&[Fate::Arrives], 0);
            let plan = self.plan();
            if plan.phase == Phase::Settled && plan.ledgers == self.settings.ledgers {
                break;
            }
        }
        for _ in 0..3 {
            self.lead(&[Fate::Arrives], 0);
            self.publish();
        }
        let plan = self.plan();
        assert_eq!(plan.phase, Phase::Settled);
        // Where it is not, as many changes began in a day as may.
        let owners = Owners::among(plan.ledgers);
        for of in 0..POSTS {
            let owner = self.owner(of, plan.ledgers);
            assert_eq!(owner, Some(owners.of_post(&post(of))));
        }
        let mut found = HashMap::new();
        let mut owned = BTreeSet::new();
        let mut views = 0;
        let mut skipped = 0;
        for (ledger, node) in &mut self.nodes {
            let Node { store, tally } = node;
            let mut next = Some(0);
            while let Some(from) = next {
                let (posts, after) = tally.export(store, from).expect("pages");
                for (id, record) in posts {
                    assert_eq!(
                        owners.of_post(&id),
                        *ledger,
                        "a post is with its owner only"
                    );
                    let of = id.as_str().trim_start_matches('0').parse();
                    let of: u16 = of.unwrap_or_default();
                    assert_eq!(found.insert(of, record.total), None);
                    match tally.standing(store, &id).expect("a page") {
                        Standing::Owner => owned.insert(of),
                        standing => !matches!(standing, Standing::Open),
                    };
                }
                next = after;
            }
            let now = at(self.now);
            let slice = tally.slice(0, now, &self.settings);
            views += slice.head.summary.site.total;
            let slice = Slice::read(&slice.write().expect("bytes")).expect("a slice");
            skipped += slice.head.summary.skipped.iter().sum::<u64>();
        }
        self.counts.retain(|_, views| *views > 0);
        assert_eq!(found, self.counts);
        assert_eq!(owned, self.owned, "the owner's stay the owner's");
        for of in 0..POSTS {
            let views = self.counts.get(&of).copied().unwrap_or_default();
            assert_eq!(self.read(of), views, "{of} as readers see it");
        }
        assert_eq!(views, self.counts.values().sum::<u64>());
        assert_eq!(skipped, self.skipped);
    }
}

/// Writes what is to be published; how much that is.
fn write_all(
    kv: &mut BTreeMap<String, Vec<u8>>,
    (store, tally): (&Store, &mut Tally),
    entries: usize,
    now: Time,
    settings: &Settings,
) -> u32 {
    let mut writes = entries as u32;
    while let Some(write) = tally.next_write(store, now, settings).expect("pages") {
        kv.insert(write.key, write.bytes);
        tally.written(write.what, write.at);
        writes += 1;
    }
    writes
}

proptest! {
    // `CASES=10000 cargo test --release --test ledgers` looks longer.
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(30)
    ))]

    #[test]
    fn answers_are_exact_whatever_happens(ops in ops()) {
        let mut cluster = Cluster::new();
        cluster.import(100);
        for op in ops {
            cluster.apply(op);
        }
        cluster.check();
    }
}

/// Ledgers that have lost their storage go on from what was published, whatever their number was and is.
#[test]
fn a_site_is_restored_with_another_number_of_ledgers() {
    for (before, after) in [(1, 1), (1, 4), (4, 1), (4, 3), (7, 16)] {
        let mut old = Cluster::new();
        old.settings.ledgers = before;
        for of in 0..POSTS {
            if of % 5 == 0 {
                old.set(of, 7);
            }
            for visitor in 0..1 + of % 3 {
                old.ping(of, Some(visitor as u8), None, 1, true);
            }
        }
        for _ in 0..20 {
            old.now += 10;
            old.lead(&[Fate::Arrives], 0);
            old.publish();
        }
        assert_eq!(old.plan().ledgers, before);
        let kv = old.kv.clone();

        let mut site = Cluster::unadopted(after);
        site.now = old.now;
        // Keys of its own.
        site.keys = 1 << 20;
        site.counts = old.counts.clone();
        site.skipped = old.skipped;
        site.owned = old.owned.clone();
        site.restore(0, &kv);
        for ledger in 1..after {
            let plan = site.plan();
            site.follow(ledger, plan);
            site.restore(ledger, &kv);
        }
        // A view that comes now is the next.
        for of in 0..POSTS {
            site.ping(of, None, None, after, true);
        }
        site.check();
    }
}

/// All ledgers together write no more than the day's writes, whatever their number, and the head is among
/// what they write.
#[test]
fn the_ledgers_share_the_writes_of_a_day() {
    for (ledgers, writes) in [(2, 10), (4, 60), (16, 100), (16, 3), (64, 1)] {
        let mut site = Cluster::new();
        site.import(100);
        site.settings.ledgers = ledgers;
        for _ in 0..10 {
            site.now += 10;
            site.lead(&[Fate::Arrives], 0);
            site.publish();
        }
        site.settings.writes = writes;
        site.settings.publish = HOUR;
        for _ in 0..2 {
            // From midnight to midnight.
            site.now += DAY - site.now % DAY;
            let (end, before, head) = (site.now + DAY - HOUR, site.writes, site.kv[HEAD].clone());
            for n in 0.. {
                for of in 0..20 {
                    site.ping((n * 7 + of) % POSTS, None, None, ledgers, true);
                }
                site.publish();
                if site.now >= end {
                    break;
                }
            }
            let spent = site.writes - before;
            assert!(spent <= writes, "{ledgers} ledgers: {spent} of {writes}");
            assert!(
                spent * 10 >= writes * 8,
                "{ledgers} ledgers: only {spent} of {writes}"
            );
            assert_ne!(site.kv[HEAD], head);
        }
    }
}

/// A ledger that does not answer for a while keeps the others from nothing: its posts are told as they were.
#[test]
fn a_ledger_that_is_silent_holds_nobody_up() {
    let mut site = Cluster::new();
    site.settings.ledgers = 4;
    for of in 0..20 {
        site.ping(of, None, None, 1, true);
    }
    for _ in 0..10 {
        site.now += 10;
        site.lead(&[Fate::Arrives], 0);
        site.publish();
    }
    site.silent.insert(2);
    let owners = Owners::among(4);
    for of in 0..20 {
        site.ping(of, None, None, 4, true);
    }
    site.publish();
    for of in 0..20 {
        let is_silent = owners.of_post(&post(of)) == 2;
        assert_eq!(site.read(of), if is_silent { 1 } else { 2 }, "{of}");
    }
    // The lead knows nothing of it after it was evicted, and the head stays as it is.
    site.crash(0);
    let head = site.kv[HEAD].clone();
    site.ping(0, None, None, 4, true);
    site.publish();
    assert_eq!(site.kv[HEAD], head);
    site.silent.clear();
    site.publish();
    site.check();
}

/// A site of so many ledgers, with a view of each post.
fn settled(ledgers: u8) -> Cluster {
    let mut site = Cluster::new();
    site.settings.ledgers = ledgers;
    for of in 0..POSTS {
        site.ping(of, None, None, 1, true);
    }
    for _ in 0..10 {
        site.now += 10;
        site.lead(&[Fate::Arrives], 0);
        site.publish();
    }
    assert!(site.node(0).tally.is_settled(ledgers));
    site
}

#[test]
fn the_head_tells_of_the_others_while_the_lead_has_no_posts() {
    let mut site = settled(2);
    let owners = Owners::among(2);
    for of in (0..POSTS).filter(|of| owners.of_post(&post(*of)) == 0) {
        site.set(of, 0);
    }
    site.publish();
    site.publish();
    let of = (0..POSTS).find(|of| owners.of_post(&post(*of)) == 1);
    let of = of.expect("a post of the other ledger");
    site.ping(of, None, None, 2, true);
    site.publish();
    assert_eq!(site.read(of), 2);
    let published = Published::read(site.kv[HEAD].clone()).expect("a head");
    assert_eq!(
        published.head.summary.site.total,
        site.counts.values().sum::<u64>()
    );
    assert_eq!(
        published.head.summary.oldest,
        published.head.summary.published
    );
}

#[test]
fn a_part_that_was_on_its_way_as_a_change_began_is_written_again() {
    let mut site = settled(4);
    let owners = Owners::among(4);
    let of = (0..POSTS).find(|of| owners.of_post(&post(*of)) == 1);
    site.ping(of.expect("a post"), None, None, 4, true);
    site.now += 300;
    let (now, settings) = (at(site.now), site.settings.clone());
    let grant = Grant {
        parts: 8,
        entries: 0,
    };
    let Node { store, tally } = site.node(1);
    let begun = tally.begin_grant(store, (grant, None), now, &settings);
    assert!(begun.expect("pages").is_some());
    let write = tally.next_write(store, now, &settings);
    let write = write.expect("pages").expect("a part");
    // Workers KV takes its time.
    site.settings.ledgers = 5;
    site.lead(&[Fate::Arrives], 0);
    let plan = site.plan();
    assert_eq!(plan.phase, Phase::Moving);
    site.follow(1, plan);
    site.node(1).tally.written(write.what, write.at);
    assert!(!site.node(1).tally.slice(1, now, &settings).is_complete);
    site.check();
}

/// A ledger that comes back has forgotten what it had when it went.
#[test]
fn an_import_that_reached_one_ledger_reaches_the_others_later() {
    let mut site = settled(16);
    let (now, settings) = (at(site.now), site.settings.clone());
    let owners = Owners::among(16);
    let record = |views| Record {
        total: views,
        ..Record::default()
    };
    let of_three: Vec<u16> = (0..POSTS)
        .filter(|of| owners.of_post(&post(*of)) == 3)
        .collect();
    let records = of_three
        .iter()
        .map(|of| (post(*of), record(1000)))
        .collect();
    let Node { store, tally } = site.node(3);
    let taken = tally.import(store, records, Mode::Add, Some("x"), &settings, now);
    assert_eq!(taken, Ok(true));
    site.save(3);
    for ledgers in [2, 4] {
        site.settings.ledgers = ledgers;
        for _ in 0..20 {
            site.now += 10;
            site.lead(&[Fate::Arrives], 0);
            site.publish();
        }
        assert!(site.node(0).tally.is_settled(ledgers));
    }
    let (now, owners) = (at(site.now), Owners::among(4));
    for ledger in 0..4 {
        let own = (0..POSTS).filter(|of| owners.of_post(&post(*of)) == ledger);
        let records = own.map(|of| (post(of), record(1000))).collect();
        let Node { store, tally } = site.node(ledger);
        let taken = tally.import(store, records, Mode::Add, Some("x"), &settings, now);
        assert_eq!(taken, Ok(true));
        site.save(ledger);
    }
    (0..POSTS).for_each(|of| *site.counts.entry(of).or_default() += 1000);
    site.owned.extend(0..POSTS);
    site.check();
}

/// Another program's head stops the lead from publishing, and nobody from resting.
#[test]
fn ledgers_rest_beside_a_head_that_cannot_be_read() {
    let mut site = Cluster::unadopted(2);
    let plan = site.plan();
    site.follow(1, plan);
    for ledger in 0..2 {
        let now = at(site.now);
        let Node { store, tally } = site.node(ledger);
        tally.found_foreign_head(now);
        let listed = tally.found_section(store, &None, Default::default(), now);
        listed.expect("rows");
        site.save(ledger);
    }
    let settings = site.settings.clone();
    let mut alarms = 0;
    let end = site.now + 2 * HOUR;
    while site.now < end {
        let now = at(site.now);
        let Some(alarm) = site.node(1).tally.arm(now, &settings) else {
            break;
        };
        alarms += 1;
        site.now = site.now.max(alarm.seconds());
        let now = at(site.now);
        let Node { store, tally } = site.node(1);
        assert!(tally.begin(store, now, &settings).expect("pages").is_none());
        tally.has_notice(now, &settings);
        site.save(1);
        assert!(alarms < 100, "the alarm never rests");
    }
}
