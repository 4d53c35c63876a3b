//! The JSON bodies of answers about views.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::time::{Day, Time};
use crate::model::page::Line;
use crate::model::reason::Reason;
use crate::model::record::{Period, Record};
use crate::published::head::{Place, Published, Verification};
use crate::verify::address::lengthen;
use crate::verify::verdict::Verdict;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What became of a ping: the post's views, where they may be told, and why it was not counted, if it was not.
pub fn ping(post: &PostId, views: Option<u64>, reason: Option<Reason>) -> String {
    json(&Ping {
        post: post.as_str(),
        views,
        counted: reason.is_none(),
        reason: reason.map(Reason::name),
    })
}

#[derive(Serialize)]
struct Ping<'a> {
    post: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<u64>,
    counted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// What is known of a post.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// All its views.
    pub total: u64,
    /// The same by hour and by day.
    pub record: Record,
}

impl Known {
    /// Reads the post's line.
    pub fn of(line: &Line) -> Result<Self, Error> {
        Ok(Self {
            total: line.total,
            record: line.record()?,
        })
    }
}

/// One post's views.
pub fn set(post: &PostId, views: u64) -> String {
    let post = post.as_str();
    json(&PostViews { post, views })
}

#[derive(Serialize)]
struct PostViews<'a> {
    post: &'a str,
    views: u64,
}

/// What the site's page says of a post.
pub fn verified(post: &PostId, verdict: &Verdict, sites: &[Site]) -> String {
    let (title, url, reason) = match verdict {
        Verdict::Real { title, path } => (Some(&**title), lengthen(sites, path), None),
        Verdict::NotReal(why) => (None, None, Some(why.to_string())),
        Verdict::Unreachable(why) => {
            let reason = format!("the site cannot be read: {why}");
            (None, None, Some(reason))
        }
    };
    json(&PostVerified {
        post: post.as_str(),
        verified: title.is_some(),
        title: title.filter(|title| !title.is_empty()),
        url,
        reason,
    })
}

#[derive(Serialize)]
struct PostVerified<'a> {
    post: &'a str,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The views of several posts, in the order that they were asked in.
pub fn posts(posts: &[PostId], known: &[Known]) -> String {
    let views = Map(posts
        .iter()
        .zip(known)
        .map(|(post, known)| (post.as_str(), known.total))
        .collect());
    json(&Posts { views })
}

#[derive(Serialize)]
struct Posts<'a> {
    views: Map<'a>,
}

/// The most viewed posts of a period, of which `list` holds the first, with what the sites say of them.
pub fn top(period: Period, limit: u32, list: &[Place], sites: &[Site]) -> String {
    let posts = list.iter().take(limit as usize).map(|place| {
        // Without a site nothing is known to be there.
        let name = place.name.as_ref().filter(|_| !sites.is_empty());
        let title = name.map(|(title, _)| &**title);
        NamedViews {
            post: &place.post,
            views: place.views,
            title: title.filter(|title| !title.is_empty()),
            url: name.and_then(|(_, path)| lengthen(sites, path)),
        }
    });
    json(&Top {
        period: period.name(),
        posts: posts.collect(),
    })
}

#[derive(Serialize)]
struct Top<'a> {
    period: &'a str,
    posts: Vec<NamedViews<'a>>,
}

#[derive(Serialize)]
struct NamedViews<'a> {
    post: &'a str,
    views: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// The views by day of a post, or of the site.
pub fn history(post: Option<&PostId>, history: Vec<(Day, u64)>) -> String {
    let history = history.into_iter();
    let day = |(day, views): (Day, u64)| DayViews {
        day: day.to_string(),
        views,
    };
    json(&History {
        post: post.map(PostId::as_str),
        days: history.map(day).collect(),
    })
}

#[derive(Serialize)]
struct History<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<&'a str>,
    days: Vec<DayViews>,
}

#[derive(Serialize)]
struct DayViews {
    day: String,
    views: u64,
}

