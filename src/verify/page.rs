//! What a page of the site says, and whether it confirms a post.
//!
//! A page names a post as views.js does there (`public/views.js`, `public/views/post.js`): by `data-post`, else by
//! its canonical address if that is on the page's own host, else by its own address, with `data-prefix` before it.
//! A tag with `data-hash` takes the post from the fragment, which the site never sees, so it stands for all paths.
//! A tag that does not count because of `data-skip` or `data-only` names nothing.

use crate::base::id::PostId;
use crate::base::path;
use crate::base::site::Site;
use crate::verify::address::shorten;
use crate::verify::text::{decode, title};
use crate::verify::verdict::{NotReal, Verdict, Why};

/// The most bytes of an address that is kept.
pub const MAX_ADDRESS_BYTES: usize = 512;

/// A page as it was read. Attributes and texts are as they are written.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its address, after redirects.
    pub address: String,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// Whether the answer did not come in time.
    pub is_late: bool,
    /// Whether the site's front page could be read where this page could not.
    pub is_site_up: bool,
    /// `Content-Type`.
    pub content_type: String,
    /// The address that others are relative to; here and below, empty if there is none.
    pub base: String,
    /// The canonical address.
    pub canonical: String,
    /// `og:title`.
    pub og_title: String,
    /// `<title>`.
    pub title: String,
    /// What it tells search engines, in `<meta name="robots">`.
    pub robots: String,
    /// The scripts that have an address.
    pub scripts: Vec<Script>,
}

/// A script in a page.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// `src`.
    pub src: String,
    /// `data-post`; here and below, empty if there is none.
    pub post: String,
    /// `data-prefix`.
    pub prefix: String,
    /// `data-only`.
    pub only: String,
    /// Whether it has `data-hash`.
    pub has_hash: bool,
    /// Whether `data-skip` keeps it from counting.
    pub skips: bool,
}

/// Makes an absolute address of a text and the address that it is relative to, as the `URL` class does.
pub type Resolve<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

impl Page {
    /// Takes a page from the texts that src/site.js has collected: those of the page in the order of the fields,
    /// then those of each script. `None` if they are none.
    pub fn read(mut texts: impl Iterator<Item = String>) -> Option<Self> {
        let mut next = || texts.next();
        let mut page = Self {
            address: next()?,
            status: next()?.parse().ok()?,
            is_late: next()? == "true",
            is_site_up: next()? == "true",
            content_type: next()?,
            base: next()?,
            canonical: next()?,
            og_title: next()?,
            title: next()?,
            robots: next()?,
            scripts: Vec::new(),
        };
        while let Some(src) = next() {
            page.scripts.push(Script {
                src,
                post: next()?,
                prefix: next()?,
                only: next()?,
                has_hash: next()? == "true",
                skips: next()? == "true",
            });
        }
        Some(page)
    }

    /// Whether the page proves that the site has `post`.
    pub fn judge(&self, sites: &[Site], post: &PostId, resolve: Resolve) -> Verdict {
        let failed = |why| match self.is_site_up {
            true => Verdict::NotReal(NotReal::Unreadable(why)),
            false => Verdict::Unreachable(why),
        };
        match self.status {
            0 if self.is_late => return failed(Why::Timeout),
            0 => return failed(Why::Network),
            401 | 403 | 408 | 429 | 500.. => return failed(Why::Status(self.status)),
            300..=399 => return Verdict::NotReal(NotReal::Redirected),
            200 => {}
            _ => return Verdict::NotReal(NotReal::Status(self.status)),
        }
        let Some(own) = shorten(sites, &self.address) else {
            return Verdict::NotReal(NotReal::Redirected);
        };
        let content_type = self.content_type.trim().to_ascii_lowercase();
        if !["text/html", "application/xhtml+xml"]
            .iter()
            .any(|html| content_type.starts_with(html))
        {
            return Verdict::NotReal(NotReal::NotHtml);
        }
        let robots = decode(&self.robots).to_ascii_lowercase();
        if robots.contains("noindex") || robots.split(',').any(|word| word.trim() == "none") {
            return Verdict::NotReal(NotReal::NoIndex);
        }
        let written = |text: &str| Some(decode(text.trim())).filter(|text| !text.is_empty());
        let base = written(&self.base).and_then(|base| resolve(&base, &self.address));
        let base = base.as_deref().unwrap_or(&self.address);
        let canonical = written(&self.canonical).and_then(|link| resolve(&link, base));
        let of_host = canonical.as_deref();
        let of_host = of_host.filter(|link| host(link) == host(&self.address));
        let page = of_host.unwrap_or(&self.address);
        let is_tally = |script: &&Script| {
            let src = resolve(&decode(&script.src), base);
            src.is_some_and(|src| path(&src).ends_with("/views.js"))
        };
        let mut tags = self.scripts.iter().filter(is_tally).peekable();
        if tags.peek().is_none() {
            return Verdict::NotReal(NotReal::NoTag);
        }
        let names = |tag: &Script| {
            let prefix = decode(&tag.prefix);
            let Some(rest) = post.as_str().strip_prefix(&*prefix) else {
                return false;
            };
            let only = decode(&tag.only);
            let counts = only.is_empty() || only.split(' ').any(|glob| matches(glob, rest));
            if tag.skips || !counts {
                return false;
            }
            if tag.has_hash && rest.starts_with('/') {
                return true;
            }
            let text = decode(&tag.post);
            let text = match text.is_empty() {
                true => page.split(['?', '#']).next().unwrap_or_default(),
                false => &text,
            };
            rest == identify(text, &self.address, resolve)
        };
        if !tags.any(names) {
            return Verdict::NotReal(NotReal::OtherPost);
        }
        let canonical = canonical.and_then(|link| shorten(sites, &link));
        let mut titles = [&self.og_title, &self.title]
            .into_iter()
            .map(|text| title(text));
        let title = titles.find(|title| !title.is_empty());
        let path = canonical.unwrap_or(own);
        Verdict::Real {
            title: title.unwrap_or_default(),
            path: match path.len() <= MAX_ADDRESS_BYTES {
                true => path,
                false => String::new(),
            },
        }
    }
}

/// Whether a post is one of `data-only`: `*` in it stands for anything.
fn matches(glob: &str, post: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = post.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The post that an address stands for, or a text names: `identify` of `public/views/post.js`.
fn identify(text: &str, address: &str, resolve: Resolve) -> String {
    if !text.starts_with('/') && !text.contains("://") {
        return text.to_owned();
    }
    let Some(whole) = resolve(text, address) else {
        return text.to_owned();
    };
    let path = path(&whole);
    let path = path
        .strip_suffix("index.html")
        .filter(|path| path.ends_with('/'))
        .unwrap_or(path);
    let path = match path.strip_suffix('/').unwrap_or(path) {
        "" => "/",
        path => path,
    };
    path::decode(path).unwrap_or_else(|_| path.to_owned())
}

/// The path of an absolute address.
fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// The host of an absolute address, without `www.`.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host)
}
