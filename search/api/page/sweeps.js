// @ts-check
// All sweeps: what runs, what waits and why, what has ended.

import { bestOf, element, number, redraw, stateOf, table, told, when } from "./parts.js";

/** @typedef {{me: any, argument: string, signal: AbortSignal,
 *   ask: typeof import("./api.js").ask, follow: typeof import("./api.js").follow,
 *   tellError: (error: unknown) => void}} Page */

const PAGE = 50;

/** @param {HTMLElement} place @param {Page} page */
export async function sweeps(place, { me, signal, ask, follow, tellError }) {
  document.title = "Sweeps - packsweep";
  const running = element("div"), past = element("div"), queues = element("div");
  const more = /** @type {HTMLButtonElement} */ (element("button", {
    type: "button", hidden: true, onclick: () => older(),
  }, "Older ones"));
  place.append(element("h1", {}, "Sweeps"), running, element("h2", {}, "Ended"), past,
    element("p", { className: "acts" }, more), element("h2", {}, "Queues and people"), queues);
  /** @type {Map<string, any>} all that have not ended */
  let live = new Map();
  /** @type {Map<string, any>} those of the others that are shown, the last that ended first */
  let ended = new Map();
  /** @type {number | null} what older ones are asked for with */
  let oldest = null;

  const draw = () => {
    const rows = [...live.values()].sort(inOrder);
    redraw(running, rows.length ? liveTable(rows)
      : element("p", { className: "quiet" }, me.role === "viewer" ? "Nothing runs and nothing waits."
        : "Nothing runs and nothing waits. ", me.role === "viewer" ? null
        : element("a", { href: "#/submit" }, "Submit a sweep")));
    redraw(past, ended.size ? endedTable([...ended.values()])
      : element("p", { className: "quiet" }, "None yet."));
    more.hidden = oldest === null;
  };
  const load = async () => {
    try {
      const [rows, newest] = await Promise.all([everyLive(ask), ask("GET", `sweeps?state=ended&limit=${PAGE}`)]);
      takeEnded(newest);
      // Who has ended between both looks is in both.
      live = new Map(rows.filter((sweep) => !ended.has(sweep.id)).map((sweep) => [sweep.id, sweep]));
      draw();
      await shares();
    } catch (error) {
      tellError(error);
    }
  };
  /** @param {{sweeps: any[], before: number | null}} newest */
  const takeEnded = ({ sweeps, before }) => {
    const last = sweeps.at(-1), fresh = new Set(sweeps.map((sweep) => sweep.id));
    // What was shown below stays, unless so many have ended that something is missing in between.
    const goesOn = before !== null && sweeps.some((sweep) => ended.has(sweep.id));
    const below = !goesOn ? [] : [...ended.values()].filter((sweep) =>
      sweep.ended_at <= last.ended_at && !fresh.has(sweep.id));
    if (!goesOn) oldest = before;
    ended = new Map([...sweeps, ...below].map((sweep) => [sweep.id, sweep]));
  };
  const older = async () => {
    more.disabled = true;  // a second click would bring the same ones again
    try {
      const from = oldest, found = await ask("GET", `sweeps?state=ended&limit=${PAGE}&before=${from}`);
      if (from !== oldest) return;  // a look has begun anew meanwhile
      for (const sweep of found.sweeps) ended.set(sweep.id, sweep);
      oldest = found.before;
      draw();
    } catch (error) {
      tellError(error);
    } finally {
      more.disabled = false;
    }
  };
  const shares = async () => {
    const [rows, people] = await Promise.all([ask("GET", "queues"), ask("GET", "people")]);
    redraw(queues,
      table(["queue", "cores at work", "its own", "at most"], rows.map((/** @type {any} */ q) =>
        [q.name, number(q.used), number(q.cores), number(q.most)]), { numbers: [1, 2, 3], label: "Queues" }),
      table(["person", "weight", "core-seconds, halved every ten minutes"], people.map((/** @type {any} */ p) =>
        [p.name, number(p.weight), number(Math.round(p.use))]), { numbers: [1, 2], label: "People" }));
  };
  const { event: newest } = await ask("GET", "me");  // before the look: nothing falls in between
  await load();
  let waiting = false, took = 0;
  follow((/** @type {string} */ kind, /** @type {any} */ data) => {
    if (kind === "progress") {
      if (!live.has(data.id)) return;
      live.set(data.id, data);
      draw();
      return;
    }
    if (kind === "deleted" && ended.delete(data.sweep)) draw();
    if (waiting) return;
    waiting = true;  // several events come together
    setTimeout(async () => {
      waiting = false;
      const began = performance.now();
      if (!signal.aborted) await load();
      took = performance.now() - began;
    }, Math.max(200, 10 * took));  // a service that is busy is asked less
  }, signal, newest).catch(tellError);
}

/** @param {Page["ask"]} ask @returns {Promise<any[]>} all sweeps that have not ended */
async function everyLive(ask) {
  const rows = [];
  for (let before = ""; ;) {
    const found = await ask("GET", `sweeps?state=live&limit=200${before}`);
    rows.push(...found.sweeps);
    if (found.before === null) return rows;
    before = `&before=${found.before}`;
  }
}

const STATES = ["running", "pausing", "stopping", "queued", "paused"];

/** @param {any} sweep */
const rank = (sweep) => STATES.includes(sweep.state) ? STATES.indexOf(sweep.state) : STATES.length;

/**
 * What is at work comes first, then what waits, by its place, then what is paused, then what is
 * only just ending.
 * @param {any} a @param {any} b
 */
const inOrder = (a, b) => rank(a) - rank(b)
  || (a.position ?? Infinity) - (b.position ?? Infinity) || a.submitted_at.localeCompare(b.submitted_at);

/** @param {any} sweep */
const name = (sweep) => element("a", { href: `#/sweeps/${sweep.id}` }, sweep.name);

/** @param {any[]} rows */
function liveTable(rows) {
  return table(
    ["sweep", "person", "state", "place", "trials", "best", "why it waits"],
    rows.map((sweep) => [
      name(sweep), sweep.person, stateOf(sweep.state), number(sweep.position), bar(sweep),
      bestOf(sweep.best), sweep.reason,
    ]),
    { keys: rows.map((sweep) => sweep.id), numbers: [3], spare: [1], free: [6], label: "Running and waiting" });
}

/** @param {any} sweep */
const bar = (sweep) => element("span", {},
  element("progress", { max: sweep.total, value: sweep.finished, "aria-label": `trials of ${sweep.name}` }),
  element("br"), `${sweep.finished} of ${sweep.total}`);

/** @param {any[]} rows */
function endedTable(rows) {
  return table(
    ["sweep", "person", "state", "trials", "best", "with", "ended"],
    rows.map((sweep) => [
      name(sweep), sweep.person, stateOf(sweep.state), `${sweep.finished} of ${sweep.total}`,
      bestOf(sweep.best), sweep.best ? told(sweep.best.params) : sweep.reason, when(sweep.ended_at),
    ]),
    { keys: rows.map((sweep) => sweep.id), numbers: [3], spare: [1, 6], free: [5], label: "Ended sweeps" });
}
