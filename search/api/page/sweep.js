// @ts-check
// One sweep, live: how far it is, what is best, cost over pairs of axes, trials, links, events.

import { Refused } from "./api.js";
import { pairs } from "./charts.js";
import { parallel } from "./parallel.js";
import { element, facts, number, redraw, size, stateOf, table, told, when } from "./parts.js";

const ROWS = 50;
const EVENTS = 200;

// What is asked about first, since it cannot be undone.
const FINAL = /** @type {Record<string, string>} */ ({
  stop: "No more trials are trained, and the best trial so far becomes its model.",
  cancel: "Running tasks are ended at once, and there is no model. What was logged stays.",
});

// Charts and table are drawn anew at most once in as many milliseconds, and in as many times as long as
// the last time took: a service that is busy is asked less.
const PAUSE = 4000, TIMES = 20;

/** @param {HTMLElement} place @param {import("./sweeps.js").Page} page */
export async function sweep(place, { me, argument: id, signal, ask, follow, tellError }) {
  const head = element("div"), charts = element("div"), links = element("div");
  const acts = element("p", { className: "acts" });
  const picks = element("p", { className: "quiet", hidden: true }), trials = element("div");
  const events = element("div");
  // What is read aloud where it changes: the state, and not every count.
  const heard = element("p", { className: "heard", role: "status" });
  const heading = (/** @type {string} */ text) => element("h2", {}, text);
  /** @param {string} text @param {() => Promise<void>} bring */
  const below = (text, bring) => {
    const button = /** @type {HTMLButtonElement} */ (element("button", {
      type: "button", hidden: true,
      onclick: () => {
        button.disabled = true;  // a second click would bring the same ones again
        bring().catch(tellError).finally(() => { button.disabled = false; });
      },
    }, text));
    return button;
  };
  /** @type {() => Promise<void>} */
  let goOn = async () => {};
  const more = below("More trials", () => goOn()), older = below("Older ones", () => olderEvents());
  place.append(head, heard, acts, charts, heading("Trials"), picks, trials, element("p", { className: "acts" }, more),
    heading("Newest links"), links, heading("Events"), events, element("p", { className: "acts" }, older));
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
  /** @type {any[]} what has happened, the newest first */
  let past = [];
  let isGone = false;

  const leave = () => {
    isGone = true;
    place.replaceChildren(element("h1", {}, `${found.name} is deleted`),
      element("p", {}, element("a", { href: "#/" }, "Back to the sweeps")));
  };
  const change = (/** @type {string} */ wanted) => async () => {
    try {
      const verb = wanted[0].toUpperCase() + wanted.slice(1);
      if (wanted in FINAL && !confirm(`${verb} ${found.name}? ${FINAL[wanted]} This cannot be undone.`)) return;
      await ask("PATCH", `sweeps/${id}`, { body: { wanted } });
      await load();
    } catch (error) {
      tellError(error);
    }
  };
  const drawHead = () => {
    const best = found.best, by = best?.objective;
    redraw(head,
      element("h1", { tabIndex: -1 }, found.name, " ", stateOf(found.state)),
      element("progress", { max: found.total, value: found.finished, "aria-label": "trials" }),
      element("p", { className: "quiet" },
        `${found.finished} of ${found.total} trials`
        + (found.running ? `, ${found.running} under way` : "")
        + (found.position ? `, no. ${found.position} of those that wait` : "")
        + (found.reason ? `. ${found.reason}` : "")),
      facts([
        ...(by ? [/** @type {[string, string]} */ ([`best ${by}`, number(best.value)])] : []),
        [by ? "cost of that trial" : "best cost", number(best?.cost)],
        ["with", best ? told(best.params) : "-"],
        ["person, queue, priority", `${found.person}, ${found.queue}, ${found.priority}`],
        ["data", `${found.dataset.name} (${found.dataset.fingerprint})`],
        ["taken over from others", sharedText(found.shared)],
        ["submitted", when(found.submitted_at)],
        [found.ended_at ? "ended" : "started", when(found.ended_at ?? found.started_at)],
      ]));
    const said = `${found.name} ${found.state}${found.reason ? `: ${found.reason}` : ""}`;
    if (heard.textContent !== said) heard.textContent = said;
  };
  const drawActs = () => {
    const mine = me.role === "admin" || (me.role === "submitter" && me.person === found.person);
    const over = found.ended_at !== null, final = ["stop", "cancel"].includes(found.wanted);
    const wanting = (/** @type {string} */ text, /** @type {string} */ wanted, /** @type {boolean} */ can) =>
      element("button", {
        type: "button", disabled: !can, onclick: change(wanted), "data-key": text === "Resume" ? "Pause" : text,
      }, text);
    const had = acts.contains(document.activeElement);
    redraw(acts,
      ...(mine && !over ? [
        found.wanted === "pause" ? wanting("Resume", "run", true) : wanting("Pause", "pause", !final),
        wanting("Stop", "stop", !final), wanting("Cancel", "cancel", found.wanted !== "cancel"),
      ] : []),
      ...(me.role === "viewer" ? [] : [
        element("a", { href: `#/submit/${id}`, "data-key": "clone" }, "Clone with other values"),
      ]),
      element("a", { href: `#/compare/${id}`, "data-key": "compare" }, "Compare"),
      ...["report", "model", "summary", "messages", "log"].map((name) => element("button", {
        type: "button", onclick: () => open(name), "data-key": name,
      }, name === "log" ? "Get log (CSV)" : `Get ${name}`)),
      ...(mine && over ? [element("button", { type: "button", onclick: remove, "data-key": "delete" }, "Delete")] : []));
    // Who was at a button that is gone goes on above.
    if (had && !acts.contains(document.activeElement)) head.querySelector("h1")?.focus({ preventScroll: true });
  };
  const remove = async () => {
    try {
      const path = `sweeps/${id}`, { bytes } = await ask("DELETE", `${path}?dry_run=true`, { reads: true });
      if (signal.aborted || !confirm(`Delete ${found.name} (${id}) with its log, model and report? `
        + `That frees ${size(bytes)} and cannot be undone.`)) return;
      await ask("DELETE", path);
      if (!signal.aborted) location.hash = "#/";
    } catch (error) {
      tellError(error);
    }
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
    /** @type {any} */
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
    const header = () => page.columns.map((/** @type {string} */ name) => element("button", {
      type: "button", "aria-label": `Order by ${name}`,
      onclick: () => {
        order = order === name ? `-${name}` : name;
        drawTable(names).catch(tellError);
      },
    }, name, order === name ? " ▲" : order === `-${name}` ? " ▼" : ""));
    const draw = () => {
      redraw(trials, table(header(), rows, {
        numbers: page.columns.map((/** @type {any} */ _, /** @type {number} */ i) => i).filter((i) => i !== 1),
        label: "Trials",
      }));
      more.hidden = page.after === null;
    };
    goOn = async () => {
      const next = await ask("GET", `${path}&columns=${page.columns.join(",")}&after=${page.after}`);
      if (mine !== tableAsked) return;  // another table stands there meanwhile
      page.after = next.after;
      rows.push(...cells(next));
      draw();
    };
    draw();
    picks.hidden = !ranges;
    picks.textContent = ranges ? `${page.within} of ${page.total} trials, those in the selected bins.` : "";
  };
  const drawLinks = () => redraw(links, found.links.length
    ? table(["ended", "pack", "epochs", "width", "machine"], [...found.links].reverse().map((link) => [
      when(link.at * 1000), link.label, `${link.start_epoch} to ${link.epoch}`, number(link.width), link.node,
    ]), { numbers: [3], label: "Newest links" })
    : element("p", { className: "quiet" }, "None since it was opened."));
  const drawEvents = () => redraw(events, table(["when", "what", "more"], past.map((event) => [
    when(event.at), event.kind,
    told(Object.fromEntries(Object.entries(event.detail).filter(([, value]) => value !== ""))),
  ]), { free: [2], label: "Events", keys: past.map((event) => event.id) }));
  const olderEvents = async () => {
    const before = past.length ? `&before=${past[past.length - 1].id}` : "";
    const found = await ask("GET", `events/past?sweep=${id}&newest=true&limit=${EVENTS}${before}`);
    if (signal.aborted) return;
    past.push(...found);
    older.hidden = found.length < EVENTS;
    drawEvents();
  };
  const drawFound = () => {
    drawHead();
    drawActs();
    drawLinks();
    if (!found.finished) redraw(trials, element("p", { className: "quiet" }, "None yet."));
  };
  const load = async () => {
    found = await ask("GET", `sweeps/${id}`);
    if (signal.aborted || isGone) return;
    drawFound();
  };
  drawFound();
  await olderEvents();
  if (found.finished) await drawTrials();
  // One thing at a time, and once more where something has come meanwhile.
  let busy = false, news = false, waiting = false;
  const look = async () => {
    if (busy || isGone || signal.aborted) return;
    busy = true;
    try {
      while (news && !signal.aborted) {
        news = false;
        await load();
      }
      const rest = found.ended_at !== null ? 0 : drawAfter - performance.now();
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
      if (!isGone) tellError(error);
    }
    busy = false;
    if (news) look();
  };
  follow((/** @type {string} */ kind, /** @type {any} */ data) => {
    if (signal.aborted) return;
    if (kind === "progress") {  // which brings all that is said of the sweep
      found = { ...found, ...data };
      drawFound();
    } else {
      news = true;
      if (data && data.id > (past[0]?.id ?? 0)) {
        past.unshift(data);
        drawEvents();
      }
      if (kind === "deleted") leave();
    }
    look();
  }, signal, newest, id).catch(tellError);
}

/** @param {any} shared */
function sharedText(shared) {
  if (!shared.trials) return "nothing";
  const from = shared.from.length ? ` of ${shared.from.join(", ")}` : "";
  return `${shared.trials} ${shared.trials === 1 ? "trial" : "trials"}${from}`;
}
