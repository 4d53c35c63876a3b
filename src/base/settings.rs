//! The settings in `wrangler.toml`, under `[vars]`.

use crate::base::limits::MAX_LEDGERS;
use crate::base::site::Site;
use crate::base::time::DAY;

/// The settings, with their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `DEDUPE_SECONDS`, 0 to 86,400: within how many seconds a visitor's repeat on a post does not
    /// count; 0 counts every ping.
    pub dedupe: u32,
    /// `PUBLISH_SECONDS`, 1 to 86,400: the least seconds between two publications.
    pub publish: u32,
    /// `KV_WRITES_PER_DAY`: the most writes to Workers KV from midnight to midnight, UTC.
    pub writes: u32,
    /// `LEDGERS`, 1 to [`MAX_LEDGERS`]: how many objects share the posts.
    pub ledgers: u8,
    /// `NEW_POSTS_PER_HOUR`: how many posts that were never seen count within an hour; 0 for none but
    /// the owner's.
    pub new_posts: u32,
    /// `BOTS = "count"`: crawlers count like people.
    pub count_bots: bool,
    /// `ALLOWED_ORIGINS`, separated by commas or spaces, and the origins of the sites: the pages that may
    /// count; none means all, and also requests that come from no page.
    pub origins: Vec<String>,
    /// `SITE_URL`, separated by commas or spaces, at most [`MAX_SITES`]: the sites whose pages say which posts
    /// exist; none means that nobody is asked. Where it names something else only, no page may count but those in
    /// `ALLOWED_ORIGINS`.
    pub sites: Vec<Site>,
    /// `LISTS`, separated by commas or spaces, at most [`MAX_LISTS`] of [`MAX_PREFIX_BYTES`]: the
    /// prefixes of posts that have top lists of their own.
    pub lists: Vec<String>,
    /// `COUNTER_WRITES`: who may change counters over HTTP.
    pub counter_writes: CounterWrites,
    /// `PUBLIC`, separated by commas or spaces: what can be read without the owner's token.
    pub public: Public,
}

/// Who may change counters over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterWrites {
    /// Whoever asks.
    Anyone,
    /// Who has the owner's token.
    Owner,
    /// Nobody.
    Off,
}

/// What can be read, in the order of [`Public::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The views of posts.
    Views,
    /// The top lists.
    Top,
    /// Views by day.
    History,
    /// The totals.
    Stats,
    /// Badges.
    Badge,
}

/// What everybody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public([bool; 5]);

impl Public {
    const NAMES: [&str; 5] = ["views", "top", "history", "stats", "badge"];
    /// All of it.
    pub const ALL: Self = Self([true; 5]);

    /// Whether everybody may read this.
    pub fn has(self, read: Read) -> bool {
        self.0[read as usize]
    }

    /// Reads a list; whether all its words are known. An unknown one makes nothing public.
    fn parse(text: &str) -> (Self, bool) {
        let words = || {
            text.split([',', ' ', '\n'])
                .map(str::trim)
                .filter(|word| !word.is_empty())
        };
        let is_known = words().all(|word| Self::NAMES.contains(&word));
        (
            Self(Self::NAMES.map(|name| words().any(|word| word == name))),
            is_known,
        )
    }
}

/// An origin that no header can have.
const NO_ORIGIN: &str = "\n";
/// The most sites in `SITE_URL`.
pub const MAX_SITES: usize = 16;
/// The most prefixes in `LISTS`.
pub const MAX_LISTS: usize = 16;
/// The most bytes of one of them.
pub const MAX_PREFIX_BYTES: usize = 128;

impl Default for Settings {
    fn default() -> Self {
        Self {
            dedupe: 1800,
            publish: 300,
            // The free plan has 1,000; a hundred are left for the owner.
            writes: 900,
            ledgers: 1,
            new_posts: 500,
            count_bots: false,
            origins: Vec::new(),
            sites: Vec::new(),
            lists: Vec::new(),
            counter_writes: CounterWrites::Anyone,
            public: Public::ALL,
        }
    }
}

