// A network to a server, which writes down what passes and can fail.

import http from "node:http";

/**
 * Starts one to the server at `target`. `requests` are those that came, as `{ method, path, headers, body }`, but
 * for paths that `spares` is true for; `answer`, where it is set, is given the response in the server's
 * place. `port` is that of this machine.
 */
export async function startNetwork(target, spares = () => false) {
  const network = { requests: [], answer: undefined };
  const server = await listen(async (request, response) => {
    const { method, url: path } = request;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (spares(path)) return pass(target, request, body, response);
    network.requests.push({ method, path, headers: request.headers, body: body.toString() });
    if (network.answer) return network.answer(response);
    pass(target, request, body, response);
  });
  network.port = server.address().port;
  network.stop = () => end(server);
  return network;
}

/** Starts a server on a port that is free. */
export function listen(answer) {
  return new Promise((resolve) => {
    const server = http.createServer(answer).listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** Ends a server with what it has under way. */
export function end(server) {
  server.closeAllConnections();
  server.close();
}

function pass(target, { method, url: path, headers: { host, ...headers } }, body, response) {
  const { hostname, port } = new URL(target);
  const passed = http.request({ hostname, port, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  passed.on("error", () => response.destroy()).end(body);
}
