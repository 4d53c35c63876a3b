// The script of a blog's page: counts the view.
//
//     <script async src="https://tally.you.workers.dev/views.js" data-post="142"></script>
//
// The post is what `data-post` says, else the path of the page's canonical address, if that is of this host,
// else that of the page's own. An address, written in full or from the first slash on, stands for its path:
// percent-decoded, without query, fragment, `index.html` and the slash at the end.
//
// - Counts a post when it is seen. `data-skip="1"` in the tag counts nothing; `data-skip="0"` counts on localhost,
//   in frames and where a program drives the browser, too. `data-only="/posts/* /about"` counts only such posts.
// - `data-prefix` is put before the name of every post. `data-hash` takes `#/posts/hello` for the path.
// - `data-tally="https://tally.you.workers.dev"` is where the pings go, where the script is served from elsewhere.
// - Stores, in the tab, `tallyPOST` for a reader who does not want to be tracked: that the post was counted.
//   Heeds `tally-skip` in the site's local storage, which the rest stores for one who has agreed to be left out.
// - Loads its rest, views.js.rest.js, where that has something to do: where there are places for numbers, where
//   the page goes on without being loaded, where the fragment is a path or `#tally-skip`, and where there is no
//   Navigation API to tell. It says with which hash, so an integrity hash covers all that runs here.
//
// A ping says at which path the page is, where its post can be verified (`SITE_URL`).
//
// The pings go where the script came from, or where its own tag said as it started. Other elements of the page are
// read as data only, whatever their names and addresses are. The page waits for nothing here, and no failure shows.

import { canonical, identify, own, root } from "./views/post.js";

const script = own("currentScript");
const src = script?.src;
/** The Worker's address, with a slash at its end. */
let base;
let rest;

/** Counts a view of the post that is called `text`, by the rules of a tag. The tag, what it calls the post, the post, and the answer: true where nothing was sent. */
const count = (tag, text) => {
  const { only, prefix = "", skip } = tag.dataset;
  let post = identify(text);
  let skips =
    (skip || navigator.webdriver || top != self || /^($|localhost|127\.|\[)/.test(location.host)) > 0 ||
    (only && !RegExp("^(" + only.replace(/\W/g, (sign) => (sign == "*" ? ".*" : sign == " " ? "|" : "\\" + sign)) + ")$").test(post));
  post = prefix + post;
  try {
    skips ||=
      localStorage["tally-skip"] > 0 ||
      ((navigator.globalPrivacyControl || navigator.doNotTrack) > 0 &&
        sessionStorage["tally" + post] == (sessionStorage["tally" + post] = 1));
  } catch {
    // Nothing may be stored.
  }
  return [
    tag,
    text,
    post,
    skips ||
      fetch(base + "views/" + encodeURIComponent(post) + "?at=" + location.pathname, { method: "POST", referrerPolicy: "origin", keepalive: 1 })
        // It is read to its end, or the browser keeps the request open.
        .then((answer) => (answer.ok ? answer.json() : answer.text()))
        .catch((error) => error),
  ];
};

/** Loads the rest, and notes for it where the page is. */
const load = () => {
  tally.push(location.href);
  if (rest) return;
  rest = document.createElement("script");
  rest.integrity = REST;
  // The query passes by an older one in the browser's cache.
  rest.src = src.split(/[?#]/)[0] + ".rest.js?" + rest.integrity;
  rest.crossOrigin = "";
  own("head").append(rest);
};

const look = () => {
  // A page that is prerendered is hidden, too.
  if (rest || own("hidden") || own("readyState") == "loading") return;
  const hasMore =
    /#(!?\/|tally-)/.test(location) ||
    ((tally.page ||= count(script, script.dataset.post || (canonical() || location).href.split(/[?#]/)[0])), root.querySelector("[data-views]"));
  hasMore && load();
};

let tally;
if (src && !root.tally) {
  base = new URL(script.dataset.tally || ".", src);
  // What the rest gets; it takes over what is pushed.
  root.tally = tally = [count, script, base, location.href];
  addEventListener("DOMContentLoaded", look);
  addEventListener("visibilitychange", look);
  new MutationObserver(look).observe(root, { childList: 1, subtree: 1 });
  try {
    // Where there is no such API, this may be an element, which nobody can call.
    navigation.entries();
    navigation.addEventListener("currententrychange", load);
  } catch {
    load();
  }
  look();
}
