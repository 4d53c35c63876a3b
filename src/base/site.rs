//! A site, as `SITE_URL` names it.

/// A site whose pages say which posts exist: an origin and, for a site in a folder, its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    origin: String,
    path: String,
}

/// The most bytes of a site's address.
const MAX_BYTES: usize = 256;

impl Site {
    /// Reads `https://blog.example`, with a port or a path if need be; `None` if it is anything else, as an
    /// address with credentials, a query or a fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/');
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(default_port).unwrap_or(&host);
        let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let fits = !host.is_empty()
            && host.bytes().all(is_of_host)
            && text.len() <= MAX_BYTES
            && (path.is_empty() || is_path(path));
        fits.then(|| Self {
            origin: format!("{scheme}://{host}"),
            path: path.to_owned(),
        })
    }

    /// The origin, as browsers write it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("{}{}/", self.origin, self.path)
    }

    /// Whether a path of its origin is within the site.
    pub fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path of an absolute address, without query and fragment, where it is within the site.
    pub fn path_of<'a>(&self, address: &'a str) -> Option<&'a str> {
        let rest = address.strip_prefix(&self.origin)?;
        let path = rest.split(['?', '#']).next()?;
        (is_path(path) && self.holds(path)).then_some(path)
    }
}

/// Whether it is the path of an address as browsers write it, which stays on its host and in its folder: it
/// begins with a slash, and has neither query, fragment nor dots to resolve, nor what servers take for another
/// path: slashes after each other, or a slash, a backslash or a zero that is encoded.
pub fn is_path(path: &str) -> bool {
    let is_of_path = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>?\\^`{}".contains(&byte);
    let dots = |segment: &str| segment.to_ascii_lowercase().replace("%2e", ".");
    let lower = path.to_ascii_lowercase();
    let odd = ["//", "%2f", "%5c", "%00"];
    path.starts_with('/')
        && !odd.iter().any(|odd| lower.contains(odd))
        && path.bytes().all(is_of_path)
        && !path
            .split('/')
            .any(|segment| matches!(&*dots(segment), "." | ".."))
}
