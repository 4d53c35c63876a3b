// The script of a list of the most viewed posts.
//
//     <ol data-top-views="10" data-period="week"></ol>
//     <script async src="https://tally.you.workers.dev/top.js"></script>
//
// Loads its rest, top.js.rest.js, where the page has such a list, at once or later. It says with which hash, so an
// integrity hash covers all that runs here. `data-tally="https://tally.you.workers.dev"` in the tag is the Worker's
// address, where the script is served from elsewhere; the tag is read once.

import { own } from "./views/post.js";

const { src, dataset } = own("currentScript");
const base = new URL(dataset.tally || ".", src);

const look = () => {
  if (!document.querySelector("[data-top-views]")) return;
  observer.disconnect();
  const rest = document.createElement("script");
  rest.dataset.tally = base;
  rest.integrity = REST;
  // The query passes by an older one in the browser's cache.
  rest.src = src.split(/[?#]/)[0] + ".rest.js?" + rest.integrity;
  rest.crossOrigin = "";
  own("head").append(rest);
};
const observer = new MutationObserver(look);
observer.observe(document, { childList: 1, subtree: 1 });
look();
