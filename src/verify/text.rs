//! The texts of a page.

use std::iter::from_fn;

/// The most bytes of a title.
const MAX_TITLE_BYTES: usize = 200;
/// The most bytes of a character reference, from `&` to `;`.
const MAX_REFERENCE_BYTES: usize = 12;

/// The named character references of U+00A0 to U+00FF, in their order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn \
    sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde \
    Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde \
    Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
    egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave \
    uacute ucirc uuml yacute thorn yuml";
/// Others that titles and addresses have.
const OTHERS: [(&str, char); 19] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("hellip", '…'),
    ("bull", '•'),
    ("euro", '€'),
    ("trade", '™'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
];

/// Resolves character references. One that is unknown stays as it is written.
pub fn decode(text: &str) -> String {
    let mut rest = text;
    let mut decoded = String::with_capacity(text.len());
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest
            .bytes()
            .take(MAX_REFERENCE_BYTES)
            .position(|byte| byte == b';');
        let found = end.and_then(|end| Some((character(&rest[1..end])?, end + 1)));
        let (character, length) = found.unwrap_or(('&', 1));
        decoded.push(character);
        rest = &rest[length..];
    }
    decoded.push_str(rest);
    decoded
}

/// The character that a reference is of, without its `&` and `;`.
fn character(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        let other = OTHERS.iter().find(|other| other.0 == name);
        let latin = || LATIN.split(' ').position(|latin| latin == name);
        return other
            .map(|other| other.1)
            .or_else(|| char::from_u32(0xa0 + u32::try_from(latin()?).ok()?));
    };
    let number = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    // As in HTML, what is not a character becomes the replacement character.
    Some(
        char::from_u32(number.ok()?)
            .filter(|one| *one != '\0')
            .unwrap_or('\u{fffd}'),
    )
}

/// A title as it is kept: one line without control characters, cut at a character.
pub fn title(text: &str) -> String {
    let decoded = decode(text);
    // Those that change the direction of what follows would reach beyond the title.
    let is_hidden =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let mut words = decoded.split(|c: char| c.is_whitespace() || c.is_control());
    let mut title = String::new();
    let next = || words.find(|word| !word.is_empty());
    for word in from_fn(next) {
        if !title.is_empty() {
            title.push(' ');
        }
        title.extend(word.chars().filter(|c| !is_hidden(*c)));
        if title.len() > MAX_TITLE_BYTES {
            let fits = |end: &usize| title.is_char_boundary(*end);
            title.truncate((0..=MAX_TITLE_BYTES).rev().find(fits).unwrap_or_default());
            break;
        }
    }
    title.truncate(title.trim_end().len());
    title
}
