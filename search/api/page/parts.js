// @ts-check
// What all views are made of. Text is set as text: nothing that people write becomes markup.

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else /** @type {any} */ (made)[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((c) => c ?? ""));
  return made;
}

/**
 * Draw anew what stands in a place. What was there stays the same element, so that it keeps the
 * keyboard and a press that is under way, and only what differs of it changes. Elements are found
 * again by their `data-key`, or by their kind in its order. Not for fields: what somebody has typed
 * is no attribute.
 * @param {Element} place
 * @param {...(Node | string)} children
 */
export function redraw(place, ...children) {
  const focus = place.contains(document.activeElement) ? document.activeElement : null;
  renew(place, children.map((child) => (typeof child === "string" ? document.createTextNode(child) : child)));
  // Moving an element takes the keyboard from it.
  if (focus?.isConnected) /** @type {HTMLElement} */ (focus).focus({ preventScroll: true });
}

/** What calls back: it goes over to the element that stays. */
const CALLS = /** @type {const} */ (["onclick", "onchange", "onsubmit"]);

/** @param {Element} place @param {Node[]} wanted */
function renew(place, wanted) {
  const had = new Map([...place.childNodes].map(named()));
  const coming = wanted.map(named());
  const kept = new Set(coming.map(([name]) => name));
  for (const [name, node] of had) if (!kept.has(name)) node.remove();
  /** @type {ChildNode | null} */
  let at = place.firstChild;
  for (const [name, node] of coming) {
    const found = had.get(name);
    if (found && at && found === at.nextSibling) at = found;  // what stood before it comes later
    if (found && found === at) at = at.nextSibling;
    else place.insertBefore(found ?? node, at);
    if (found && found !== node) become(found, node);
  }
}

/** @returns {<T extends Node>(node: T) => [string, T]} gives nodes the names by which they are found again */
function named() {
  /** @type {Map<string, number>} */
  const counts = new Map();
  return (node) => {
    const key = node instanceof Element ? node.getAttribute("data-key") : null;
    const kind = `${node.nodeName} ${key ?? ""}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return [`${kind} ${counts.get(kind)}`, node];
  };
}

/** @param {Node} node @param {Node} other */
function become(node, other) {
  if (!(node instanceof HTMLElement) || !(other instanceof HTMLElement)) {
    if (node.nodeValue !== other.nodeValue) node.nodeValue = other.nodeValue;
    return;
  }
  for (const { name } of [...node.attributes]) if (!other.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of other.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  for (const call of CALLS) /** @type {any} */ (node)[call] = other[call];
  renew(node, [...other.childNodes]);
}

/** @param {any} value @returns {string} five digits of a measure, and all of a whole number */
export function number(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number" || Number.isSafeInteger(value)) return String(value);
  const short = Number(value.toPrecision(5));
  // 5e-7 reads better than a row of zeros.
  return Math.abs(short) < 1e-3 ? short.toExponential() : String(short);
}

/** @param {any} value @returns {string} a value, or all that a table or a list has */
const plain = (value) => (Array.isArray(value) ? value.map(plain).join(", ")
  : value && typeof value === "object" ? told(value) : number(value));

/** @param {Record<string, any> | undefined} params @returns {string} */
export const told = (params) =>
  Object.entries(params ?? {}).map(([name, value]) => `${name} ${plain(value)}`).join(", ");

/**
 * The best trial in a word: its cost, after what it is the best by where that is something else.
 * @param {any} best @returns {string}
 */
export function bestOf(best) {
  if (!best) return "-";
  const cost = best.cost === null ? "no cost" : `cost ${number(best.cost)}`;
  return best.objective ? `${best.objective} ${number(best.value)}, ${cost}` : cost;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit",
  timeZoneName: "short",
});

/** @param {string | number | null} time as the API has it, or in milliseconds */
export const when = (time) => (time ? CLOCK.format(new Date(time)) : "-");

/** @param {number} bytes */
export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.max(Math.floor(Math.log2(bytes) / 10), 0), units.length - 1);
  return `${Number((bytes / 1024 ** unit).toFixed(unit ? 1 : 0))} ${units[unit]}`;
}

/** @param {string} state */
export const stateOf = (state) => element("span", { className: `state ${state}` }, state);

/**
 * A table.
 * @param {Array<string | Node>} header
 * @param {Array<Array<string | Node>>} rows
 * @param {{numbers?: number[], spare?: number[], free?: number[], label?: string,
 *   keys?: Array<string | number>}} [options] keys tell rows apart where they are drawn anew
 */
export function table(header, rows, { numbers = [], spare = [], free = [], label = "", keys = [] } = {}) {
  const kind = (/** @type {number} */ i) =>
    [numbers.includes(i) && "number", spare.includes(i) && "spare", free.includes(i) && "free"]
      .filter(Boolean).join(" ");
  const head = element("tr", {}, ...header.map((cell, i) =>
    element("th", { scope: "col", className: kind(i) }, cell)));
  const body = rows.map((row, n) => element("tr", keys.length ? { "data-key": keys[n] } : {}, ...row.map((cell, i) =>
    element("td", { className: kind(i) }, cell))));
  return element("div", { className: "wide", role: "region", "aria-label": label, tabIndex: 0 },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

/**
 * Names and values.
 * @param {Array<[string, string | Node]>} facts
 */
export const facts = (facts) =>
  element("dl", { className: "facts card" }, ...facts.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
