// @ts-check
// The pages: which one is shown follows the address behind "#".

import { Refused, ask, follow, forget, remember, token } from "./api.js";
import { element } from "./parts.js";
import { compare } from "./compare.js";
import { hooks } from "./hooks.js";
import { sweeps } from "./sweeps.js";
import { sweep } from "./sweep.js";
import { submit } from "./submit.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const note = /** @type {HTMLElement} */ (document.getElementById("note"));
const who = /** @type {HTMLElement} */ (document.getElementById("who"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const leave = /** @type {HTMLElement} */ (document.getElementById("leave"));

/** Ends what the page before this one was doing. */
let before = new AbortController();

const UNREACHABLE = "The service cannot be reached. The page may be out of date.";

/** @type {typeof follow} which takes back what is no longer so */
const following = (tell, ...rest) => follow((kind, data) => {
  if (kind === "again" && note.textContent === UNREACHABLE) note.hidden = true;
  tell(kind, data);
}, ...rest);

/** @param {unknown} error */
export function tellError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) {
    forget();
    signIn(error.message);
    return;
  }
  const problem = error instanceof TypeError
    ? UNREACHABLE : String(/** @type {any} */ (error).message);
  if (!main.hasChildNodes()) signIn(problem);  // with the token, so that one can try again
  note.textContent = problem;
  note.hidden = false;
}

/** @param {string} [problem] */
function signIn(problem = "") {
  before.abort();
  me = null;
  nav.hidden = leave.hidden = true;
  who.textContent = "";
  note.textContent = problem;
  note.hidden = !problem;
  document.title = "Sign in - packsweep";
  const field = element("input", {
    type: "password", id: "token", autocomplete: "current-password", required: true, value: token(),
  });
  const form = element("form", {
    onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      remember(/** @type {HTMLInputElement} */ (field).value.trim());
      await start();
    },
  },
    element("label", {}, element("span", {}, "Token"), field),
    element("p", { className: "hint" },
      "An administrator makes it: packsweep serve token add NAME --role ROLE. "
      + "It stays in this tab until you sign out or close it."),
    element("button", { className: "first", type: "submit" }, "Sign in"));
  main.replaceChildren(element("h1", {}, "Sign in"), form);
  field.focus();
  /** @type {HTMLInputElement} */ (field).select();
}

const PAGES = /** @type {const} */ ([
  [/^#\/sweeps\/([0-9a-f]{10})$/, sweep],
  [/^#\/submit(?:\/([0-9a-f]{10}))?$/, submit],
  [/^#\/compare(?:\/([0-9a-f,]*))?$/, compare],
  [/^#\/hooks$/, hooks],
  [/^(?:#\/)?$/, sweeps],
]);

/** @type {any} who has signed in */
let me = null;

async function show() {
  before.abort();
  before = new AbortController();
  const { signal } = before;
  /** @type {typeof ask} what a page asks ends with it, unless it says otherwise */
  const asking = (method, path, options) => ask(method, path, { signal, ...options });
  note.hidden = true;
  const address = location.hash;
  for (const link of nav.querySelectorAll("a")) {
    if (link.getAttribute("href") === (address || "#/")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(address);
    if (found) {
      const place = element("div");
      main.replaceChildren(place);
      main.focus({ preventScroll: true });
      scrollTo(0, 0);
      try {
        await page(place, { me, argument: found[1] ?? "", signal, ask: asking, follow: following, tellError });
      } catch (error) {
        tellError(error);
      }
      return;
    }
  }
  main.replaceChildren(element("h1", {}, "There is no such page"),
    element("p", {}, element("a", { href: "#/" }, "Back to the sweeps")));
}

async function start() {
  before.abort();
  before = new AbortController();
  try {
    me = await ask("GET", "me", { signal: before.signal });
  } catch (error) {
    tellError(error);
    return;
  }
  who.textContent = `${me.person}, ${me.role}; ${me.cores} ${me.cores === 1 ? "core" : "cores"}`;
  nav.hidden = leave.hidden = false;
  /** @type {HTMLElement} */ (document.getElementById("to-hooks")).hidden = me.role === "viewer";
  await show();
}

leave.addEventListener("click", () => {
  forget();
  location.hash = "#/";
  signIn();
});
addEventListener("hashchange", () => (me ? show() : token() ? start() : signIn()));

if (token()) start();
else signIn();