impl Settings {
    /// Which settings would keep strangers from adding posts, if anyone can add them now.
    pub fn opens(&self) -> Option<&'static str> {
        self.origins.is_empty().then_some("SITE_URL")
    }

    /// Reads the settings from their texts. The name of an invalid one is passed to `refused`, and it keeps its
    /// default; but an invalid permission never allows more than what was set.
    pub fn parse(var: impl Fn(&str) -> Option<String>, mut refused: impl FnMut(&str)) -> Self {
        let (sites, are_sites) = sites(&var("SITE_URL").unwrap_or_default());
        let own = sites.iter().map(|site| site.origin().to_owned());
        let allowed = var("ALLOWED_ORIGINS").unwrap_or_default();
        let mut origins: Vec<String> = words(&allowed).map(origin).collect();
        if !origins.iter().all(|origin| is_origin(origin)) {
            refused("ALLOWED_ORIGINS");
        }
        origins.extend(own);
        if !are_sites {
            refused("SITE_URL");
            if origins.is_empty() {
                origins.push(NO_ORIGIN.to_owned());
            }
        }
        let mut number = |name, range: std::ops::RangeInclusive<u32>, default| match var(name) {
            None => default,
            Some(text) => {
                let number = text.trim().parse().ok();
                number.filter(|n| range.contains(n)).unwrap_or_else(|| {
                    refused(name);
                    default
                })
            }
        };
        let default = Self::default();
        Self {
            dedupe: number("DEDUPE_SECONDS", 0..=DAY, default.dedupe),
            publish: number("PUBLISH_SECONDS", 1..=DAY, default.publish),
            writes: number("KV_WRITES_PER_DAY", 1..=u32::MAX, default.writes),
            ledgers: number("LEDGERS", 1..=MAX_LEDGERS.into(), default.ledgers.into()) as u8,
            new_posts: number("NEW_POSTS_PER_HOUR", 0..=u32::MAX, default.new_posts),
            count_bots: match var("BOTS").as_deref() {
                None | Some("" | "skip") => false,
                Some("count") => true,
                Some(_) => {
                    refused("BOTS");
                    false
                }
            },
            origins,
            sites,
            lists: {
                let lists = prefixes(&var("LISTS").unwrap_or_default());
                lists.unwrap_or_else(|| {
                    refused("LISTS");
                    default.lists
                })
            },
            counter_writes: match var("COUNTER_WRITES").as_deref().map(str::trim) {
                None | Some("" | "anyone") => CounterWrites::Anyone,
                Some("owner") => CounterWrites::Owner,
                Some("off") => CounterWrites::Off,
                Some(_) => {
                    refused("COUNTER_WRITES");
                    CounterWrites::Off
                }
            },
            public: var("PUBLIC").map_or(default.public, |text| {
                let (public, is_known) = Public::parse(&text);
                if !is_known {
                    refused("PUBLIC");
                }
                public
            }),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([',', ' ', '\n']).map(str::trim);
    words.filter(|word| !word.is_empty())
}

fn origin(text: &str) -> String {
    text.trim_end_matches('/').to_ascii_lowercase()
}

/// Whether a browser can send it. What is none, such as a host alone, matches no page.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map(|(_, host)| host);
    text == "null" || host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
}

/// The sites of a list, and whether they are all of it.
fn sites(text: &str) -> (Vec<Site>, bool) {
    let sites: Vec<Site> = words(text)
        .filter_map(Site::parse)
        .take(MAX_SITES)
        .collect();
    let are_all = sites.len() == words(text).count();
    (sites, are_all)
}

/// The prefixes of a list, each once; `None` if there are too many or one is too long.
fn prefixes(text: &str) -> Option<Vec<String>> {
    let mut prefixes: Vec<String> = Vec::new();
    for prefix in words(text) {
        if !prefixes.iter().any(|known| known == prefix) {
            prefixes.push(prefix.to_owned());
        }
    }
    let fits =
        prefixes.len() <= MAX_LISTS && prefixes.iter().all(|one| one.len() <= MAX_PREFIX_BYTES);
    fits.then_some(prefixes)
}
