// Tally, with a way to make it panic: in the Worker (`/fault`) and in an object (`/fault?name=A`).

import tally, { Counter as Sound } from "../build/fault/src/entry.js";
import { fault } from "../build/fault/build/tally.js";

export default {
  fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/fault") return tally.fetch(request, env, context);
    const name = searchParams.get("name");
    return name ? env.COUNTERS.getByName(name).fault() : fault();
  },
};

export class Counter extends Sound {
  fault() {
    fault();
  }
}
