// @ts-check
// Submit a sweep, or one like another with other values.

import { read, write } from "./exact.js";
import { element } from "./parts.js";

const EXAMPLE = `dataset = "digits"

[space]
batch_size = [32, 128]
learning_rate = [1e-6, 5e-6]
epochs = [5, 10, 20]
alpha = [0.1, 1.0, 10.0]
`;

/** @param {HTMLElement} place @param {import("./sweeps.js").Page} page */
export async function submit(place, { me, argument: from, signal, ask, tellError }) {
  document.title = "Submit - packsweep";
  if (me.role === "viewer") {
    place.append(element("h1", {}, "Submit"), element("p", {}, "Your token only lets you look; submitting needs the role submitter."));
    return;
  }
  /** @type {string | null} */
  const text = from ? await ask("GET", `sweeps/${from}`, { form: "text" }) : null;
  const original = text ? JSON.parse(text) : null;
  const [data, queues] = await Promise.all([ask("GET", "datasets"), ask("GET", "queues")]);
  // What makes it one sweep, however often the button is pressed.
  const key = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
  const grid = /** @type {HTMLTextAreaElement} */ (element("textarea", {
    id: "grid", spellcheck: false,
    value: text ? write(read(text).settings.space, 2) : EXAMPLE,
  }));
  const name = field("Name", original ? `${original.name}-2` : "", { placeholder: "grid", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}" });
  const dataset = field("Data set (the grid's)", "", { list: "known" });
  const known = element("datalist", { id: "known" }, ...[...data.known, ...data.uploads.map((/** @type {any} */ u) => u.name)]
    .map((value) => element("option", { value })));
  const queue = element("select", { id: "queue" }, ...queues.map((/** @type {any} */ q) =>
    element("option", { value: q.name, selected: q.name === (original?.queue ?? "all") }, q.name)));
  const priority = field("Priority", String(original?.priority ?? 0), { type: "number", min: -1000, max: 1000 });
  const refits = field("Final trainings", String(original?.options.refits ?? 1), { type: "number", min: 1, max: 1000 });
  const answer = element("pre", { hidden: true, "aria-live": "polite" });

  const request = () => {
    const shared = {
      queue: /** @type {HTMLSelectElement} */ (queue).value, priority: Number(priority.input.value),
      ...(name.input.value ? { name: name.input.value } : {}),
    };
    if (original) {
      JSON.parse(grid.value);  // says what is wrong with it
      // The space as it stands: its numbers keep their form, and it may be several tables.
      return `${JSON.stringify(shared).slice(0, -1)},"settings":{"space":${grid.value}}}`;
    }
    return {
      ...shared, toml: grid.value, refits: Number(refits.input.value),
      ...(dataset.input.value ? { dataset: dataset.input.value } : {}),
    };
  };
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const path = original ? `sweeps/${from}/clone` : "sweeps";
      const made = await ask("POST", path, { body: request(), key });
      if (!signal.aborted) location.hash = `#/sweeps/${made.id}`;
    } catch (error) {
      tell(error);
    }
  };
  const plan = async () => {
    try {
      const found = await ask("POST", "plan", { body: request(), reads: true });
      answer.textContent = `${found.text}\n\nits place would be no. ${found.position}`;
      answer.hidden = false;
    } catch (error) {
      tell(error);
    }
  };
  const tell = (/** @type {unknown} */ error) => {
    answer.hidden = true;
    tellError(error instanceof SyntaxError ? new Error(`The space is no JSON: ${error.message}`) : error);
  };
  place.append(
    element("h1", {}, original ? `Clone of ${original.name}` : "Submit a sweep"),
    element("p", { className: "hint" }, original
      ? "Change values of hyperparameters. Trials of the first sweep are taken over; only the difference is trained."
      : "The text of a grid file. Trials that another sweep has trained on the same data are taken over."),
    element("form", { onsubmit: send },
      element("label", {}, element("span", {}, original ? "Space (JSON)" : "Grid (TOML)"), grid),
      element("div", { className: "fields" }, name.label, ...(original ? [] : [dataset.label, known, refits.label]),
        element("label", {}, element("span", {}, "Queue"), queue), priority.label),
      element("p", { className: "acts" },
        element("button", { className: "first", type: "submit" }, "Submit"),
        original ? null : element("button", { type: "button", onclick: plan }, "Show the plan"))),
    answer);
}

/** @param {string} text @param {string} value @param {Record<string, any>} more */
function field(text, value, { list, ...more } = {}) {
  const input = /** @type {HTMLInputElement} */ (element("input", { value, ...more }));
  if (list) input.setAttribute("list", list);
  return { input, label: element("label", {}, element("span", {}, text), input) };
}
