// The owner's token, where not everybody may read the numbers (PUBLIC): asked for in a form, kept in the session
// storage of this tab and nowhere else, and sent to this Tally alone, in a header. Logging out forgets it, and
// loads the page anew, so that no number stays behind.

import { text } from "./text.js";

const KEY = "tally-token";
const at = (id) => document.getElementById(id);
let token = "";
try {
  token = sessionStorage.getItem(KEY) ?? "";
} catch {
  // Nothing may be stored: the token is kept until the page is left.
}

/** The headers that tell who asks. */
export const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});

/** Shows the form where something was refused for lack of the token. `refused` are the headers that were sent. */
export function renderLogin(refused) {
  const isWrong = Boolean(token) && refused?.Authorization === authorization().Authorization;
  if (isWrong) keep("");
  at("login").hidden = !refused;
  at("logout").hidden = !token;
  if (isWrong) at("denied").textContent = text("login.wrong");
}

/** Has `reload` called once a token was given. */
export function onLogin(reload) {
  at("login").addEventListener("submit", (event) => {
    event.preventDefault();
    at("denied").textContent = "";
    keep(at("token").value.trim());
    at("token").value = "";
    reload();
  });
  at("logout").addEventListener("click", () => {
    keep("");
    location.reload();
  });
}

function keep(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}
