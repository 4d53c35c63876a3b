// The part of Cloudflare's API that a deployment uses, over an account with one login. What wrangler asks
// for otherwise is not found, as a Worker that was never deployed is not.

import { randomUUID } from "node:crypto";
import http from "node:http";

export const LOGIN = "a-login";
export const ACCOUNT = "0".repeat(32);
/** How the API names what is wrong. */
const ERRORS = {
  unauthorized: [403, 10000, "Authentication error"],
  missing: [404, 10007, "This Worker does not exist on your account."],
  taken: [400, 10014, "a namespace with this account ID and title already exists"],
  outage: [500, 10013, "An unknown error has occurred."],
};

/**
 * Starts it: its `url`, the login's `accounts`, its `namespaces`, as `{ id, title }`, and its `workers`, by name, with `bindings` and
 * `secrets`. `requests` are the methods and paths of what was asked; `fails` says of one whether it does.
 */
export async function startCloudflare() {
  const cloud = { url: "", accounts: [{ id: ACCOUNT, name: "Blogger" }], namespaces: [], workers: new Map(), requests: [], fails: () => false, stop };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname, searchParams } = new URL(request.url, "http://cloudflare.example");
    const asked = `${request.method} ${pathname.replace(`/accounts/${ACCOUNT}`, "")}`;
    cloud.requests.push(asked);
    const isKnown = request.headers.authorization?.endsWith(LOGIN);
    const failure = !isKnown ? ERRORS.unauthorized : cloud.fails(asked) ? ERRORS.outage : undefined;
    const body = Buffer.concat(chunks);
    const result = failure ? { failure } : await answer(cloud, asked, searchParams, body, request.headers);
    const [status, code, message] = result.failure ?? [200];
    const errors = result.failure ? [{ code, message }] : [];
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ success: !errors.length, errors, messages: [], result: null, ...result, failure: undefined }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  cloud.url = `http://127.0.0.1:${server.address().port}`;
  return cloud;

  function stop() {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  }
}

async function answer(cloud, asked, query, body, headers) {
  const { namespaces, workers } = cloud;
  const [, name, what] = / \/workers\/(?:scripts|services|workers)\/([^/]+)\/?(.*)$/.exec(asked) ?? [];
  const worker = workers.get(name);
  switch (asked.replace(/\/(scripts|services|workers\/workers)\/[^/]+/, "/$1/NAME")) {
    case "GET /accounts":
      return pageOf(cloud.accounts, query);
    case "GET /memberships":
      return pageOf(cloud.accounts.map((account) => ({ account })), query);
    case "GET /storage/kv/namespaces":
      return pageOf(namespaces, query);
    case "POST /storage/kv/namespaces": {
      const { title } = JSON.parse(body);
      if (namespaces.some((one) => one.title === title)) return { failure: ERRORS.taken };
      namespaces.push({ id: randomUUID().replaceAll("-", ""), title });
      return { result: namespaces.at(-1) };
    }
    case "GET /workers/subdomain":
      return { result: { subdomain: "you" } };
    case "POST /workers/scripts/NAME/assets-upload-session": {
      // Cloudflare has all files already.
      const { manifest } = JSON.parse(body);
      cloud.assets = Object.keys(manifest);
      return { result: { jwt: "all-is-there", buckets: [] } };
    }
    // The second is for a Worker that is there and needs no migration.
    case "PUT /workers/scripts/NAME":
    case "POST /workers/scripts/NAME/versions": {
      const form = await new Response(body, { headers: { "Content-Type": headers["content-type"] } }).formData();
      const { bindings, migrations, main_module: main } = JSON.parse(form.get("metadata"));
      const modules = [...form.keys()].filter((key) => key !== "metadata");
      workers.set(name, { bindings, migrations, tag: migrations?.new_tag ?? worker?.tag, main, modules, secrets: worker?.secrets ?? {} });
      return { result: { id: randomUUID(), deployment_id: randomUUID(), startup_time_ms: 5, entry_point: main, metadata: {}, resources: { script: { etag: "" }, script_runtime: {} } } };
    }
    case "POST /workers/scripts/NAME/deployments":
      return { result: { id: randomUUID() } };
    case "PATCH /workers/scripts/NAME/script-settings":
      return { result: {} };
    case "GET /workers/workers/NAME":
      return worker ? { result: { subdomain: { enabled: true, previews_enabled: true } } } : { failure: ERRORS.missing };
    case "POST /workers/scripts/NAME/subdomain":
      return { result: { enabled: true, previews_enabled: true } };
    case "PUT /workers/scripts/NAME/secrets": {
      if (!worker) return { failure: ERRORS.missing };
      const { name: secret, text } = JSON.parse(body);
      worker.secrets[secret] = text;
      return { result: { name: secret, type: "secret_text" } };
    }
    case "GET /workers/scripts/NAME/secrets":
      return worker ? { result: Object.keys(worker.secrets).map((secret) => ({ name: secret, type: "secret_text" })) } : { failure: ERRORS.missing };
    case "GET /workers/scripts/NAME/settings":
      return worker ? { result: { bindings: worker.bindings } } : { failure: ERRORS.missing };
    case "GET /workers/services/NAME":
      return worker ? { result: { id: name, default_environment: { environment: "production", script: { id: name, last_deployed_from: "wrangler", migration_tag: worker.tag } } } } : { failure: ERRORS.missing };
    default:
      return { failure: ERRORS.missing };
  }
}

function pageOf(all, query) {
  const [page, size] = [Number(query.get("page") ?? 1), Number(query.get("per_page") ?? 20)];
  const result = all.slice((page - 1) * size, page * size);
  return { result, result_info: { page, per_page: size, count: result.length, total_count: all.length, total_pages: Math.ceil(all.length / size) } };
}
