//! Owner requests, which need the token `ADMIN_TOKEN`.

use super::Asked;
use super::ledger::{Client, Cursor};
use crate::base::error::Error;
use crate::base::id::PingId;
use crate::base::limits::{MAX_COUNT_BYTES, MAX_IMPORT_BYTES};
use crate::base::time::{DAY, Time};
use crate::edge::platform::header::{self, AUTHORIZATION, CONTENT_LENGTH, RequestHeaders};
use crate::edge::platform::instance::bound;
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::rpc::promised;
use crate::http::answer;
use crate::http::portable;
use crate::http::route::Owner;
use subtle::ConstantTimeEq;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Array, Date, Promise, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;

/// The owner's token, if one is set.
fn token(env: &Env) -> Option<String> {
    let token = env.unchecked_ref::<Bindings>().admin_token();
    token.filter(|token| !token.is_empty())
}

/// Compares the token that was sent with the owner's, in constant time. Without one, nobody is the owner.
pub(super) fn authorize(env: &Env, headers: &RequestHeaders) -> Result<(), Error> {
    let token = token(env).ok_or(Error::Unauthorized)?;
    let sent = header::value(headers, &AUTHORIZATION).map_or_else(String::new, String::from);
    let sent = sent.strip_prefix("Bearer ").unwrap_or_default().trim();
    let right: bool = sent.as_bytes().ct_eq(token.as_bytes()).into();
    right.then_some(()).ok_or(Error::Unauthorized)
}

impl Asked {
    pub(super) async fn owner(self, owner: Result<Owner, Error>) -> Reply {
        match self.obey(owner).await {
            Ok(reply) => reply,
            Err(error) => reply::refusal(error, None),
        }
    }

    /// Whether the owner asks.
    pub(super) fn authorize(&self) -> Result<(), Error> {
        authorize(&self.env, &self.headers)
    }

    async fn obey(&self, owner: Result<Owner, Error>) -> Result<Reply, Error> {
        token(&self.env).ok_or(Error::NotFound)?;
        self.authorize()?;
        let ledgers = self.ledgers();
        match owner? {
            Owner::Set(post) => {
                let views =
                    portable::count_body(&self.body(MAX_COUNT_BYTES, Error::CountTooLarge).await?)?;
                ledgers.set(&post, views).await?;
                Ok(reply::private(&answer::set(&post, views)))
            }
            Owner::Delete(post) => {
                ledgers.set(&post, 0).await?;
                Ok(reply::private(&answer::set(&post, 0)))
            }
            Owner::Verify(post, at) => {
                let verdict = self.verify(&post, at.as_deref()).await?;
                let sites = &self.settings.sites;
                Ok(reply::private(&answer::verified(&post, &verdict, sites)))
            }
            Owner::Remove { filter, dry, from } => {
                let removed = ledgers.remove(&filter, dry, from.as_deref()).await?;
                let (posts, views, next) = removed;
                let answer = answer::removed(posts, views, dry, next.as_deref());
                Ok(reply::private(&answer))
            }
            Owner::Export(format) => {
                let (text, cursor) = ledgers.export(format, None).await?;
                Ok(reply::export(
                    format,
                    &whole(&ledgers, format, text, cursor),
                ))
            }
            Owner::Import(import) => {
                let text = self.body(MAX_IMPORT_BYTES, Error::ImportTooLarge).await?;
                let format = import.format.unwrap_or_else(|| portable::Format::of(&text));
                let latest = Time::from_millis(Date::now()).plus(DAY);
                let records = match format.read(&text, latest) {
                    Ok(records) => records,
                    Err(refused) => {
                        let words = refused.to_string();
                        return Ok(reply::refusal_in_words(refused.error, words, None));
                    }
                };
                drop(text);
                let posts = records.len();
                if !import.dry {
                    let id = import.id.as_ref().map(PingId::as_str);
                    ledgers.import(import.mode, records, id).await?;
                }
                Ok(reply::private(&answer::imported(posts)))
            }
        }
    }

    /// The body, which has at most `most` bytes of UTF-8, or is `too_large`.
    async fn body(&self, most: usize, too_large: Error) -> Result<String, Error> {
        let length = self
            .header(&CONTENT_LENGTH)
            .and_then(|length| length.parse().ok());
        if length.is_some_and(|length: usize| length > most) {
            return Err(too_large);
        }
        let gone = |_| Error::InvalidEncoding;
        let read = JsFuture::from(self.request.array_buffer().map_err(gone)?);
        let bytes = Uint8Array::new(&read.await.map_err(gone)?);
        if bytes.length() as usize > most {
            return Err(too_large);
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::InvalidEncoding)
    }
}

/// A stream of an export that begins with `text` and goes on at `cursor`: each time the client has read
/// what there is, a ledger is asked for more.
fn whole(
    ledgers: &Client,
    format: portable::Format,
    text: JsValue,
    cursor: Option<Cursor>,
) -> JsValue {
    let ledgers = ledgers.clone();
    let text_of = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.text());
    let more = Closure::<dyn Fn(String) -> Promise>::new(move |cursor: String| {
        let ledgers = ledgers.clone();
        bound(&promised(async move {
            let cursor = Cursor::parse(&cursor);
            let more = ledgers.export(format, cursor.as_ref()).await;
            let (text, cursor) = more.map_err(|error| JsValue::from(error.to_string()))?;
            let answer = [text, text_of(cursor).into()];
            Ok(answer.into_iter().collect::<Array>().into())
        }))
    });
    stream(&text, text_of(cursor), more.into_js_value())
}

#[wasm_bindgen(inline_js = "
export function stream(text, cursor, more) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      controller.enqueue(encoder.encode(text));
      if (cursor === undefined) return controller.close();
      [text, cursor] = await more(cursor);
    },
  });
}
")]
extern "C" {
    fn stream(text: &JsValue, cursor: Option<String>, more: JsValue) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = ADMIN_TOKEN)]
    fn admin_token(this: &Bindings) -> Option<String>;
}
