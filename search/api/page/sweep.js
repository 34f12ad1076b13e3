// @ts-check
// One sweep, live: how far it is, what is best, cost over pairs of axes, trials, links, events.

import { Refused } from "./api.js";
import { pairs } from "./charts.js";
import { parallel } from "./parallel.js";
import { element, facts, number, stateOf, table, told, when, ENDED } from "./parts.js";

const ROWS = 50;
// Charts and table are drawn anew at most once in as many milliseconds, and in as many times as long as
// the last time took: a service that is busy is asked less.
const PAUSE = 4000, TIMES = 20;

/** @param {HTMLElement} place @param {import("./sweeps.js").Page} page */
export async function sweep(place, { me, argument: id, signal, ask, follow, tellError }) {
  const head = element("div"), charts = element("div"), trials = element("div");
  const links = element("div"), events = element("div"), acts = element("p", { className: "acts" });
  const heading = (/** @type {string} */ text) => element("h2", {}, text);
  place.append(head, acts, charts, heading("Trials"), trials, heading("Newest links"), links,
    heading("What has happened"), events);
  const { event: newest } = await ask("GET", "me");  // before the look: nothing falls in between
  let found = await ask("GET", `sweeps/${id}`);
  document.title = `${found.name} - packsweep`;
  /** @type {import("./parallel.js").Shown} */
  let shown = { ranges: new Map(), order: [], by: "least", ribbons: true, lines: true };
  /** @type {any} */
  let bins = null;
  let order = "";
  let drawnAt = -1, drawAfter = 0;
  // The newest questions for bins and for a table: what an older one is answered comes too late.
  let binsAsked = 0, tableAsked = 0;

  const change = (/** @type {string} */ wanted) => async () => {
    try {
      await ask("PATCH", `sweeps/${id}`, { body: { wanted } });
      await load();
    } catch (error) {
      tellError(error);
    }
  };
  const drawHead = () => {
    const best = found.best;
    head.replaceChildren(
      element("h1", {}, found.name, " ", stateOf(found.state)),
      element("progress", { max: found.total, value: found.finished, "aria-label": "trials" }),
      element("p", { className: "quiet", role: "status" },
        `${found.finished} of ${found.total} trials`
        + (found.running ? `, ${found.running} under way` : "")
        + (found.position ? `, no. ${found.position} of those that wait` : "")
        + (found.reason ? `. ${found.reason}` : "")),
      facts([
        ["best cost", best ? number(best.cost) : "-"],
        ["with", best ? told(best.params) : "-"],
        ["person, queue, priority", `${found.person}, ${found.queue}, ${found.priority}`],
        ["data", `${found.dataset.name} (${found.dataset.fingerprint})`],
        ["taken over from others", sharedText(found.shared)],
        ["submitted", when(found.submitted_at)],
        [found.ended_at ? "ended" : "started", when(found.ended_at ?? found.started_at)],
      ]));
    const mine = me.role === "admin" || (me.role === "submitter" && me.person === found.person);
    const over = ENDED.includes(found.state), final = ["stop", "cancel"].includes(found.wanted);
    const button = (/** @type {string} */ text, /** @type {string} */ wanted, /** @type {boolean} */ can) =>
      element("button", { type: "button", disabled: !can, onclick: change(wanted) }, text);
    acts.replaceChildren(
      ...(mine && !over ? [
        found.wanted === "pause" ? button("Resume", "run", true) : button("Pause", "pause", !final),
        button("Stop", "stop", !final), button("Cancel", "cancel", found.wanted !== "cancel"),
      ] : []),
      ...(me.role === "viewer" ? [] : [element("a", { href: `#/submit/${id}` }, "Clone with other values")]),
      element("a", { href: `#/compare/${id}` }, "Compare"),
      ...["report", "model", "summary", "messages"].map((name) => element("button", {
        type: "button", onclick: () => open(name),
      }, `Get ${name}`)),
      element("button", { type: "button", onclick: () => open("log") }, "Get log (CSV)"));
  };
  const open = async (/** @type {string} */ name) => {
    try {
      const path = name === "log" ? `sweeps/${id}/log?form=csv` : `sweeps/${id}/files/${name}`;
      const content = await ask("GET", path, { form: "blob", signal: undefined });  // it comes to its end
      const endings = { report: "html", model: "npz", summary: "json", messages: "log", log: "csv" };
      const link = element("a", {
        href: URL.createObjectURL(content),
        download: `${found.name}-${id}.${endings[/** @type {keyof typeof endings} */ (name)]}`,
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(/** @type {HTMLAnchorElement} */ (link).href), 10_000);
    } catch (error) {
      tellError(error);
    }
  };
  const picked = () => encodeURIComponent(
    [...shown.ranges].map(([name, [a, b]]) => `${name}:${a}-${b}`).join(","));
  const drawTrials = async () => {
    const began = performance.now();
    const mine = ++binsAsked, version = found.version;
    const answer = await ask("GET", `sweeps/${id}/bins?ranges=${picked()}`);
    if (signal.aborted || mine !== binsAsked) return;
    bins = answer;
    drawCharts();
    const cost = bins.axes.at(-1).name;
    const axes = bins.axes.slice(0, -1).map((/** @type {any} */ axis) => axis.name);
    if (!order) order = cost;
    await drawTable(["number", "state", ...axes, cost, "val_accuracy"]);
    drawnAt = version;
    drawAfter = performance.now() + Math.max(PAUSE, TIMES * (performance.now() - began));
  };
  const drawCharts = () => {
    const focus = charts.contains(document.activeElement)
      && document.activeElement?.getAttribute("data-key");
    const cells = pairs(bins, shown.by);
    const marks = cells.querySelectorAll("svg *").length;
    charts.replaceChildren(
      heading("Cost over pairs of hyperparameters"), colouredBy(), cells,
      heading("All trials, and the best ones"), parallel(bins, shown, marks, show));
    if (focus) {  // what was drawn anew takes the keyboard over
      /** @type {HTMLElement | null} */ (charts.querySelector(`[data-key="${CSS.escape(focus)}"]`))?.focus();
    }
  };
  const show = (/** @type {Partial<import("./parallel.js").Shown>} */ change) => {
    shown = { ...shown, ...change };
    if (change.ranges) drawTrials().catch(tellError);
    else drawCharts();
  };
  const colouredBy = () => element("label", { className: "inline" }, "coloured by ",
    element("select", {
      "data-key": "coloured", value: shown.by,
      onchange: (/** @type {Event} */ event) =>
        show({ by: /** @type {any} */ (/** @type {HTMLSelectElement} */ (event.target).value) }),
    }, ...Object.entries({ least: "the least cost", mean: "the mean cost" }).map(([value, text]) =>
      element("option", { value, selected: value === shown.by }, text))));
  const drawTable = async (/** @type {string[]} */ names) => {
    const mine = ++tableAsked, ranges = picked();
    const path = `sweeps/${id}/trials?limit=${ROWS}&order=${order}&ranges=${ranges}`;
    let page;
    try {
      page = await ask("GET", `${path}&columns=${names.join(",")}`);
    } catch (error) {  // another trainer has other metrics
      if (!(error instanceof Refused) || error.wait) throw error;
      page = await ask("GET", path);
    }
    if (signal.aborted || mine !== tableAsked) return;
    const cells = (/** @type {any} */ result) =>
      result.rows.map((/** @type {any[]} */ row) => row.map((value) => number(value)));
    const rows = cells(page);
    const shown = element("div");
    const header = page.columns.map((/** @type {string} */ name) => element("button", {
      type: "button", "aria-label": `Order by ${name}`,
      onclick: () => {
        order = order === name ? `-${name}` : name;
        drawTable(names).catch(tellError);
      },
    }, name, order === name ? " ▲" : order === `-${name}` ? " ▼" : ""));
    const more = element("button", {
      type: "button", hidden: page.after === null,
      onclick: () => goOn().catch(tellError).finally(() => more.disabled = false),
    }, "More trials");
    const goOn = async () => {
      more.disabled = true;  // a second click would bring the same ones again
      const next = await ask("GET", `${path}&columns=${page.columns.join(",")}&after=${page.after}`);
      page.after = next.after;
      more.hidden = next.after === null;
      rows.push(...cells(next));
      draw();
    };
    const draw = () => shown.replaceChildren(table(header, rows, {
      numbers: page.columns.map((/** @type {any} */ _, /** @type {number} */ i) => i).filter((i) => i !== 1),
      label: "Trials",
    }));
    draw();
    trials.replaceChildren(
      ...(ranges ? [element("p", { className: "quiet" },
        `${page.within} of ${page.total} trials, those in the bins that are picked.`)] : []),
      shown, element("p", { className: "acts" }, more));
  };
  const drawLinks = () => links.replaceChildren(found.links.length
    ? table(["ended", "pack", "epochs", "width", "machine"], [...found.links].reverse().map((link) => [
      new Date(link.at * 1000).toLocaleTimeString(), link.label, `${link.start_epoch} to ${link.epoch}`,
      number(link.width), link.node,
    ]), { numbers: [3], label: "Newest links" })
    : element("p", { className: "quiet" }, "None since it was opened."));
  const drawEvents = async () => {
    const past = await ask("GET", `events/past?sweep=${id}&limit=200`);
    events.replaceChildren(table(["when", "what", "more"], past.reverse().map((/** @type {any} */ event) => [
      when(event.at), event.kind,
      told(Object.fromEntries(Object.entries(event.detail).filter(([, value]) => value !== ""))),
    ]), { free: [2], label: "Events" }));
  };
  const drawFound = () => {
    drawHead();
    drawLinks();
    if (!found.finished) trials.replaceChildren(element("p", { className: "quiet" }, "None yet."));
  };
  const load = async () => {
    found = await ask("GET", `sweeps/${id}`);
    if (signal.aborted) return;
    drawFound();
    await drawEvents();
  };
  await load();
  if (found.finished) await drawTrials();
  // One thing at a time, and once more where something has come meanwhile.
  let busy = false, news = false, waiting = false;
  const look = async () => {
    if (busy || signal.aborted) return;
    busy = true;
    try {
      while (news && !signal.aborted) {
        news = false;
        await load();
      }
      const rest = ENDED.includes(found.state) ? 0 : drawAfter - performance.now();
      if (found.finished && found.version !== drawnAt && !signal.aborted) {
        if (rest <= 0) await drawTrials();
        else if (!waiting) {
          waiting = true;
          setTimeout(() => {
            waiting = false;
            look();
          }, rest);
        }
      }
    } catch (error) {
      tellError(error);
    }
    busy = false;
    if (news) look();
  };
  follow((/** @type {string} */ kind, /** @type {any} */ data) => {
    if (signal.aborted) return;
    if (kind === "progress") {  // which brings all that is said of the sweep
      found = { ...found, ...data };
      drawFound();
    } else news = true;
    look();
  }, signal, newest, id).catch(tellError);
}

/** @param {any} shared */
function sharedText(shared) {
  if (!shared.trials) return "nothing";
  const from = shared.from.length ? ` of ${shared.from.join(", ")}` : "";
  return `${shared.trials} ${shared.trials === 1 ? "trial" : "trials"}${from}`;
}
