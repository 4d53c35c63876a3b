//! The top lists of a ledger, for every period, for the site and for every prefix in `LISTS`; and the posts whose
//! entries in Workers KV are the most outdated.
//!
//! A ranking holds more posts than are published, and the best post that it has left out. Without new views, a post
//! only falls as time passes. So the first places are right as long as the last of them ranks before the one left
//! out. If it does not, all posts have to be offered again ([`Ranking::is_right`]).

use crate::base::limits::MAX_LIMIT;
use crate::base::time::{Hour, Time};
use crate::model::page::{Entry, Line, Post};
use crate::model::place::{Key, place};
use crate::model::record::Times;
use crate::model::standing::Standing;
use serde::{Deserialize, Serialize};

/// How many posts a top list holds.
const KEPT: usize = 2 * MAX_LIMIT as usize;
/// How many posts with stale entries are known.
const KEPT_ENTRIES: usize = 1000;

/// What a post is ranked by.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Its place.
    pub place: u64,
    /// Its id.
    pub id: &'a str,
    /// All its views.
    pub total: u64,
    /// Its entry in Workers KV.
    pub entry: Entry,
    /// Its hours and days, and its standing.
    pub times: &'a [u8],
}

impl<'a> Offer<'a> {
    /// A post as its page has it.
    pub fn of_line(secret: &Key, line: &Line<'a>) -> Self {
        Self {
            place: place(secret, line.id),
            id: line.id,
            total: line.total,
            entry: line.entry,
            times: line.times,
        }
    }

    /// A post with its [`Post::times`].
    pub fn of_post(secret: &Key, id: &'a str, post: &Post, times: &'a [u8]) -> Self {
        Self {
            place: place(secret, id),
            id,
            total: post.record.total,
            entry: post.entry,
            times,
        }
    }
}

/// A post in a ranking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// What it is ranked by.
    pub score: u64,
    /// Its id.
    pub id: String,
    /// All its views.
    pub total: u64,
    /// Its entry in Workers KV.
    pub entry: Entry,
    /// Its place.
    pub place: u64,
    #[serde(with = "bytes")]
    times: Vec<u8>,
}

impl Ranked {
    /// Who says that it exists.
    pub fn standing(&self) -> Standing {
        postcard::from_bytes(Times(&self.times).rest()).unwrap_or_default()
    }
}

/// Bytes as one value: serde's own way writes and reads them one by one.
mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
    }
}

/// Posts in the order of their scores, the greatest first; ties by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking {
    ranked: Vec<Ranked>,
    /// The best of those that were left out: no post that is not ranked comes before it.
    left_out: Option<(u64, String)>,
}

impl Ranking {
    /// Ranks a post with a score, or takes it out at 0.
    fn offer(&mut self, offer: Offer, score: u64, most: usize) {
        let is_it = |ranked: &Ranked| ranked.place == offer.place && ranked.id == offer.id;
        let found = self.ranked.iter().position(is_it);
        let found = found.map(|index| self.ranked.remove(index));
        if score == 0 {
            return;
        }
        let index = self.index(score, offer.id);
        if index >= most {
            return self.leave_out(score, offer.id);
        }
        let mut ranked = found.unwrap_or_else(|| Ranked {
            score,
            id: offer.id.to_owned(),
            total: 0,
            entry: Entry::None,
            place: offer.place,
            times: Vec::new(),
        });
        ranked.score = score;
        ranked.total = offer.total;
        ranked.entry = offer.entry;
        ranked.times.clear();
        ranked.times.extend_from_slice(offer.times);
        self.ranked.insert(index, ranked);
        if self.ranked.len() > most
            && let Some(last) = self.ranked.pop()
        {
            self.leave_out(last.score, &last.id);
        }
    }

    /// Where a post with this score belongs.
    fn index(&self, score: u64, id: &str) -> usize {
        let is_before = |ranked: &Ranked| is_before((ranked.score, &ranked.id), (score, id));
        self.ranked.partition_point(is_before)
    }

    fn leave_out(&mut self, score: u64, id: &str) {
        let best = self.left_out.as_ref();
        if best.is_none_or(|best| is_before((score, id), (best.0, &best.1))) {
            self.left_out = Some((score, id.to_owned()));
        }
    }

    /// The first posts, as many as are published.
    pub fn top(&self) -> &[Ranked] {
        &self.ranked[..self.ranked.len().min(MAX_LIMIT as usize)]
    }