/// The totals. `refused`: since when another deployment would publish in the same namespace.
pub fn stats(
    published: &Published,
    refused: Option<Time>,
    settings: &Settings,
    now: Time,
) -> String {
    let summary = &published.head.summary;
    let is_published = summary.published > Time::default();
    let count = |reason: Reason| (reason.name(), summary.skipped[usize::from(reason.number())]);
    json(&Stats {
        views: summary.site.total,
        posts: summary.posts,
        not_counted: Map(Reason::ALL.map(count).to_vec()),
        not_counted_since: Some(published.head.begun)
            .filter(|begun| *begun > Time::default())
            .map(|begun| begun.to_string()),
        kv: KvStats {
            writes: summary.budget.spent(now),
            budget: summary.writes,
        },
        adopted: summary.adopted.map(|adopted| AdoptedStats {
            posts: adopted.posts,
            left: adopted.left,
        }),
        published: is_published.then(|| summary.published.to_string()),
        oldest: is_published.then(|| summary.oldest.to_string()),
        ledgers: Some(published.count()).filter(|ledgers| *ledgers > 1),
        refused: refused.map(|since| since.to_string()),
        new_posts: settings.opens().map(|setting| NewPosts {
            from: "anyone",
            setting,
        }),
        site: site_stats(&published.head.verification, &settings.sites),
    })
}

/// How the sites are read, where there are any.
fn site_stats<'a>(verification: &'a Verification, sites: &'a [Site]) -> Option<SiteStats<'a>> {
    let outage = verification.outage.as_ref();
    (!sites.is_empty()).then(|| SiteStats {
        urls: sites.iter().map(Site::url).collect(),
        waiting: verification.waiting,
        unreadable: outage.map(|(since, why)| OutageStats {
            since: since.to_string(),
            why,
        }),
    })
}

#[derive(Serialize)]
struct SiteStats<'a> {
    urls: Vec<String>,
    waiting: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<OutageStats<'a>>,
}

#[derive(Serialize)]
struct OutageStats<'a> {
    since: String,
    why: &'a str,
}

#[derive(Serialize)]
struct NewPosts {
    from: &'static str,
    setting: &'static str,
}

#[derive(Serialize)]
struct Stats<'a> {
    views: u64,
    posts: u32,
    not_counted: Map<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted_since: Option<String>,
    kv: KvStats,
    adopted: Option<AdoptedStats>,
    published: Option<String>,
    oldest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledgers: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_posts: Option<NewPosts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteStats<'a>>,
}

#[derive(Serialize)]
struct KvStats {
    writes: u32,
    budget: u32,
}

#[derive(Serialize)]
struct AdoptedStats {
    posts: u32,
    left: u32,
}

/// How old what readers get is, in seconds, and since when publishing has failed, if it does.
pub fn health(published: Time, oldest: Time, failing: Option<Time>, now: Time) -> String {
    let is_published = published > Time::default();
    let age = |since: Time| is_published.then(|| since.distance(now));
    json(&Health {
        published: is_published.then(|| published.to_string()),
        age: age(published),
        oldest_age: age(oldest),
        failing: failing.map(|since| since.to_string()),
    })
}

#[derive(Serialize)]
struct Health {
    published: Option<String>,
    age: Option<u32>,
    oldest_age: Option<u32>,
    failing: Option<String>,
}

/// How many posts were deleted, or with `dry` would be, with how many views; `next` is where to go on.
pub fn removed(posts: u32, views: u64, dry: bool, next: Option<&str>) -> String {
    json(&Removed {
        posts,
        views,
        dry,
        next,
    })
}

#[derive(Serialize)]
struct Removed<'a> {
    posts: u32,
    views: u64,
    dry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// How many records an import brought.
pub fn imported(posts: usize) -> String {
    json(&Imported { posts })
}

#[derive(Serialize)]
struct Imported {
    posts: usize,
}

/// An object with keys that are data, in their order.
struct Map<'a>(Vec<(&'a str, u64)>);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The types above have text keys and finite numbers, which always serialize.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
