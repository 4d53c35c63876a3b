//! Parses the method, path and query of a request into what to do.

use crate::base::count::{Amount, parse_views};
use crate::base::error::{Allow, Error};
use crate::base::id::{CounterName, PingId, PostId};
use crate::base::limits::{DAYS, MAX_LIMIT, MAX_POSTS};
use crate::base::path::{decode, named, normalize};
use crate::base::settings::Read;
use crate::http::badge::Badge;
use crate::http::portable::Format;
use crate::model::filter::Filter;
use crate::model::mode::Mode;
use crate::model::record::Period;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// How the path of an image that counts ends. A post whose id ends so too is read by `/views?post=`, and
/// counted by an image whose path ends twice so.
const IMAGE: &str = ".gif";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// How to call a counter; asked by naming none.
    Usage,
    /// Do something with one counter.
    Counter(CounterName, Action),
    /// Something of the posts' views.
    Views(Views),
}

/// What is asked of the posts' views.
#[derive(Clone, Debug, PartialEq)]
pub enum Views {
    /// May a page send this?
    Preflight,
    /// Count a view.
    Ping(PostId, Option<PingId>),
    /// Count a view, and answer with an image.
    Image(PostId, Option<PingId>),
    /// Answer with that image and count nothing.
    ImageHead,
    /// Tell one post's views.
    Post(PostId),
    /// Tell the views of several posts, in their order.
    Posts(Vec<PostId>),
    /// List the most viewed posts.
    Top {
        /// Of which period.
        period: Period,
        /// How many.
        limit: u32,
        /// How their ids begin; empty for all.
        prefix: String,
    },
    /// Tell the views by day of a post, or of the site.
    History(Option<PostId>, u32),
    /// Tell the totals.
    Stats,
    /// Tell whether publishing works.
    Health,
    /// Draw a post's views.
    Badge(PostId, Badge),
    /// Something that only the owner may, or what is wrong with it.
    Owner(Result<Owner, Error>),
}

/// What only the owner may.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// Set a post's views to the count in the body.
    Set(PostId),
    /// Forget a post.
    Delete(PostId),
    /// Forget many posts, or with `dry` only count them.
    Remove {
        /// Which.
        filter: Filter,
        /// Whether they stay.
        dry: bool,
        /// Where to go on.
        from: Option<String>,
    },
    /// Write everything down.
    Export(Format),
    /// Take records from the body.
    Import(Import),
    /// Look for a post on the site, at a path if one is given.
    Verify(PostId, Option<String>),
}

/// How records are taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// What becomes of the posts that are there.
    pub mode: Mode,
    /// The format of the body; `None` for the one that it looks like.
    pub format: Option<Format>,
    /// What is not to be taken in twice.
    pub id: Option<PingId>,
    /// Whether the body is only to be checked.
    pub dry: bool,
}

/// What can be done with a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Answer without the count and without asking the counter.
    Head,
    /// Tell the count.
    Read,
    /// Add an amount.
    Increment(Amount),
    /// Subtract an amount.
    Decrement(Amount),
}

impl Route {
    /// Parses a request to the Worker. `url` is absolute.
    ///
    /// The first `name` and the first `amount` of the query count, read as `URLSearchParams`
    /// reads them. A request that names no counter is a question, whatever its path.
    pub fn parse(method: &str, url: &str) -> Result<Self, Error> {
        let target = Target::of(url);
        if target.is_of_views() {
            return Views::of(method, &target).map(Route::Views);
        }
        let method = Method::parse(method)?;
        match target.first("name").filter(|name| !name.is_empty()) {
            None => Ok(Route::Usage),
            Some(name) => {
                let action = Action::of(method, &target)?;
                Ok(Route::Counter(CounterName::parse(name)?, action))
            }
        }
    }
}

/// Whether a request is of the posts' views, and not of a counter. `url` is absolute.
pub fn is_of_views(url: &str) -> bool {
    Target::of(url).is_of_views()
}

/// The path of the page that a ping is from, where it says so, as it is written in the page's address: all that
/// follows `at=`, which comes last. One that is encoded as a whole is decoded. `url` is absolute.
pub fn page_of_ping(url: &str) -> Option<String> {
    Target::of(url).split().1
}

/// What follows `at=`.
fn page(at: &str) -> String {
    let is_encoded = at
        .get(..3)
        .is_some_and(|first| first.eq_ignore_ascii_case("%2f"));
    match is_encoded {
        true => decode(at).unwrap_or_default(),
        false => at.to_owned(),
    }
}

impl Views {
    /// What is read, if anything is.
    pub fn read(&self) -> Option<Read> {
        match self {
            Views::Post(_) | Views::Posts(_) => Some(Read::Views),
            Views::Top { .. } => Some(Read::Top),
            Views::History(..) => Some(Read::History),
            Views::Stats => Some(Read::Stats),
            Views::Badge(..) => Some(Read::Badge),
            Views::Preflight
            | Views::Ping(..)
            | Views::Image(..)
            | Views::ImageHead
            | Views::Health
            | Views::Owner(_) => None,
        }
    }

