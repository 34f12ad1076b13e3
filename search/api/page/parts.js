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
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else /** @type {any} */ (made)[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((c) => c ?? ""));
  return made;
}

/** @param {any} value */
export function number(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
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

/** @param {string | null} time */
export const when = (time) => (time ? new Date(time).toLocaleString() : "-");

/** @param {string} state */
export const stateOf = (state) => element("span", { className: `state ${state}` }, state);

export const ENDED = ["done", "failed", "cancelled"];

/**
 * A table.
 * @param {Array<string | Node>} header
 * @param {Array<Array<string | Node>>} rows
 * @param {{numbers?: number[], spare?: number[], free?: number[], label?: string}} [options]
 */
export function table(header, rows, { numbers = [], spare = [], free = [], label = "" } = {}) {
  const kind = (/** @type {number} */ i) =>
    [numbers.includes(i) && "number", spare.includes(i) && "spare", free.includes(i) && "free"]
      .filter(Boolean).join(" ");
  const head = element("tr", {}, ...header.map((cell, i) =>
    element("th", { scope: "col", className: kind(i) }, cell)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) =>
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
