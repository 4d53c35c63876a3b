// The script of a list of the most viewed posts.
//
//     <ol data-top-views="10" data-period="week"></ol>
//     <script defer src="https://tally.you.workers.dev/top.js"></script>
//
// Fills every list with as many links and their views, the most viewed post first; `data-period` is all,
// day, week or month. A post is a path of this site, or what a link on this page says that it leads to
// (`<a href="/hello/" data-post="142">`); others are left out. Its title is the text of such a link or of
// one to the path, else the last word of the path.
//
// A list that cannot be had, or is empty, stays as it is.

const { src } = document.currentScript;

const entry = (lang, { post, views }) => {
  const link = document.createElement("a");
  link.href = "/";
  link.pathname = post;
  const known = [...document.links].find(
    (other) =>
      other.textContent.trim() &&
      (other.dataset.post == post ||
        (other.origin + other.pathname).replace(/(.)\/(index\.html)?$/, "$1") == link.href),
  );
  if (known) link.href = known;
  else if (post[0] != "/") return [];
  link.textContent = known?.textContent || post.split("/").pop().replace(/[-_]/g, " ") || post;
  const item = document.createElement("li");
  item.append(link, " ", views.toLocaleString(lang));
  return item;
};

for (const list of document.querySelectorAll("[data-top-views]")) {
  const { topViews, period } = list.dataset;
  fetch(new URL(`top?limit=${topViews || 10}&period=${period || "all"}`, src))
    .then((response) => response.ok && response.json())
    .then(({ posts }) => {
      const entries = posts.flatMap((post) => entry(list.closest("[lang]")?.lang, post));
      if (entries[0]) list.replaceChildren(...entries);
    })
    .catch((error) => error);
}
