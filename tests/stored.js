// Stores the JSON of `&value=` as the count of `?name=`, as a JavaScript program could.

import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    const stored = env.COUNTERS.getByName(searchParams.get("name"));
    const value = searchParams.get("value");
    return Response.json(value ? await stored.put(JSON.parse(value)) : await stored.get());
  },
};

export class Counter extends DurableObject {
  put(value) {
    return this.ctx.storage.put("value", value).then(() => null);
  }

  async get() {
    return (await this.ctx.storage.get("value")) ?? null;
  }
}
