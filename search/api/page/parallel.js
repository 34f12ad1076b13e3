// @ts-check
// Parallel coordinates: all trials as ribbons between the bins of neighbouring axes, the best ones
// as lines, and buttons that select bins.

import { COLOURED, cellText, colour, costsOf, label, readout, scale, short, svg } from "./charts.js";
import { element, number } from "./parts.js";

const MOST_LINES = 1000;

// What charts may draw in all; the rest of the page has its own texts and axes.
const MOST_MARKS = 4800;

/**
 * What is shown, and how.
 * @typedef {object} Shown
 * @property {Map<string, [number, number]>} ranges the selected bins, by axis
 * @property {string[]} order names of the axes; those of none go behind
 * @property {import("./charts.js").Coloured} by
 * @property {boolean} ribbons
 * @property {boolean} lines
 */

/** @param {any} bins @param {Shown} shown @returns {any[]} the axes in the order that is shown */
export function ordered(bins, { order }) {
  const place = (/** @type {any} */ axis) => {
    const at = order.indexOf(axis.name);
    return at < 0 ? order.length : at;
  };
  return [...bins.axes].sort((a, b) => place(a) - place(b));
}

/** @param {any} bins @param {string} left @param {string} right @returns {any[]} cells, left bin first */
function between(bins, left, right) {
  for (const pair of bins.pairs) {
    if (pair.x === left && pair.y === right) return pair.cells;
    if (pair.x === right && pair.y === left) {
      return pair.cells.map(([a, b, ...rest]) => [b, a, ...rest]);
    }
  }
  return [];
}

/**
 * Draw them.
 * @param {any} bins
 * @param {Shown} shown
 * @param {number} others marks of the charts beside it
 * @param {(change: Partial<Shown>) => void} change called with what shall be shown otherwise
 */
export function parallel(bins, shown, others, change) {
  const axes = ordered(bins, shown);
  const width = Math.max(320, Math.min(760, document.documentElement.clientWidth - 24));
  const [height, top, left, right] = [340, 22, 12, width < 500 ? 40 : 60];
  const step = (width - left - right) / Math.max(axes.length - 1, 1);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Parallel coordinates" });
  const slot = (/** @type {number} */ axis) => (height - 14 - top) / axes[axis].bins.length;
  const at = (/** @type {number} */ axis, /** @type {number} */ bin) => height - 14 - (bin + 0.5) * slot(axis);
  const x = (/** @type {number} */ axis) => left + axis * step;
  /** @type {Map<EventTarget, () => string>} */
  const texts = new Map();

  const gaps = axes.slice(1).map((axis, i) => between(bins, axes[i].name, axis.name));
  if (shown.ribbons) {
    const part = scale(gaps.flatMap((cells) => costsOf(cells, shown.by)));
    gaps.forEach((cells, i) => {
      for (const [ribbon, cell] of ribbons(cells, i, { at, slot, x })) {
        const cost = cell[COLOURED[shown.by]];
        ribbon.setAttribute("fill", cost === null ? "#888" : colour(part(cost)));
        texts.set(ribbon, () => cellText(
          axes[i].name, axes[i].bins[cell[0]], axes[i + 1].name, axes[i + 1].bins[cell[1]], cell));
        chart.append(ribbon);
      }
    });
  }
  const marks = others + chart.childElementCount
    + axes.reduce((sum, axis) => sum + axis.bins.length + 12, 0);
  const count = shown.lines ? Math.max(Math.min(bins.best.length, MOST_LINES, MOST_MARKS - marks), 0) : 0;
  const part = scale(bins.best.map((/** @type {any} */ row) => row[1]));
  const places = new Map(bins.axes.map((/** @type {any} */ axis, /** @type {number} */ i) => [axis.name, 2 + i]));
  for (const row of bins.best.slice(0, count).reverse()) {
    // Scattered a little within a bin: lines of the same bins would lie on each other.
    const aside = (row[0] * 0.618034 % 1 - 0.5) * 0.7;
    const points = axes.map((axis, i) =>
      `${x(i).toFixed(1)},${(at(i, row[places.get(axis.name)]) + aside * slot(i)).toFixed(1)}`);
    const line = svg("polyline", { class: "line", points: points.join(" "), stroke: colour(part(row[1])) });
    texts.set(line, () => `trial ${row[0]}: cost ${number(row[1])}, ${axes
      .map((axis) => `${axis.name} ${label(axis.bins[row[places.get(axis.name)]])}`).join(", ")}`);
    chart.append(line);
  }
  axes.forEach((axis, i) => chart.append(...axisOf(axis, i, { at, slot, x, step, top, height, shown, change })));

  const box = element("div", {}, chart);
  const picked = shown.ranges.size ? " in the selected bins" : "";
  return element("figure", {},
    switches(shown, axes, change), box, readout(box, texts),
    element("figcaption", {},
      `${bins.within} trials${picked}, ribbons as wide as their number; the ${count} best as lines. `
      + "Click a bin to select it, or press Enter (arrow keys move along its axis); another bin widens the range; "
      + "selecting a single bin again clears it."
      + (bins.left_out.length ? ` Not drawn, because there are too many axes: ${bins.left_out.join(", ")}.` : "")));
}

/**
 * The ribbons between two axes, each with its cell: as high as the share of its trials in the
 * fullest bin of the axis, those of a bin on top of each other.
 * @param {any[]} cells @param {number} gap @param {any} geometry
 * @returns {Array<[SVGElement, any[]]>}
 */
