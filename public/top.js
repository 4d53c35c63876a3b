// The script of a list of the most viewed posts.
//
//     <ol data-top-views="10" data-period="week"></ol>
//     <script defer src="https://tally.you.workers.dev/top.js"></script>
//
// Fills every list with as many links and their views, the most viewed post first; `data-period` is all,
// day, week or month. A post is a path of this site, or what a link on this page says that it leads to
// (`<a href="/hello/" data-post="142">`); others are left out. Its title is the text of such a link or of
// one to the path, or the heading within; else the last word of the path.
//
// A list that cannot be had, or is empty, stays as it is.

const { src } = document.currentScript;

for (const list of document.querySelectorAll("[data-top-views]")) {
  fetch(new URL(`top?limit=${list.dataset.topViews || 10}&period=${list.dataset.period || "all"}`, src))
    .then((response) => response.ok && response.json())
    .then(({ posts }) => {
      const entries = posts.flatMap(({ post, views }) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = "/";
        link.pathname = post;
        const known = [...document.links].find(
          (other) =>
            other.textContent.trim() &&
            (other.dataset.post == post || other.href.replace(/(\w\/.*?)(\/(index\.html)?)?(\?.*)?$/, "$1") == link.href),
        );
        if (!known && post[0] != "/") return [];
        link.href = known || link;
        link.textContent =
          (known?.querySelector("h2,h3") || known)?.textContent.trim() || post.split("/").pop().replace(/[-_]/g, " ") || post;
        item.append(link, " ", views.toLocaleString(list.closest("[lang]")?.lang));
        return item;
      });
      if (entries[0]) list.replaceChildren(...entries);
    })
    .catch((error) => error);
}
