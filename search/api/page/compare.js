// @ts-check
// Sweeps side by side: their settings where they differ, and what they have come to.

import * as exact from "./exact.js";
import { bestOf, element, number, stateOf, table, told } from "./parts.js";

const MOST = 6;

/** @param {HTMLElement} place @param {import("./sweeps.js").Page} page */
export async function compare(place, { argument, ask }) {
  document.title = "Compare - packsweep";
  const picked = argument.split(",").filter(Boolean).slice(0, MOST);
  const { sweeps } = await ask("GET", "sweeps?limit=200");
  /** @type {string[]} */
  const found = await Promise.all(picked.map((id) => ask("GET", `sweeps/${id}`, { form: "text" })));
  const choices = sweeps.map((/** @type {any} */ sweep) => {
    const box = element("input", {
      type: "checkbox", checked: picked.includes(sweep.id),
      onchange: () => {
        const next = picked.includes(sweep.id)
          ? picked.filter((id) => id !== sweep.id) : [...picked, sweep.id].slice(-MOST);
        location.hash = `#/compare/${next.join(",")}`;
      },
    });
    return element("li", {}, element("label", {}, box, ` ${sweep.name} (${sweep.id}), ${sweep.state}`));
  });
  place.append(element("h1", {}, "Compare"));
  if (found.length) place.append(comparison(found));
  place.append(element("h2", {}, `Select up to ${MOST}`), element("ul", { className: "plain" }, ...choices));
}

/** @param {string[]} texts sweeps, as the service sends them */
function comparison(texts) {
  const sweeps = texts.map((text) => JSON.parse(text));
  const header = () => ["", ...sweeps.map((sweep) => element("a", { href: `#/sweeps/${sweep.id}` }, sweep.name))];
  /** @type {Array<[string, (sweep: any) => string | Node]>} */
  const rows = [
    ["state", (sweep) => stateOf(sweep.state)],
    ["trials", (sweep) => `${sweep.finished} of ${sweep.total}`],
    ["best", (sweep) => bestOf(sweep.best)],
    ["with", (sweep) => (sweep.best ? told(sweep.best.params) : "-")],
    ["taken over", (sweep) => number(sweep.shared.trials)],
    ["data", (sweep) => sweep.dataset.name],
    ["person", (sweep) => sweep.person],
  ];
  const flat = texts.map((text) => settings(exact.read(text).settings));
  const names = [...new Set(flat.flatMap((one) => Object.keys(one)))];
  const differ = names.filter((name) => new Set(flat.map((one) => one[name])).size > 1);
  return element("div", {},
    table(header(), rows.map(([name, cell]) => [name, ...sweeps.map(cell)]), {
      free: sweeps.map((_, i) => i + 1), label: "Results",
    }),
    element("h2", {}, "Settings that differ"),
    differ.length ? table(header(), differ.map((name) => [name, ...flat.map((one) => one[name] ?? "-")]), {
      free: sweeps.map((_, i) => i + 1), label: "Settings that differ",
    }) : element("p", { className: "quiet" }, sweeps.length > 1 ? "None." : "Select another sweep."));
}

/** @param {any} value as `exact.read` gives it @param {string} [before] @returns {Record<string, string>} */
function settings(value, before = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { [before]: Array.isArray(value) ? value.map(exact.told).join(", ") : exact.told(value) };
  }
  return Object.assign({}, ...Object.entries(value).map(([name, part]) =>
    settings(part, before ? `${before}.${name}` : name)));
}
