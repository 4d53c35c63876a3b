// The least that a request can cost: a constant if there is no name, and otherwise a call of an object that does
// nothing.

import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const at = request.url.indexOf("name=");
    if (at < 0) return new Response("a constant");
    const count = await env.COUNTERS.getByName(request.url.slice(at + 5)).call();
    return new Response(`Durable Object 'A' count: ${count}`);
  },
};

export class Counter extends DurableObject {
  call() {
    return 1;
  }
}
