//! Reads: what everyone may read comes from what was published, never from the ledger.
//!
//! An isolate keeps the head, the parts that it was asked for (above [`PARTS_BYTES`], the least used ones are
//! dropped), and the views of the posts that it was asked for, so that a page can list posts from more parts than
//! fit. One request at a time refreshes the head, while the old one goes on serving.

use super::Asked;
use super::promise;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::edge::platform::header::IF_NONE_MATCH;
use crate::edge::platform::instance::bound;
use crate::edge::platform::kv::{self, Namespace, READER_PATIENCE, within};
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::rpc::promised;
use crate::http::answer::{self, Known};
use crate::http::route::Views;
use crate::model::page::Line;
use crate::model::place::{Hashed, Range, place};
use crate::published::head::{HEAD, Holdings, Published, REFUSED, Visible, Where};
use crate::published::part::{self, Part};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Date, Promise};
use worker::wasm_bindgen_futures::JsFuture;

/// The most bytes of parts in memory.
const PARTS_BYTES: usize = 12 << 20;
/// How many posts' views are kept beside the parts.
const MOST_TOTALS: usize = 4096;
/// The most that a head or a part is taken for the newest, in milliseconds.
const YOUNG: f64 = 30_000.0;
/// How long the notice that another deployment was refused is shown, in seconds.
const NOTICE_SECONDS: u32 = 2 * 86_400;

thread_local! {
    /// The head as it was last read.
    static READ: RefCell<Option<Rc<Read>>> = RefCell::default();
    /// The reading of the head that is on its way, and when it began.
    static REFRESH: RefCell<Option<(Promise, f64)>> = RefCell::default();
    /// The parts in memory, the least used first.
    static PARTS: RefCell<Vec<Rc<Cached>>> = RefCell::default();
    /// The views of posts, by their places, and when their parts were published.
    static TOTALS: RefCell<HashMap<u64, (Time, u64), BuildHasherDefault<Hashed>>> = RefCell::default();
}

impl Asked {
    pub(super) fn read(self, views: Views) -> Result<JsValue, JsValue> {
        if self.is_private(&views)
            && let Err(error) = self.authorize()
        {
            return reply::refusal(error, Some("*")).map(Into::into);
        }
        if let Views::Top { prefix, .. } = &views
            && !prefix.is_empty()
            && !self.settings.lists.contains(prefix)
        {
            return reply::refusal(Error::UnknownList, Some("*")).map(Into::into);
        }
        if let Some(read) = self.old_enough()
            && let Some(reply) = self.tell(&views, &read)
        {
            return reply.map(Into::into);
        }
        Ok(promise(async move {
            match self.look_up(&views).await {
                Ok(reply) => reply,
                Err(error) => reply::refusal(error, Some("*")),
            }
        }))
    }

    /// Whether only the owner may read it.
    fn is_private(&self, views: &Views) -> bool {
        views
            .read()
            .is_some_and(|read| !self.settings.public.has(read))
    }

    fn reply(&self, views: &Views, answer: &reply::Published) -> Reply {
        match self.is_private(views) {
            true => answer.private(),
            false => answer.reply(self.header(&IF_NONE_MATCH).as_deref()),
        }
    }

    /// The answer that what is in memory gives, if it does.
    fn tell(&self, views: &Views, read: &Rc<Read>) -> Option<Reply> {
        let now = Time::from_millis(Date::now());
        if let Some(answer) = read.last_answer(views, now) {
            return Some(self.reply(views, &answer));
        }
        let known = known_of(views, |post| match read.total(views, post) {
            Some(total) => Ok(Some(total)),
            None => read.find(post, |of, range, visible| self.cached(of, range, visible)),
        });
        match known {
            Ok(Some(_)) if matches!(views, Views::Stats) && read.refused.get().is_none() => None,
            Ok(Some(known)) => Some(self.render(views, read, &known, now)),
            Ok(None) => None,
            Err(error) => Some(reply::refusal(error, Some("*"))),
        }
    }

    /// The head, from memory or from Workers KV.
    async fn head(&self) -> Result<Rc<Read>, Error> {
        match self.old_enough() {
            Some(read) => Ok(read),
            None => self.refreshed().await,
        }
    }

    /// When the head was published, and since when the oldest post in it is behind.
    pub(super) async fn published(&self) -> Result<(Time, Time), Error> {
        let read = self.head().await?;
        let summary = &read.published.head.summary;
        Ok((summary.published, summary.oldest))
    }

