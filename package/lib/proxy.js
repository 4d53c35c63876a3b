// The proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). wrangler uses it by itself, Node's
// fetch does not.

import { usage } from "./failure.js";

/** What runs on this machine; the proxy would look for it on its own. */
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

/** Has all fetches use the proxy, if there is one. */
export async function useProxy() {
  const httpProxy = addressOf("http_proxy");
  const httpsProxy = addressOf("https_proxy") ?? httpProxy;
  if (!httpsProxy) return;
  const spared = variable("no_proxy") ?? "";
  if (spared.trim() === "*") return;
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("undici");
  setGlobalDispatcher(new EnvHttpProxyAgent({ httpProxy: httpProxy ?? "", httpsProxy, noProxy: [spared, ...LOCAL].join(",") }));
}

const variable = (name) => process.env[name] ?? process.env[name.toUpperCase()];

/** Like curl, takes `proxy.example:3128` too. */
function addressOf(name) {
  const text = variable(name);
  if (!text) return undefined;
  const address = text.includes("://") ? text : `http://${text}`;
  if (!/^https?:/i.test(address) || !URL.canParse(address)) throw usage(`${name} in the environment is not the address of a proxy, such as http://proxy.example:3128`);
  return address;
}