function ribbons(cells, gap, { at, slot, x }) {
  const side = (/** @type {number} */ own) => {
    /** @type {Map<number, number>} */
    const sums = new Map();
    for (const cell of cells) sums.set(cell[own], (sums.get(cell[own]) ?? 0) + cell[2]);
    const axis = gap + own, most = Math.max(...sums.values());
    const unit = (0.9 * slot(axis)) / most;
    /** @type {Map<any[], [number, number]>} */
    const spans = new Map();
    /** @type {Map<number, number>} */
    const bottom = new Map();
    for (const cell of [...cells].sort((a, b) => a[own] - b[own] || a[1 - own] - b[1 - own])) {
      const bin = cell[own];
      const y = bottom.get(bin) ?? at(axis, bin) + ((sums.get(bin) ?? 0) * unit) / 2;
      spans.set(cell, [y, y - cell[2] * unit]);
      bottom.set(bin, y - cell[2] * unit);
    }
    return spans;
  };
  if (!cells.length) return [];
  const [from, to] = [side(0), side(1)], [a, b] = [x(gap) + 1, x(gap + 1) - 1], middle = (a + b) / 2;
  return cells.map((cell) => {
    const [[p, q], [r, s]] = [from.get(cell) ?? [0, 0], to.get(cell) ?? [0, 0]].map((span) => span.map((y) => y.toFixed(1)));
    const path = `M${a} ${p}C${middle} ${p} ${middle} ${r} ${b} ${r}V${s}C${middle} ${s} ${middle} ${q} ${a} ${q}Z`;
    return [svg("path", { class: "ribbon", d: path }), cell];
  });
}

/** @param {any} axis @param {number} i @param {any} geometry @returns {SVGElement[]} */
function axisOf(axis, i, { at, slot, x, step, top, height, shown, change }) {
  const range = shown.ranges.get(axis.name);
  // Names stand above their axes, each as far as to the middle between two; the first one begins at the edge.
  const letters = Math.max(4, Math.floor((i ? step : x(0) + step / 2) / 6.2));
  const name = axis.name.length > letters ? `${axis.name.slice(0, letters - 1)}…` : axis.name;
  const made = [
    svg("line", { class: "axis", x1: x(i), x2: x(i), y1: top, y2: height - 14 }),
    svg("text", { x: i ? x(i) : 0, y: 12, "text-anchor": i ? "middle" : "start" }, name),
  ];
  const every = Math.ceil(axis.bins.length / 8);
  /** @type {SVGElement[]} */
  const marks = [];
  axis.bins.forEach((/** @type {any} */ bin, /** @type {number} */ j) => {
    const taken = range && range[0] <= j && j <= range[1];
    const mark = svg("rect", {
      class: taken ? "band" : "bin", x: x(i) - 5, y: at(i, j) - slot(i) / 2 + 1, width: 10, height: Math.max(slot(i) - 2, 1),
      // One stop of the Tab key for each axis.
      tabindex: j === (range ? range[0] : 0) ? 0 : -1, role: "button",
      "aria-label": `${axis.name} ${label(bin)}`, "aria-pressed": String(!!taken), "data-key": `${axis.name} ${j}`,
    });
    const pick = () => {
      const ranges = new Map(shown.ranges);
      if (taken && range[0] === range[1]) ranges.delete(axis.name);
      else if (!range || taken) ranges.set(axis.name, [j, j]);
      else ranges.set(axis.name, [Math.min(range[0], j), Math.max(range[1], j)]);
      change({ ranges });
    };
    mark.addEventListener("click", pick);
    mark.addEventListener("keydown", (event) => {
      const { key } = /** @type {KeyboardEvent} */ (event);
      /** @type {Record<string, number>} */
      const moves = { ArrowUp: j + 1, ArrowDown: j - 1, Home: 0, End: marks.length - 1 };
      if (key === "Enter" || key === " ") pick();
      else if (key in moves) marks[Math.min(Math.max(moves[key], 0), marks.length - 1)].focus();
      else return;
      event.preventDefault();
    });
    marks.push(mark);
    made.push(mark);
    if (j % every === 0) made.push(svg("text", { x: x(i) + 8, y: at(i, j) + 4 }, short(bin)));
  });
  return made;
}

/** @param {Shown} shown @param {any[]} axes @param {(change: Partial<Shown>) => void} change */
function switches(shown, axes, change) {
  const box = (/** @type {string} */ text, /** @type {"ribbons" | "lines"} */ key) =>
    element("label", {}, element("input", {
      type: "checkbox", checked: shown[key], "data-key": key, onchange: () => change({ [key]: !shown[key] }),
    }), ` ${text}`);
  const names = axes.map((axis) => axis.name);
  const move = (/** @type {number} */ i, /** @type {number} */ by, /** @type {string} */ sign, /** @type {string} */ where) =>
    element("button", {
      type: "button", disabled: !names[i + by], "aria-label": `Move ${names[i]} to the ${where}`,
      "data-key": `${where} ${names[i]}`,
      onclick: () => {
        const order = [...names];
        [order[i], order[i + by]] = [order[i + by], order[i]];
        change({ order });
      },
    }, sign);
  return element("div", { className: "acts" },
    box("all trials as ribbons", "ribbons"), box("the best as lines", "lines"),
    element("span", { className: "order", role: "group", "aria-label": "Order of the axes" },
      ...names.map((name, i) => element("span", {}, move(i, -1, "◂", "left"), name, move(i, 1, "▸", "right")))),
    shown.ranges.size ? element("button", {
      type: "button", "data-key": "all", onclick: () => change({ ranges: new Map() }),
    }, "Clear the selection") : null);
}
