//! The address of the page that is to confirm a post.

use crate::base::id::PostId;
use crate::base::site::{Site, is_path};
use std::fmt::Write;

/// The most bytes of a path that is read.
const MAX_PATH_BYTES: usize = 1536;

/// The address to read for a post: the path `at` that the page has sent, or else the one that the post is
/// named after, on the site of the page's `origin`, or else on the first that has such a path. `None` where
/// there is none.
pub fn address(
    sites: &[Site],
    post: &PostId,
    at: Option<&str>,
    origin: Option<&str>,
) -> Option<String> {
    let path = at.map_or_else(|| encode(post.as_str()), str::to_owned);
    if !is_path(&path) || path.len() > MAX_PATH_BYTES {
        return None;
    }
    let is_of_origin =
        |site: &&Site| origin.is_some_and(|one| one.eq_ignore_ascii_case(site.origin()));
    let mut with_path = sites.iter().filter(|site| site.holds(&path));
    let site = with_path.clone().find(is_of_origin).or(with_path.next())?;
    Some(format!("{}{path}", site.origin()))
}

/// Where an address is, as it is kept: the path on the first site, or the whole address on another one. `None`
/// where it is on none.
pub fn shorten(sites: &[Site], address: &str) -> Option<String> {
    let (site, path) = sites
        .iter()
        .find_map(|site| Some((site, site.path_of(address)?)))?;
    let is_first = sites
        .first()
        .is_some_and(|first| first.origin() == site.origin());
    Some(match is_first {
        true => path.to_owned(),
        false => format!("{}{path}", site.origin()),
    })
}

/// The inverse of [`shorten`]; `None` if the site is no longer among the sites.
pub fn lengthen(sites: &[Site], kept: &str) -> Option<String> {
    let whole = match kept.starts_with('/') {
        true => format!("{}{kept}", sites.first()?.origin()),
        false => kept.to_owned(),
    };
    let is_there = sites.iter().any(|site| site.path_of(&whole).is_some());
    is_there.then_some(whole)
}

/// The path of an address that a post is named after, percent-encoded.
fn encode(post: &str) -> String {
    post.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            _ if byte.is_ascii_alphanumeric() => path.push(byte.into()),
            _ if b"-._~/!$&'()*+,;=:@".contains(&byte) => path.push(byte.into()),
            // Writing to a String does not fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
        path
    })
}
