// @ts-check
// All sweeps: what runs, what waits and why, what has ended.

import { element, number, stateOf, table, told, when, ENDED } from "./parts.js";

/** @typedef {{me: any, argument: string, signal: AbortSignal,
 *   ask: typeof import("./api.js").ask, follow: Function, tellError: Function}} Page */

/** @param {HTMLElement} place @param {Page} page */
export async function sweeps(place, { me, signal, ask, follow, tellError }) {
  document.title = "Sweeps - packsweep";
  const live = element("div"), ended = element("div"), queues = element("div");
  const more = element("button", { type: "button", hidden: true, onclick: () => load(true) }, "Older ones");
  place.append(element("h1", {}, "Sweeps"), live, element("h2", {}, "Ended"), ended,
    element("p", { className: "acts" }, more), element("h2", {}, "Queues and people"), queues);
  /** @type {Map<string, any>} */
  const known = new Map();
  /** @type {number | null} */
  let oldest = null;

  const draw = () => {
    const all = [...known.values()];
    const open = all.filter((sweep) => !ENDED.includes(sweep.state));
    open.sort((a, b) => (a.position ?? 0) - (b.position ?? 0) || a.submitted_at.localeCompare(b.submitted_at));
    live.replaceChildren(open.length ? liveTable(open)
      : element("p", { className: "quiet" }, me.role === "viewer" ? "Nothing runs and nothing waits."
        : "Nothing runs and nothing waits. ", me.role === "viewer" ? null
        : element("a", { href: "#/submit" }, "Submit a sweep")));
    const past = all.filter((sweep) => ENDED.includes(sweep.state));
    past.sort((a, b) => (b.ended_at ?? "").localeCompare(a.ended_at ?? ""));
    ended.replaceChildren(past.length ? endedTable(past)
      : element("p", { className: "quiet" }, "None yet."));
  };
  const load = async (/** @type {boolean} */ older) => {
    try {
      const after = older && oldest !== null ? `&before=${oldest}` : "";
      const found = await ask("GET", `sweeps?limit=50${after}`);
      for (const sweep of found.sweeps) known.set(sweep.id, sweep);
      if (older || oldest === null) oldest = found.before;
      more.hidden = oldest === null;
      draw();
      await shares();
    } catch (error) {
      tellError(error);
    }
  };
  const shares = async () => {
    const [rows, people] = await Promise.all([ask("GET", "queues"), ask("GET", "people")]);
    queues.replaceChildren(
      table(["queue", "cores at work", "its own", "at most"], rows.map((/** @type {any} */ q) =>
        [q.name, number(q.used), number(q.cores), number(q.most)]), { numbers: [1, 2, 3], label: "Queues" }),
      table(["person", "weight", "core-seconds, halved each ten minutes"], people.map((/** @type {any} */ p) =>
        [p.name, number(p.weight), number(Math.round(p.use))]), { numbers: [1, 2], label: "People" }));
  };
  const { event: newest } = await ask("GET", "me");  // before the look: nothing falls in between
  await load(false);
  let waiting = false, took = 0;
  follow((/** @type {string} */ kind, /** @type {any} */ data) => {
    if (kind === "progress" && known.has(data.id)) {
      known.set(data.id, data);
      draw();
    } else if (kind !== "progress" && !waiting) {
      waiting = true;  // several events come together
      setTimeout(async () => {
        waiting = false;
        const began = performance.now();
        if (!signal.aborted) await load(false);
        took = performance.now() - began;
      }, Math.max(200, 10 * took));  // a service that is busy is asked less
    }
  }, signal, newest).catch(tellError);
}

/** @param {any} sweep */
const name = (sweep) => element("a", { href: `#/sweeps/${sweep.id}` }, sweep.name);

/** @param {any[]} rows */
function liveTable(rows) {
  return table(
    ["sweep", "person", "state", "place", "trials", "best cost", "why it waits"],
    rows.map((sweep) => [
      name(sweep), sweep.person, stateOf(sweep.state), number(sweep.position), bar(sweep),
      number(sweep.best?.cost), sweep.reason,
    ]),
    { numbers: [3, 5], spare: [1], free: [6], label: "What runs and what waits" });
}

/** @param {any} sweep */
const bar = (sweep) => element("span", {},
  element("progress", { max: sweep.total, value: sweep.finished, "aria-label": `trials of ${sweep.name}` }),
  element("br"), `${sweep.finished} of ${sweep.total}`);

/** @param {any[]} rows */
function endedTable(rows) {
  return table(
    ["sweep", "person", "state", "trials", "best cost", "with", "ended"],
    rows.map((sweep) => [
      name(sweep), sweep.person, stateOf(sweep.state), `${sweep.finished} of ${sweep.total}`,
      number(sweep.best?.cost), sweep.best ? told(sweep.best.params) : sweep.reason, when(sweep.ended_at),
    ]),
    { numbers: [3, 4], spare: [1, 6], free: [5], label: "What has ended" });
}
