//! The result of looking for a post on the site.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether the site has a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// A page names it.
    Real {
        /// The page's title; empty where it has none.
        title: String,
        /// Its address, as `address::shorten` keeps it; empty if that is too long.
        path: String,
    },
    /// No page names it.
    NotReal(NotReal),
    /// The site could not be read.
    Unreachable(Why),
}

/// Why a page does not prove a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotReal {
    /// The post names no path of the site, and no page has sent one.
    NoAddress,
    /// The site has answered with this status.
    Status(u16),
    /// The page could not be read, though the site's front page can.
    Unreadable(Why),
    /// The site has redirected to an address outside of it, or too often.
    Redirected,
    /// The answer is no HTML.
    NotHtml,
    /// The page has `noindex`, as pages of search results should: anyone can put any text into their address.
    NoIndex,
    /// The page has no tag of views.js.
    NoTag,
    /// The page's tag names another post.
    OtherPost,
}

/// Why the site could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It has answered with this status.
    Status(u16),
    /// It has not answered in time.
    Timeout,
    /// It could not be connected to.
    Network,
}

impl fmt::Display for NotReal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the post names no path of the site"),
            Self::Status(status) => write!(f, "the site answered with status {status}"),
            Self::Unreadable(why) => write!(
                f,
                "the page could not be read ({why}), though the front page can"
            ),
            Self::Redirected => f.write_str("the site redirected elsewhere, or too often"),
            Self::NotHtml => f.write_str("the answer is not HTML"),
            Self::NoIndex => f.write_str("the page is marked noindex"),
            Self::NoTag => f.write_str("the page has no script tag of views.js"),
            Self::OtherPost => f.write_str("the page's script tag names another post"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Timeout => f.write_str("no answer within 5 seconds"),
            Self::Network => f.write_str("no connection"),
        }
    }
}
