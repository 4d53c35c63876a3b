// The view counter of the usual tutorial, written plainly: read the count from Workers KV, add one, write it back.
// `POST /views/142` counts, `GET /views/142` returns the count.

export default {
  async fetch(request, env) {
    const post = decodeURIComponent(new URL(request.url).pathname.slice("/views/".length));
    let views = Number((await env.VIEWS.get(post)) ?? 0);
    if (request.method === "POST") {
      views += 1;
      await env.VIEWS.put(post, `${views}`);
    }
    return Response.json({ post, views });
  },
};
