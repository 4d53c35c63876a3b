// The counter in plain JavaScript, written from the contract. Tally is measured and tested against it.

import { DurableObject } from "cloudflare:workers";

const USAGE =
  "Select a Durable Object to contact by using the `name` URL query string parameter, for example, ?name=A";

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const name = searchParams.get("name");
    if (!name) return new Response(USAGE);
    const counter = env.COUNTERS.getByName(name);
    let count;
    if (pathname === "/increment") count = await counter.increment();
    else if (pathname === "/decrement") count = await counter.decrement();
    else if (pathname === "/") count = await counter.getCounterValue();
    else return new Response("Not found", { status: 404 });
    return new Response(`Durable Object '${name}' count: ${count}`);
  },
};

export class Counter extends DurableObject {
  async getCounterValue() {
    return (await this.ctx.storage.get("value")) || 0;
  }

  async increment(amount = 1) {
    const value = (await this.getCounterValue()) + amount;
    await this.ctx.storage.put("value", value);
    return value;
  }

  async decrement(amount = 1) {
    return this.increment(-amount);
  }
}