    /// The answer, with what has to be read from Workers KV for it.
    async fn look_up(&self, views: &Views) -> Result<Reply, Error> {
        let read = self.head().await?;
        if matches!(views, Views::Stats) && read.refused.get().is_none() {
            let notice = self.views().text(REFUSED).await.ok();
            let notice = notice.and_then(|notice| notice.as_string());
            let since = notice.and_then(|since| since.parse().ok());
            let _ = read.refused.set(since.map(Time::from_seconds));
        }
        let now = Time::from_millis(Date::now());
        let posts = posts_of(views);
        let mut known = vec![Known::default(); posts.len()];
        for index in read.by_part(posts) {
            let post = &posts[index];
            if let Some(total) = read.total(views, post) {
                known[index] = total;
                continue;
            }
            let part = match read.published.part_of(post) {
                Where::In(of, range, visible) => Some(self.part(of, range, visible).await?),
                _ => None,
            };
            let found = read.find(post, |_, _, _| part.clone())?;
            known[index] = found.ok_or(Error::Unpublished)?;
        }
        Ok(self.render(views, &read, &known, now))
    }

    fn render(&self, views: &Views, read: &Read, known: &[Known], now: Time) -> Reply {
        let answer = read.answer(views, known, &self.settings, now, self.max_age(read))?;
        self.reply(views, &answer)
    }

    /// How long what was read is taken for the newest: a tenth of the time between two publications, and
    /// [`YOUNG`] at most, in milliseconds.
    fn young(&self) -> f64 {
        (f64::from(self.settings.publish) * 100.0).min(YOUNG)
    }

    /// The head in memory, where it is new enough. One that is a little too old is read again while it
    /// serves.
    fn old_enough(&self) -> Option<Rc<Read>> {
        let young = self.young();
        let read = READ.with_borrow(Option::clone)?;
        let age = Date::now() - read.at.get();
        if !(0.0..2.0 * young).contains(&age) {
            return None;
        }
        if age >= young {
            let _ = self.refresh();
        }
        Some(read)
    }

    /// The head, read anew; where that fails, the last one serves.
    async fn refreshed(&self) -> Result<Rc<Read>, Error> {
        let refresh = self.refresh();
        // The timer keeps the request alive while another one reads.
        let _ = JsFuture::from(within(&refresh, READER_PATIENCE)).await;
        let read = READ.with_borrow(Option::clone).ok_or(Error::Unpublished)?;
        // One that cannot be read serves those who come next without asking again.
        read.at.set(Date::now());
        Ok(read)
    }

    /// Has the head read, unless that is on its way already.
    fn refresh(&self) -> Promise {
        let patience = f64::from(READER_PATIENCE) + 1000.0;
        let on_its_way = REFRESH.with_borrow(|refresh| {
            let young = |(_, since): &&(Promise, f64)| Date::now() - since < patience;
            refresh
                .as_ref()
                .filter(young)
                .map(|(promise, _)| promise.clone())
        });
        if let Some(refresh) = on_its_way {
            return refresh;
        }
        let (views, ledgers) = (self.views(), self.ledgers());
        let refresh = promised(async move {
            let head = views.bytes_for_reader(HEAD).await;
            REFRESH.set(None);
            let published = match head.map(|bytes| bytes.map(Published::read)) {
                Ok(Some(Ok(published))) => published,
                Ok(None) => match ledgers.wake().await {
                    Ok(true) => Published::default(),
                    Ok(false) => return Err(Error::Unpublished.to_string().into()),
                    Err(error) => return Err(error.to_string().into()),
                },
                Ok(Some(Err(error))) | Err(error) => return Err(error.to_string().into()),
            };
            READ.set(Some(Rc::new(Read::new(published))));
            Ok(JsValue::UNDEFINED)
        });
        REFRESH.set(Some((refresh.clone(), Date::now())));
        // The others wait for it, too, whether this client does or not.
        self.context.wait_until(&settled(&bound(&refresh)));
        refresh
    }

    /// A part in memory that is as new as the head says, or was just read.
    fn cached(&self, of: &Holdings, range: Range, visible: Visible) -> Option<Rc<Part>> {
        PARTS.with_borrow_mut(|parts| {
            let is_it = |cached: &Rc<Cached>| {
                let was_just_read = || (0.0..self.young()).contains(&(Date::now() - cached.at));
                cached.part.is(&of.deployment, range)
                    && (cached.part.published() >= visible.published || was_just_read())
            };
            let index = parts.iter().position(is_it)?;
            let cached = parts.remove(index);
            let part = Rc::clone(&cached.part);
            parts.push(cached);
            Some(part)
        })
    }