    fn of(method: &str, target: &Target) -> Result<Self, Error> {
        let path = &*target.path;
        match (method, path) {
            ("OPTIONS", _) => Ok(Views::Preflight),
            ("GET" | "HEAD", "/views") => target.posts().map(Views::Posts),
            ("GET" | "HEAD", "/top") => Ok(Views::Top {
                period: target.period()?,
                limit: target.number("limit", 1..=MAX_LIMIT, 10)?,
                prefix: target.one("prefix")?.unwrap_or_default(),
            }),
            ("GET" | "HEAD", "/history") => {
                let days = target.number("days", 1..=DAYS, DAYS)?;
                Ok(Views::History(target.posts_at_most(1)?.pop(), days))
            }
            ("GET" | "HEAD", "/stats") => Ok(Views::Stats),
            ("GET" | "HEAD", "/health") => Ok(Views::Health),
            ("GET" | "HEAD", "/export") => {
                Ok(Views::Owner(target.format().map(|format| {
                    Owner::Export(format.unwrap_or(Format::Json))
                })))
            }
            ("POST", "/import") => Ok(Views::Owner(target.import())),
            ("DELETE", "/views") => Ok(Views::Owner(target.filter())),
            (_, "/views") => Err(Error::MethodNotAllowed(Allow::Posts)),
            (_, "/top" | "/history" | "/stats" | "/health" | "/export") => {
                Err(Error::MethodNotAllowed(Allow::Read))
            }
            ("POST", "/verify") => {
                let (target, at) = target.split();
                Ok(Views::Owner(target.verify(at)))
            }
            (_, "/import" | "/verify") => Err(Error::MethodNotAllowed(Allow::Write)),
            ("GET" | "HEAD", _) if target.is_badge() => target.badge(),
            _ if target.is_badge() => Err(Error::MethodNotAllowed(Allow::Read)),
            ("POST", _) => Ok(Views::Ping(target.post()?, target.split().0.ping_id()?)),
            ("GET", _) if target.is_image() => {
                Ok(Views::Image(target.image()?, target.split().0.ping_id()?))
            }
            ("HEAD", _) if target.is_image() => target.image().map(|_| Views::ImageHead),
            ("GET" | "HEAD", _) => target.post().map(Views::Post),
            ("PUT", _) => Ok(Views::Owner(target.post().map(Owner::Set))),
            ("DELETE", _) => Ok(Views::Owner(target.post().map(Owner::Delete))),
            _ => Err(Error::MethodNotAllowed(Allow::Post)),
        }
    }
}

impl Action {
    /// Parses a request to one counter's object, which needs no name. `url` is absolute.
    pub fn parse(method: &str, url: &str) -> Result<Self, Error> {
        Self::of(Method::parse(method)?, &Target::of(url))
    }

    fn of(method: Method, target: &Target) -> Result<Self, Error> {
        let action = match &*target.path {
            "/" => Action::Read,
            "/increment" => Action::Increment(target.amount()?),
            "/decrement" => Action::Decrement(target.amount()?),
            _ => return Err(Error::NotFound),
        };
        Ok(match method {
            Method::Get => action,
            Method::Head => Action::Head,
        })
    }
}

/// The methods of [`Allow::Counter`]. `POST` is answered like `GET`.
#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
}

impl Method {
    fn parse(method: &str) -> Result<Self, Error> {
        match method {
            "GET" | "POST" => Ok(Method::Get),
            "HEAD" => Ok(Method::Head),
            _ => Err(Error::MethodNotAllowed(Allow::Counter)),
        }
    }
}

/// The part of a URL behind the host.
struct Target<'a> {
    path: Cow<'a, str>,
    query: &'a str,
}

impl<'a> Target<'a> {
    fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = before.find(['/', '\\']).map_or("/", |i| &before[i..]);
        Self {
            path: normalize(path),
            query,
        }
    }

    /// The target without the page that `at=` names at its end, which may hold whatever an address may; and the
    /// page.
    fn split(&self) -> (Target<'_>, Option<String>) {
        let (query, at) = match self.query.strip_prefix("at=") {
            Some(at) => ("", Some(at)),
            None => match self.query.split_once("&at=") {
                Some((query, at)) => (query, Some(at)),
                None => (self.query, None),
            },
        };
        let path = Cow::Borrowed(&*self.path);
        (Target { path, query }, at.map(page))
    }

    fn first(&self, key: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    fn amount(&self) -> Result<Amount, Error> {
        self.first("amount")
            .map_or(Ok(Amount::ONE), |text| Amount::parse(&text))
    }
}

