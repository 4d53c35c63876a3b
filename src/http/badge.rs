//! A flat badge with the views of a post, in SVG, in the style of shields.io.

use crate::base::error::Error;
use crate::base::limits::MAX_LABEL;
use std::fmt::Write;

/// What a badge says beside the number, and how it looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Badge {
    label: String,
    color: Color,
}

impl Badge {
    /// A badge with this label (`views` if there is none) and this color (blue if there is none).
    ///
    /// [`Error::InvalidLabel`] for more than [`MAX_LABEL`] characters, or one that XML has not
    /// (<https://www.w3.org/TR/xml/#charsets>) or that controls; [`Error::InvalidColor`] for a color that
    /// [`Color::parse`] does not know.
    pub fn parse(label: Option<String>, color: Option<String>) -> Result<Self, Error> {
        let label = label.unwrap_or_else(|| "views".to_owned());
        let is_text = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
        if label.chars().count() > MAX_LABEL || !label.chars().all(is_text) {
            return Err(Error::InvalidLabel);
        }
        let color = Color::parse(color.as_deref().unwrap_or("blue"))?;
        Ok(Self { label, color })
    }

    /// The badge of a post with so many views.
    pub fn svg(&self, views: u64) -> String {
        let left = Part::new(&self.label, 0);
        let right = Part::new(&grouped(views), left.width);
        let width = left.width + right.width;
        let title = match left.text.is_empty() {
            true => right.text.clone(),
            false => format!("{}: {}", left.text, right.text),
        };
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}"><title>{title}</title><linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient><clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath><g clip-path="url(#r)"><rect width="{}" height="20" fill="#555"/><rect x="{}" width="{}" height="20" fill="{}"/><rect width="{width}" height="20" fill="url(#s)"/></g><g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="110" text-rendering="geometricPrecision" aria-hidden="true">"##,
            left.width,
            left.width,
            right.width,
            self.color.hex(),
        );
        left.write(&mut svg, ["#010101", "#fff"]);
        right.write(&mut svg, self.color.inks());
        svg.push_str("</g></svg>");
        svg
    }
}

/// One half of a badge: its text, escaped, where it begins and how wide it is, in pixels.
struct Part {
    text: String,
    /// The width of the text, in tenths of a pixel.
    length: u32,
    left: u32,
    width: u32,
}

/// Between a text and the end of its part, in pixels.
const PADDING: u32 = 5;

impl Part {
    fn new(text: &str, left: u32) -> Self {
        let length: u32 = text.chars().map(advance).sum();
        let width = match text.is_empty() {
            true => 0,
            false => length.div_ceil(10) + 2 * PADDING,
        };
        let text = escaped(text);
        Self {
            text,
            length,
            left,
            width,
        }
    }

    /// Writes the text over its shadow, in tenths of a pixel: fractions of a font size are rounded by
    /// some.
    fn write(&self, svg: &mut String, inks: [&str; 2]) {
        let Self { text, length, .. } = self;
        if text.is_empty() {
            return;
        }
        let x = self.left * 10 + self.width * 5;
        for (ink, y, opacity) in [(inks[0], 150, ".3"), (inks[1], 140, "1")] {
            // Writing to a String does not fail.
            let _ = write!(
                svg,
                r#"<text x="{x}" y="{y}" fill="{ink}" fill-opacity="{opacity}" transform="scale(.1)" textLength="{length}">{text}</text>"#,
            );
        }
    }
}

/// A color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// Reads one of the names of shields.io, or 3 or 6 hexadecimal digits, with or without `#`;
    /// [`Error::InvalidColor`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let named = match text {
            "brightgreen" | "success" => "4c1",
            "green" => "97ca00",
            "yellowgreen" => "a4a61d",
            "yellow" => "dfb317",
            "orange" | "important" => "fe7d37",
            "red" | "critical" => "e05d44",
            "blue" | "informational" => "007ec6",
            "lightgrey" | "lightgray" | "inactive" => "9f9f9f",
            "grey" | "gray" => "555",
            other => other.strip_prefix('#').unwrap_or(other),
        };
        let digits: Option<Vec<u8>> = named
            .chars()
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect();
        match digits.as_deref() {
            Some(&[r, g, b]) => Ok(Self([r * 17, g * 17, b * 17])),
            Some(&[r, s, g, h, b, c]) => Ok(Self([r * 16 + s, g * 16 + h, b * 16 + c])),
            _ => Err(Error::InvalidColor),
        }
    }

    fn hex(self) -> String {
        let Self([r, g, b]) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// The colors of a shadow and of the text over it that can be read on this one.
    fn inks(self) -> [&'static str; 2] {
        let [r, g, b] = self.0.map(u32::from);
        // The brightness of https://www.w3.org/TR/AERT/#color-contrast, from 0 to 255,000.
        match r * 299 + g * 587 + b * 114 > 176_000 {
            true => ["#ccc", "#333"],
            false => ["#010101", "#fff"],
        }
    }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text as it stands in XML, in elements and attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// How far Verdana at 11 pixels advances for a character, in tenths of a pixel. Other fonts are fitted
/// to it (`textLength`).
fn advance(c: char) -> u32 {
    /// From the space to `~`.
    #[rustfmt::skip]
    const ASCII: [u8; 95] = [
        39, 43, 51, 90, 70, 118, 80, 30, 50, 50, 70, 90, 40, 50, 40, 50, 70, 70, 70, 70, 70, 70, 70, 70,
        70, 70, 50, 50, 90, 90, 90, 60, 110, 75, 75, 77, 85, 70, 63, 85, 83, 46, 50, 76, 61, 93, 82, 87,
        66, 87, 77, 75, 68, 81, 75, 109, 75, 68, 75, 50, 50, 50, 90, 70, 70, 66, 69, 57, 69, 66, 39, 69,
        70, 30, 38, 65, 30, 107, 70, 67, 69, 69, 47, 57, 43, 70, 65, 90, 65, 65, 58, 70, 50, 70, 90,
    ];
    let ascii = |c: char| ASCII.get((c as usize).checked_sub(32)?).copied();
    match c {
        '\u{1100}'.. => 110,
        _ => u32::from(ascii(c).unwrap_or(70)),
    }
}