    /// A part: from memory, where it is not older than the head says, or from Workers KV.
    async fn part(&self, of: &Holdings, range: Range, visible: Visible) -> Result<Rc<Part>, Error> {
        if let Some(part) = self.cached(of, range, visible) {
            return Ok(part);
        }
        let deployment = &of.deployment;
        let key = part::key(deployment, range);
        let bytes = self.views().bytes_for_reader(&key).await;
        let part = bytes.and_then(|bytes| {
            let part = Part::read(bytes.ok_or(Error::Unpublished)?, 0)?;
            let is_it = part.is(deployment, range);
            is_it.then_some(part).ok_or(Error::Unpublished)
        });
        match part {
            Ok(part) => Ok(keep(of, range, part)),
            // An older one is better than none.
            Err(error) => old(of, range).ok_or(error),
        }
    }

    fn views(&self) -> Namespace {
        self.env.unchecked_ref::<kv::Bindings>().views()
    }

    /// How long a reader may keep an answer, in seconds; not at all while nothing was published.
    fn max_age(&self, read: &Read) -> u32 {
        match read.published.is_nothing() {
            true => 0,
            false => self.settings.publish.min(60),
        }
    }
}

/// The posts that are asked for.
fn posts_of(views: &Views) -> &[PostId] {
    match views {
        Views::Post(post) | Views::Badge(post, _) | Views::History(Some(post), _) => {
            std::slice::from_ref(post)
        }
        Views::Posts(posts) => posts,
        _ => &[],
    }
}

/// What is known of the posts that are asked for; `None` where one cannot be told from memory.
fn known_of(
    views: &Views,
    find: impl FnMut(&PostId) -> Result<Option<Known>, Error>,
) -> Result<Option<Vec<Known>>, Error> {
    posts_of(views).iter().map(find).collect()
}

/// A part in memory, and when it was read.
struct Cached {
    part: Rc<Part>,
    at: f64,
}

/// A part in memory, however old.
fn old(of: &Holdings, range: Range) -> Option<Rc<Part>> {
    PARTS.with_borrow(|parts| {
        let is_it = |cached: &&Rc<Cached>| cached.part.is(&of.deployment, range);
        parts
            .iter()
            .find(is_it)
            .map(|cached| Rc::clone(&cached.part))
    })
}

fn keep_total(place: u64, visible: Visible, total: u64) {
    TOTALS.with_borrow_mut(|totals| {
        if totals.len() >= MOST_TOTALS {
            totals.clear();
        }
        totals.insert(place, (visible.published, total));
    });
}

fn keep(of: &Holdings, range: Range, part: Part) -> Rc<Part> {
    let part = Rc::new(part);
    let cached = Rc::new(Cached {
        part: Rc::clone(&part),
        at: Date::now(),
    });
    PARTS.with_borrow_mut(|parts| {
        parts.retain(|other| !other.part.is(&of.deployment, range));
        parts.push(cached);
        let bytes = |parts: &[Rc<Cached>]| parts.iter().map(|one| one.part.len()).sum::<usize>();
        while parts.len() > 1 && bytes(parts) > PARTS_BYTES {
            parts.remove(0);
        }
    });
    part
}

/// The head, when it was read, and the answer that was made of it last.
struct Read {
    published: Published,
    at: Cell<f64>,
    /// Since when another deployment is refused; asked for with `/stats`.
    refused: OnceCell<Option<Time>>,
    last: RefCell<Option<(Views, Time, Rc<reply::Published>)>>,
}

impl Read {
    fn new(published: Published) -> Self {
        Self {
            published,
            at: Cell::new(Date::now()),
            refused: OnceCell::new(),
            last: RefCell::default(),
        }
    }

    /// The indices of posts, those of a part together: a part is read once, however many there are.
    fn by_part(&self, posts: &[PostId]) -> impl Iterator<Item = usize> {
        let start = |post| match self.published.part_of(post) {
            Where::In(of, range, _) => (of.deployment, range.start()),
            Where::Here(_) | Where::Nowhere => Default::default(),
        };
        let mut starts: Vec<_> = posts.iter().map(start).zip(0..).collect();
        starts.sort_unstable();
        starts.into_iter().map(|(_, index)| index)
    }