/// What the posts' views are asked by.
impl Target<'_> {
    fn is_of_views(&self) -> bool {
        let path = &*self.path;
        path.starts_with("/views/")
            || self.is_badge()
            || [
                "/views", "/top", "/history", "/stats", "/health", "/export", "/import", "/verify",
            ]
            .contains(&path)
    }

    fn is_badge(&self) -> bool {
        self.path.starts_with("/badge/")
    }

    /// A badge: its post is all of the path behind `/badge/` and before `.svg`.
    fn badge(&self) -> Result<Views, Error> {
        let file = self.path.strip_prefix("/badge/").unwrap_or_default();
        let encoded = file.strip_suffix(".svg").ok_or(Error::NotFound)?;
        let post = PostId::parse(decode(encoded)?)?;
        let badge = Badge::parse(self.one("label")?, self.one("color")?)?;
        Ok(Views::Badge(post, badge))
    }

    fn is_image(&self) -> bool {
        self.path.ends_with(IMAGE)
    }

    /// The post that an image stands for. A page has no script then that names it, so it is named as the page
    /// would name it to the script: by an address, too.
    fn image(&self) -> Result<PostId, Error> {
        let file = self.path.strip_prefix("/views/").unwrap_or_default();
        let encoded = file.strip_suffix(IMAGE).unwrap_or(file);
        PostId::parse(named(&decode(encoded)?).into_owned())
    }

    /// The post of a path: all of it behind `/views/`.
    fn post(&self) -> Result<PostId, Error> {
        let encoded = self.path.strip_prefix("/views/").unwrap_or_default();
        PostId::parse(decode(encoded)?)
    }

    /// The values of a key of the query, which have to be well encoded.
    fn all(&self, key: &str) -> impl Iterator<Item = Result<String, Error>> {
        let pairs = self.query.split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .filter(move |pair| pair.0 == key)
            .map(|pair| decode(&pair.1.replace('+', " ")))
    }

    fn one(&self, key: &str) -> Result<Option<String>, Error> {
        self.all(key).next().transpose()
    }

    fn posts(&self) -> Result<Vec<PostId>, Error> {
        let posts = self.posts_at_most(MAX_POSTS)?;
        if posts.is_empty() {
            return Err(Error::MissingPost);
        }
        Ok(posts)
    }

    fn posts_at_most(&self, most: usize) -> Result<Vec<PostId>, Error> {
        if self.all("post").count() > most {
            return Err(Error::TooManyInRequest);
        }
        self.all("post").map(|post| PostId::parse(post?)).collect()
    }

    fn ping_id(&self) -> Result<Option<PingId>, Error> {
        self.one("id")?.map(PingId::parse).transpose()
    }

    fn verify(&self, at: Option<String>) -> Result<Owner, Error> {
        let post = self.posts_at_most(1)?.pop().ok_or(Error::MissingPost)?;
        Ok(Owner::Verify(post, at))
    }

    fn number(&self, key: &str, range: RangeInclusive<u32>, default: u32) -> Result<u32, Error> {
        let error = if key == "limit" {
            Error::InvalidLimit
        } else {
            Error::InvalidDays
        };
        match self.one(key)? {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|n| range.contains(n)).ok_or(error),
        }
    }

    fn period(&self) -> Result<Period, Error> {
        match self.one("period")?.as_deref() {
            None | Some("all") => Ok(Period::All),
            Some("day") => Ok(Period::Day),
            Some("week") => Ok(Period::Week),
            Some("month") => Ok(Period::Month),
            Some(_) => Err(Error::InvalidPeriod),
        }
    }

    fn format(&self) -> Result<Option<Format>, Error> {
        self.one("format")?
            .map(|name| Format::parse(&name))
            .transpose()
    }

    /// Which posts to delete. What it does not know is an error, so that nothing is deleted by mistake.
    fn filter(&self) -> Result<Owner, Error> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let keys: Vec<&str> = pairs.filter_map(|pair| pair.split('=').next()).collect();
        let is_known = |key: &&str| ["prefix", "views", "dry", "from"].contains(key);
        let is_twice = |key: &&str| keys.iter().filter(|other| *other == key).count() > 1;
        if !keys.iter().all(is_known) || keys.iter().any(is_twice) {
            return Err(Error::InvalidFilter);
        }
        let prefix = self.one("prefix")?.unwrap_or_default();
        if !prefix.is_empty() {
            PostId::parse(prefix.clone())?;
        }
        let views = self.one("views")?.map(|views| parse_views(&views));
        let views = views.transpose().map_err(|_| Error::InvalidFilter)?;
        let dry = match self.one("dry")?.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(Error::InvalidFilter),
        };
        if views == Some(0) || (prefix.is_empty() && views.is_none()) {
            return Err(Error::InvalidFilter);
        }
        Ok(Owner::Remove {
            filter: Filter { prefix, views },
            dry,
            from: self.one("from")?,
        })
    }

    fn import(&self) -> Result<Owner, Error> {
        let mode = match self.one("mode")?.as_deref() {
            Some("add") => Mode::Add,
            Some("replace") => Mode::Replace,
            None | Some("max") => Mode::Max,
            Some(_) => return Err(Error::InvalidMode),
        };
        Ok(Owner::Import(Import {
            mode,
            format: self.format()?,
            id: self.ping_id()?,
            dry: self.one("dry")?.is_some_and(|dry| dry == "1"),
        }))
    }
}
