// The script of a blog's page: counts the view, and shows numbers.
//
//     <script defer src="https://tally.you.workers.dev/views.js" data-post="142"></script>
//
// The post is what `data-post` says, else the path of the page's canonical address, else that of its
// address; where a single-page site has gone on, it is the path. An address, written in full or from
// the first slash on, stands for its path: percent-decoded, without query, fragment, `index.html` and
// the slash at the end.
//
// - Counts a post when it is seen, once, and again when a single-page site comes back to it.
//   `data-skip="1"` in the tag, or in one that such a site has put in its place, counts nothing;
//   `data-skip="0"` counts on localhost, in frames and where a program drives the browser, too.
// - Fills every `[data-views]` with the views of the page's post, and every `[data-views="143"]` with
//   those of 143, as the language of the place writes numbers; also those that come later. An element
//   whose number is not known has the text that it came with; so has one for a post that is called
//   like something in every object of JavaScript, such as `constructor`.
// - Where the address ends in `#tally-skip` it asks whether the visits of this browser are to be left out,
//   or counted again, and takes the fragment off the address.
// - Stores, in the tab, `tallyPOST` for a reader who does not want to be tracked: that the post was
//   counted. Stores `tally-skip` in the site's local storage for one who has agreed to be left out.
//
// The pings go where the script came from, and nothing else is loaded: an integrity hash covers all that
// runs here. Other elements of the page are read as data only, whatever their names and addresses are.
//
// The page waits for nothing here, and no failure shows. It is not hooked into, either: that it has become
// visible, has gone on or has grown is seen by looking twice a second, for which observers and listeners
// would not fit into 1,000 bytes.

/** The views of every post that was asked for; less than 0 until they are known. */
const known = {};
// Named elements of the page, such as `<img name="currentScript">`, hide what a document has itself.
const own = (name) => Reflect.get(Document.prototype, name, document);
const root = own("documentElement");
let script = own("currentScript");
const src = script?.src;
let first, post;

/** The post that an address stands for, or a text names. Nothing behind the path is ever in it. */
const identify = (text) => {
  if (!/^\/|:\/\//.test(text)) return text;
  try {
    text = new URL(text, location).pathname.replace(/\/(index\.html)?$/, "") || "/";
    return decodeURIComponent(text);
  } catch {
    // As it is written, where it is not UTF-8; or no address at all.
    return text;
  }
};

const ask = (ids, path, options) =>
  fetch(new URL(path + ids.map(encodeURIComponent).join("&post="), src), { referrerPolicy: "origin", ...options })
    .then((response) => response.ok && response.json())
    .then((answer) =>
      ids.map((id, number) => {
        number = answer.post == id ? answer.views : answer.views[id];
        // An answer from a cache does not take back what is known.
        number < known[id] || (Number.isInteger(number) && (known[id] = number));
      }),
    )
    .catch((error) => error);

/** Asks the author; a link that a reader follows must not change anything by itself. */
const toggle = () => {
  history.replaceState(history.state, "", location.href.split("#")[0]);
  try {
    const skips = localStorage["tally-skip"] > 0;
    if (confirm(skips ? "Tally: count my visits again?" : "Tally: stop counting my visits?"))
      localStorage["tally-skip"] = skips ? 0 : 1;
  } catch {
    alert("Tally: this browser stores nothing");
  }
};

const look = () => {
  // A page that is prerendered is hidden, too.
  if (document.hidden) return;
  if (location.hash == "#tally-skip") toggle();
  // A single-page site may have put another tag in the place of the first.
  script = [...root.querySelectorAll("script")].find((other) => other.src == src) || script;

  const wanted = [];
  let next = identify(location);
  if (next == (first ??= next))
    next = identify(script.dataset.post || root.querySelector("head link[rel~=canonical]")?.href || location);
  if (next != post) {
    post = next;
    let skip =
      (script.dataset.skip ||
        (navigator.webdriver || top != self || /^($|localhost|127\.|\[)/.test(location.host))) > 0;
    try {
      skip ||=
        localStorage["tally-skip"] > 0 ||
        ((navigator.globalPrivacyControl || navigator.doNotTrack) > 0 &&
          sessionStorage["tally" + post] == (sessionStorage["tally" + post] = 1));
    } catch {}
    if (!skip) ask([post], "views/", { method: "POST", keepalive: 1 }, (known[post] ??= -1));
  }

  for (const element of root.querySelectorAll("[data-views]")) {
    const id = identify(element.dataset.views) || post;
    // A request asks for a hundred at most, the next look for the others.
    wanted[99] || (known[id] ??= -wanted.push(id));
    let text = (element.tally ??= element.textContent);
    try {
      if (known[id] >= 0) text = known[id].toLocaleString(element.closest("[lang]")?.lang);
    } catch {
      // The language is none.
      text = known[id];
    }
    element.textContent == text || (element.textContent = text);
  }
  if (wanted[0]) ask(wanted, "views?post=");
};

if (src)
  root.tally ||= (
    addEventListener("pageshow", (event) => event.persisted && ask(Object.keys(known), "views?post=")),
    look(),
    setInterval(look, 500)
  );
