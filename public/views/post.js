// What names a post in a page: the addresses and elements that views.js and its rest read.

/** A property of the document itself: named elements, such as `<img name="hidden">`, hide it. */
export const own = (name) => Reflect.get(Document.prototype, name, document);
export const root = own("documentElement");

/** The post that an address stands for, or a text names. Nothing behind the path is ever in it. */
export const identify = (text) => {
  try {
    return /(^|:\/)\//.test(text) ? decodeURIComponent((text = new URL(text, location).pathname.replace(/\/(index\.html)?$/, "") || "/")) : text;
  } catch {
    // Not UTF-8: as it is written. Or no address at all.
    return text;
  }
};

/** The canonical link, if it is of this host; `www.` makes no difference. */
export const canonical = () => ours(root.querySelector("head link[rel~=canonical]"));
const ours = (link) => link && host(link) == host(location) && link;
const host = ({ href }) => href.split(/\/(?:www\.)?|[:?#]/)[3];
