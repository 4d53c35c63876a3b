// Another Worker, in JavaScript, that binds Tally's objects. `POST /METHOD?name=A` with the arguments
// as a JSON array calls a method; `POST /fetch?name=A` sends the object a request of those arguments.

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const counter = env.COUNTERS.getByName(searchParams.get("name"));
    const values = { NaN, Infinity, undefined, bigint: 1n };
    const args = (await request.json()).map((arg) => (arg?.value ? values[arg.value] : arg));
    try {
      const result = await counter[pathname.slice(1)](...args);
      if (!(result instanceof Response)) return Response.json({ result });
      return Response.json({ status: result.status, body: await result.text() });
    } catch (error) {
      return Response.json({ error: error.name, message: error.message });
    }
  },
};
