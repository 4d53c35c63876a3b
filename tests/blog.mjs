// A blog that shows its views: its pages on an origin of their own, a Tally on another, and between
// the two a network that writes down what passes and can fail.

import http from "node:http";
import { startDev } from "./dev.mjs";

/** What the browser says it is: Chromium's own name here has "Headless" in it, which is a bot's. */
export const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36";

/**
 * Starts a Tally that counts repeats, with `vars`, behind http://tally.example. `requests` are those
 * for anything but the scripts, as `POST /views/142`; `fail` may be set to a function that is given
 * the response in the Worker's place.
 */
export async function startTally(vars = {}) {
  const dev = await startDev({ vars: { DEDUPE_SECONDS: 0, ...vars } });
  const tally = { requests: [], fail: undefined };
  const server = await listen((request, response) => {
    const isScript = /^\/(views|top|skip)\.js/.test(request.url);
    if (!isScript) tally.requests.push(`${request.method} ${decodeURIComponent(request.url)}`);
    if (tally.fail && !isScript) return tally.fail(response, request);
    pass(dev.url, request, response);
  });
  tally.direct = dev.url;
  tally.url = `http://tally.example:${server.address().port}`;
  tally.pings = () => tally.requests.filter((line) => line.startsWith("POST "));
  tally.stop = async () => {
    server.closeAllConnections();
    server.close();
    await dev.stop();
  };
  return tally;
}

/**
 * Starts a blog behind http://blog.example. `pages(url)` answers a page as text, or as `{ headers, body }`;
 * nothing is a 404. `port` is that of its other names.
 */
export async function startBlog(pages) {
  const server = await listen((request, response) => {
    const page = pages(new URL(request.url, "http://blog.example"), request);
    const { headers = {}, body = page } = page ?? {};
    response.writeHead(page === undefined ? 404 : 200, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(body);
  });
  const { port } = server.address();
  return {
    port,
    url: `http://blog.example:${port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function listen(answer) {
  return new Promise((resolve) => {
    const server = http.createServer(answer).listen(0, "127.0.0.1", () => resolve(server));
  });
}

function pass(url, request, response) {
  const { hostname, port } = new URL(url);
  const { host, ...headers } = request.headers;
  const { url: path, method } = request;
  const onward = http.request({ hostname, port, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}
