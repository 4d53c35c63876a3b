//! Paths of addresses: resolving and decoding them, and the post that a path names.

use crate::base::error::Error;
use std::borrow::Cow;

/// What a page calls its post, as the script of a page reads it (`public/views/post.js`): an address, in full
/// or from the first slash on, stands for its path, percent-decoded and without query, fragment, `index.html`
/// and the slash at the end. Any other text stands for itself.
pub fn named(text: &str) -> Cow<'_, str> {
    let Some(path) = path_of(text) else {
        return Cow::Borrowed(text);
    };
    let path = normalize(path.split(['?', '#']).next().unwrap_or_default());
    let path = match path.strip_suffix("/index.html") {
        Some(folder) => folder,
        None => path.strip_suffix('/').unwrap_or(&path),
    };
    match decode(path) {
        Ok(decoded) if decoded.is_empty() => Cow::Borrowed("/"),
        Ok(decoded) => Cow::Owned(decoded),
        Err(_) => Cow::Owned(path.to_owned()),
    }
}

/// What follows the host of an address, from a slash on; `None` if it is not an address.
fn path_of(text: &str) -> Option<&str> {
    let slash = |c| matches!(c, '/' | '\\');
    let behind = match text.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        _ if text.starts_with("//") => text.trim_start_matches(slash),
        _ => return text.starts_with('/').then_some(text),
    };
    let end = behind.find(|c| slash(c) || matches!(c, '?' | '#'));
    let path = end.map_or("", |end| &behind[end..]);
    Some(if path.starts_with(slash) { path } else { "/" })
}

/// Resolves percent-encoding; [`Error::InvalidEncoding`] if it is broken or not of UTF-8.
pub fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let both = digit().zip(digit());
                both.map_or(Err(Error::InvalidEncoding), |(high, low)| {
                    Ok((high * 16 + low) as u8)
                })?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| Error::InvalidEncoding)
}

/// Resolves `.` and `..` and turns `\` into `/`, as the `URL` class does
/// (<https://url.spec.whatwg.org/#path-state>).
pub fn normalize(path: &str) -> Cow<'_, str> {
    if !path.contains(['\\', '.']) && !path.contains("%2") {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path[1..].split(['/', '\\']) {
        open = true;
        match dots(segment) {
            Some(1) => {}
            Some(_) => {
                segments.pop();
            }
            None => {
                segments.push(segment);
                open = false;
            }
        }
    }
    if open {
        segments.push("");
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// How many dots a segment is, plain or percent-encoded; `None` if it is not one or two.
fn dots(segment: &str) -> Option<usize> {
    match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => Some(1),
        ".." => Some(2),
        _ => None,
    }
}
