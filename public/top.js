// The script of a list of the most viewed posts.
//
//     <ol data-top-views="10" data-period="week"></ol>
//     <script async src="https://tally.you.workers.dev/top.js"></script>
//
// Fills every list with as many links and their views, the most viewed post first; also a list that comes later.
// `data-period` is all, day, week or month.
//
// Only posts are shown that a link on this page leads to, by its address or by what it says
// (`<a href="/hello/" data-post="142">`); whatever else was pinged is left out. The title is the link's label,
// else the heading in it, else its text. The parts have the classes `tally-post`, `tally-link` and `tally-views`.
//
// A list that cannot be had, or is empty, stays as it is.

// An element that is called `currentScript` hides it.
const script = Reflect.get(Document.prototype, "currentScript", document);
const base = new URL(script.dataset.tally || ".", script.src);

const name = (link) => link.ariaLabel || (link.querySelector("h1,h2,h3,h4") || link).textContent.trim();

/** The links of this page by the posts that they lead to. */
const collect = () => {
  const found = { __proto__: null };
  for (const link of document.links)
    if (name(link) && link.origin == origin && !link.hash)
      try {
        found[link.dataset.post || ""] ??= link;
        found[decodeURIComponent(link.pathname.replace(/\/(index\.html)?$/, "")) || "/"] ??= link;
      } catch {
        // A path that is not UTF-8 names no post.
      }
  return found;
};

const make = (tag, name, ...inside) => {
  const element = document.createElement(tag);
  element.className = "tally-" + name;
  element.append(...inside);
  return element;
};

const fill = async (list) => {
  const { topViews, period } = list.dataset;
  // More than are asked for, as some are left out.
  const { posts } = await (await fetch(base + "top?limit=100&period=" + (period || "all"))).json();
  const found = collect();
  const items = posts.flatMap(({ post, views }) => {
    if (!found[post]) return [];
    const link = make("a", "link", name(found[post]));
    link.href = found[post];
    return make("li", "post", link, " ", make("span", "views", views.toLocaleString(list.closest("[lang]")?.lang)));
  });
  if (items[0]) list.replaceChildren(...items.slice(0, topViews || 10));
};

const look = () => {
  if (document.readyState == "loading") return;
  for (const list of document.querySelectorAll("[data-top-views]")) list.tally ||= fill(list).catch((error) => error);
};
look();
addEventListener("DOMContentLoaded", look);
new MutationObserver(look).observe(document, { childList: 1, subtree: 1 });
