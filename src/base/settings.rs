//! What an owner may set in `wrangler.toml` under `[vars]`.

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
    /// `BOTS = "count"`: crawlers count like people.
    pub count_bots: bool,
    /// `ALLOWED_ORIGINS`, separated by commas or spaces, and the origins of the sites: the pages that may
    /// count; none means all.
    pub origins: Vec<String>,
    /// `SITE_URL`, separated by commas or spaces, at most [`MAX_SITES`]: the sites whose pages say which posts
    /// exist; none means that nobody is asked.
    pub sites: Vec<Site>,
    /// `LISTS`, separated by commas or spaces, at most [`MAX_LISTS`] of [`MAX_PREFIX_BYTES`]: the
    /// prefixes of posts that have top lists of their own.
    pub lists: Vec<String>,
}

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
            count_bots: false,
            origins: Vec::new(),
            sites: Vec::new(),
            lists: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings from their texts. What is not valid stays at its default and is passed to
    /// `refused`, by its name.
    pub fn parse(var: impl Fn(&str) -> Option<String>, mut refused: impl FnMut(&str)) -> Self {
        let sites = sites(&var("SITE_URL").unwrap_or_default()).unwrap_or_else(|| {
            refused("SITE_URL");
            Vec::new()
        });
        let own = sites.iter().map(|site| site.origin().to_owned());
        let allowed = var("ALLOWED_ORIGINS").unwrap_or_default();
        let origins = words(&allowed).map(origin).chain(own).collect();
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

/// The sites of a list; `None` where there are too many or one is none.
fn sites(text: &str) -> Option<Vec<Site>> {
    let sites: Option<Vec<Site>> = words(text).map(Site::parse).collect();
    sites.filter(|sites| sites.len() <= MAX_SITES)
}

/// The prefixes of a list, each once; `None` where there are too many or one is too long.
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
