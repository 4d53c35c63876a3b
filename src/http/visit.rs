//! Decides from the headers of a ping whether it may count, and if not, why.

use crate::base::error::Error;
use crate::base::settings::Settings;
use crate::model::reason::Reason;

/// What a ping's headers say.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// `Origin`.
    pub origin: Option<String>,
    /// `Sec-Fetch-Site` and `Sec-Fetch-Mode`; read only where not every page may ping.
    pub fetch: [Option<String>; 2],
    /// `Sec-Purpose`, `Purpose` and `X-Moz`.
    pub purpose: [Option<String>; 3],
    /// `Content-Length`.
    pub length: Option<String>,
}

/// The most bytes that the body of a ping may have; it is not read.
const MOST_BYTES: usize = 1024;

impl Signals {
    /// Refuses what may not ping at all, before anything is asked of anyone.
    pub fn admit(&self, settings: &Settings) -> Result<(), Error> {
        let length = self.length.as_deref().map(str::parse);
        if length.is_some_and(|bytes| bytes.is_ok_and(|bytes: usize| bytes > MOST_BYTES)) {
            return Err(Error::PingTooLarge);
        }
        let origin = self.origin.as_deref().unwrap_or_default();
        let is_of_page = settings.origins.is_empty() || self.is_fetch();
        let may = is_of_page && allowed(origin, &settings.origins);
        may.then_some(()).ok_or(Error::ForeignOrigin)
    }

    /// Whether the headers that no script can set are those of a page's fetch, beacon or image, as far as
    /// the browser sends them; not those of an address that was typed in, a form or a frame.
    fn is_fetch(&self) -> bool {
        let [site, mode] = self.fetch.each_ref().map(Option::as_deref);
        match mode {
            Some("same-origin") => matches!(site, None | Some("same-origin")),
            None | Some("cors" | "no-cors") => {
                matches!(
                    site,
                    None | Some("same-origin" | "same-site" | "cross-site")
                )
            }
            Some(_) => false,
        }
    }

    /// Why the ping does not count, if the headers tell. `is_bot` is asked last.
    pub fn reason(&self, settings: &Settings, is_bot: impl FnOnce() -> bool) -> Option<Reason> {
        if self.purpose.iter().flatten().any(|purpose| ahead(purpose)) {
            return Some(Reason::Prefetch);
        }
        (!settings.count_bots && is_bot()).then_some(Reason::Bot)
    }
}

/// Whether the pages of an origin may ping. Where not all may, those without an origin may not: `null` is any
/// sandboxed page's.
pub fn allowed(origin: &str, origins: &[String]) -> bool {
    let is = |one: &String| one.eq_ignore_ascii_case(origin) && one != "null";
    origins.is_empty() || origins.iter().any(is)
}

/// The origin of the page that a `Referer` tells of. An image sends no `Origin`, so this stands for it.
pub fn origin_of(referer: &str) -> String {
    let host = referer.find("://").map_or(0, |scheme| scheme + 3);
    let end = referer[host..].find(['/', '?', '#']);
    referer[..end.map_or(referer.len(), |end| host + end)].to_owned()
}

/// Whether it is a header of a page that is fetched before anybody asked for it.
fn ahead(purpose: &str) -> bool {
    let purpose = purpose.to_ascii_lowercase();
    ["prefetch", "prerender", "preview"]
        .iter()
        .any(|word| purpose.contains(word))
}

/// Whether it is curl, which a list of bots names, and with which people try their Tally. A crawler
/// that is made with curl does not run the script that pings.
pub fn is_curl(agent: &str) -> bool {
    agent.starts_with("curl/")
}

/// Whether a header asks not to be tracked (`Sec-GPC`, `DNT`).
pub fn is_set(header: Option<&str>) -> bool {
    header.is_some_and(|value| value.trim() == "1")
}

/// What the rate limit counts by: an IPv4 address, or the /64 network of an IPv6 address, which is
/// what one line is given.
pub fn network(address: &str) -> String {
    let parsed = address.parse::<std::net::Ipv6Addr>().ok();
    match parsed.filter(|address| address.to_ipv4_mapped().is_none()) {
        Some(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => address.to_owned(),
    }
}
