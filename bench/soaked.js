// Tally as it is deployed, and `GET /memory`: the bytes of its Wasm memory (bench/soak.mjs).

import { memory } from "./memory.js";
import worker from "../src/entry.js";

export { Counter, Ledger } from "../src/entry.js";

export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === "/memory") return Response.json({ bytes: memory().buffer.byteLength });
    return worker.fetch(request, env, context);
  },
};