    /// All that are ranked.
    pub fn ranked(&self) -> &[Ranked] {
        &self.ranked
    }

    /// Whether posts were left out that are not ranked.
    pub fn is_partial(&self) -> bool {
        self.left_out.is_some()
    }

    /// Whether no post that is not ranked belongs among the first [`MAX_LIMIT`].
    fn is_right(&self) -> bool {
        let Some((score, id)) = &self.left_out else {
            return true;
        };
        let last = self.ranked.get(MAX_LIMIT as usize - 1);
        last.is_some_and(|last| is_before((last.score, &last.id), (*score, id)))
    }

    /// Ranks by the views of a period that ends now: `window` 0 is the day, 1 the week, 2 the month.
    fn slide(&mut self, window: usize, now: Time) {
        // Put in one by one: the order hardly changes, and it is less code than a sort.
        for mut ranked in std::mem::take(&mut self.ranked) {
            ranked.score = Times(&ranked.times).views(now)[window];
            if ranked.score > 0 {
                let index = self.index(ranked.score, &ranked.id);
                self.ranked.insert(index, ranked);
            }
        }
    }
}

/// Whether a post with its score comes before another.
fn is_before((score, id): (u64, &str), (other, other_id): (u64, &str)) -> bool {
    score > other || (score == other && id < other_id)
}

/// The rankings of the posts whose ids begin with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The prefix; empty for the whole site.
    pub prefix: String,
    /// A ranking of each [`Period`](crate::model::record::Period), in their order.
    pub periods: [Ranking; 4],
}

/// All rankings of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// The hour that the periods end in.
    hour: Hour,
    all: Vec<List>,
    entries: Ranking,
}

impl Lists {
    /// Empty rankings: of the site, and of each of these prefixes.
    pub fn new(prefixes: &[String], now: Time) -> Self {
        let site = std::iter::once(String::new());
        let list = |prefix| List {
            prefix,
            periods: Default::default(),
        };
        Self {
            hour: now.hour(),
            all: site.chain(prefixes.iter().cloned()).map(list).collect(),
            entries: Ranking::default(),
        }
    }

    /// Whether it has lists for exactly these prefixes.
    pub fn are_of(&self, prefixes: &[String]) -> bool {
        let own = self.all.iter().skip(1).map(|list| &list.prefix);
        own.eq(prefixes)
    }

    /// Ranks a post as it is now.
    pub fn offer(&mut self, offer: Offer, now: Time) {
        let [day, week, month] = Times(offer.times).views(now);
        let scores = [offer.total, day, week, month];
        for list in &mut self.all {
            if offer.id.starts_with(&list.prefix) {
                for (ranking, score) in list.periods.iter_mut().zip(scores) {
                    ranking.offer(offer, score, KEPT);
                }
            }
        }
        // Workers KV has no such keys.
        if !matches!(offer.id, "." | "..") {
            let bare = Offer {
                times: &[],
                ..offer
            };
            let gap = offer.entry.gap(offer.total);
            self.entries.offer(bare, gap, KEPT_ENTRIES);
        }
    }

    /// Moves the end of the periods to the hour of `now`; whether that is another hour.
    pub fn slide(&mut self, now: Time) -> bool {
        if self.hour == now.hour() {
            return false;
        }
        self.hour = now.hour();
        for list in &mut self.all {
            for (window, ranking) in list.periods[1..].iter_mut().enumerate() {
                ranking.slide(window, now);
            }
        }
        true
    }

    /// When the first of the ranked posts loses views of a period, if one ever does.
    pub fn fade_at(&self, now: Time) -> Option<Time> {
        let windows = self.all.iter().flat_map(|list| &list.periods[1..]);
        let posts = windows.flat_map(|ranking| &ranking.ranked);
        posts.filter_map(|post| Times(&post.times).fades(now)).min()
    }

    /// Whether the first places of all top lists are right.
    pub fn are_right(&self) -> bool {
        let mut rankings = self.all.iter().flat_map(|list| &list.periods);
        rankings.all(Ranking::is_right)
    }

    /// The top lists: the site's, then those of the prefixes.
    pub fn all(&self) -> &[List] {
        &self.all
    }

    /// The posts whose entries are the furthest behind.
    pub fn entries(&self) -> &Ranking {
        &self.entries
    }
}