    /// What is known of a post; `None` where its part, as `part` has it, is not there.
    fn find(
        &self,
        post: &PostId,
        part: impl FnOnce(&Holdings, Range, Visible) -> Option<Rc<Part>>,
    ) -> Result<Option<Known>, Error> {
        let known =
            |line: Option<Line>| line.map_or_else(|| self.missing(), |line| Known::of(&line));
        match self.published.part_of(post) {
            Where::Nowhere => self.missing().map(Some),
            Where::Here(part) => {
                let secret = &self.published.head.secret;
                known(part.find(secret, post)?).map(Some)
            }
            Where::In(of, range, visible) => match part(of, range, visible) {
                Some(part) => {
                    let known = known(part.find(&of.secret, post)?)?;
                    // Workers KV may be slower with a part than with the head.
                    if part.published() >= visible.published {
                        keep_total(self.place(post), visible, known.total);
                    }
                    Ok(Some(known))
                }
                None => Ok(None),
            },
        }
    }

    /// What is known of a post that was not published: nothing was counted, unless there are counts in Workers KV that
    /// were not taken over yet.
    fn missing(&self) -> Result<Known, Error> {
        let is_adopted = self.published.head.summary.adopted.is_some();
        let is_whole = is_adopted || self.published.is_nothing();
        is_whole.then(Known::default).ok_or(Error::Unpublished)
    }

    fn place(&self, post: &PostId) -> u64 {
        place(&self.published.head.secret, post.as_str())
    }

    /// What is kept of a post of a large site, where its views are all that is asked for.
    fn total(&self, views: &Views, post: &PostId) -> Option<Known> {
        let Where::In(_, _, visible) = self.published.part_of(post) else {
            return None;
        };
        if matches!(views, Views::History(..)) {
            return None;
        }
        let place = self.place(post);
        let kept = TOTALS.with_borrow(|totals| totals.get(&place).copied());
        let (_, total) = kept.filter(|(published, _)| *published == visible.published)?;
        Some(Known {
            total,
            ..Known::default()
        })
    }

    /// The same question within a second gets the same answer.
    fn last_answer(&self, views: &Views, now: Time) -> Option<Rc<reply::Published>> {
        let last = self.last.borrow();
        let same = last
            .as_ref()
            .filter(|(asked, at, _)| asked == views && *at == now);
        same.map(|(_, _, answer)| Rc::clone(answer))
    }

    fn answer(
        &self,
        views: &Views,
        known: &[Known],
        settings: &Settings,
        now: Time,
        max_age: u32,
    ) -> Result<Rc<reply::Published>, JsValue> {
        let answer = Rc::new(match views {
            Views::Badge(_, badge) => {
                let svg = badge.svg(known.first().map_or(0, |known| known.total));
                reply::Published::svg(&svg, max_age)?
            }
            _ => match self.json(views, known, settings, now) {
                Ok(json) => reply::Published::json(&json, max_age)?,
                Err(error) => return Err(error.to_string().into()),
            },
        });
        self.last
            .replace(Some((views.clone(), now, Rc::clone(&answer))));
        Ok(answer)
    }

    fn json(
        &self,
        views: &Views,
        known: &[Known],
        settings: &Settings,
        now: Time,
    ) -> Result<String, Error> {
        let first = known.first();
        Ok(match views {
            Views::Post(post) => answer::set(post, first.map_or(0, |known| known.total)),
            Views::Posts(posts) => answer::posts(posts, known),
            Views::Top {
                period,
                limit,
                prefix,
            } => {
                let list = self.published.top(prefix, *period);
                answer::top(*period, *limit, list.unwrap_or_default(), &settings.sites)
            }
            Views::History(post, days) => {
                let site = &self.published.head.summary.site;
                let record = first.map_or(site, |known| &known.record);
                answer::history(post.as_ref(), record.history(*days, now))
            }
            _ => {
                let refused = self.refused.get().copied().flatten();
                let refused = refused.filter(|since| since.distance(now) < NOTICE_SECONDS);
                answer::stats(&self.published, refused, settings, now)
            }
        })
    }
}

#[wasm_bindgen(inline_js = "
export const settled = (promise) => promise.then(() => {}, () => {});
")]
extern "C" {
    /// A promise that is kept when the other one is kept or broken.
    fn settled(promise: &Promise) -> Promise;
}
