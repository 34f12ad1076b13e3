// @ts-check
// Charts of bins: cost over pairs of axes, and parallel coordinates. The service bins, so that
// what is drawn does not grow with the number of trials.

import { element, number } from "./parts.js";

const NS = "http://www.w3.org/2000/svg";
const MOST_LINES = 300;

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function svg(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * The colour of a cost between the least and the greatest: dark blue is the least.
 * @param {number} part from 0 to 1
 */
export function colour(part) {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const at = Math.min(Math.max(part, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mixed = stops[low].map((c, i) => Math.round(c + (at - low) * (stops[low + 1][i] - c)));
  return `rgb(${mixed.join(" ")})`;
}

/**
 * Put costs on a scale by their ranks: a few that have diverged do not hide the rest.
 * @param {number[]} costs
 * @returns {(cost: number) => number}
 */
function scale(costs) {
  const sorted = [...new Set(costs)].sort((a, b) => a - b);
  const place = new Map(sorted.map((cost, i) => [cost, i / Math.max(sorted.length - 1, 1)]));
  return (cost) => place.get(cost) ?? 1;
}

/** @param {any} bin */
const label = (bin) => (Array.isArray(bin) ? `${number(bin[0])}…${number(bin[1])}` : number(bin));

/**
 * Cost over pairs of axes: the least cost of each cell.
 * @param {any} bins
 */
export function pairs(bins) {
  const axes = new Map(bins.axes.map((/** @type {any} */ axis) => [axis.name, axis.bins]));
  const cost = bins.axes.at(-1).name;
  const drawn = bins.pairs.filter((/** @type {any} */ pair) => pair.y !== cost);
  const known = drawn.flatMap((/** @type {any} */ pair) =>
    pair.cells.map((/** @type {any} */ c) => c[3]).filter((/** @type {any} */ c) => c !== null));
  const part = scale(known);
  const figures = drawn.map((/** @type {any} */ pair) => {
    const [x, y] = [axes.get(pair.x), axes.get(pair.y)];
    const [width, height, left, below] = [300, 220, 62, 34];
    const [w, h] = [(width - left) / x.length, (height - below) / y.length];
    const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    chart.append(svg("title", {}, `Least cost by ${pair.x} and ${pair.y}`));
    for (const [i, j, count, least] of pair.cells) {
      const cell = svg("rect", {
        class: "cell", x: left + i * w, y: (y.length - 1 - j) * h, width: Math.max(w - 1, 1),
        height: Math.max(h - 1, 1), fill: least === null ? "#888" : colour(part(least)),
      });
      const said = least === null ? "no cost" : `least cost ${number(least)}`;
      const trials = count === 1 ? "1 trial" : `${count} trials`;
      cell.append(svg("title", {},
        `${pair.x} ${label(x[i])}, ${pair.y} ${label(y[j])}: ${said}, ${trials}`));
      chart.append(cell);
    }
    const every = (/** @type {any[]} */ values) => Math.ceil(values.length / 5);
    x.forEach((/** @type {any} */ bin, /** @type {number} */ i) => {
      if (i % every(x) === 0) {
        chart.append(svg("text", {
          x: left + (i + 0.5) * w, y: height - below + 14, "text-anchor": "middle",
        }, number(Array.isArray(bin) ? bin[0] : bin)));
      }
    });
    y.forEach((/** @type {any} */ bin, /** @type {number} */ j) => {
      if (j % every(y) === 0) {
        chart.append(svg("text", {
          x: left - 5, y: (y.length - 0.5 - j) * h + 4, "text-anchor": "end",
        }, number(Array.isArray(bin) ? bin[0] : bin)));
      }
    });
    chart.append(svg("text", { x: left, y: height - 4 }, pair.x));
    return element("figure", {}, chart, element("figcaption", {}, `${pair.y} over ${pair.x}`));
  });
  return element("div", {},
    legend(known), element("div", { className: "charts" }, ...figures));
}

/** @param {number[]} known */
function legend(known) {
  const strip = document.createElement("canvas");
  [strip.width, strip.height] = [144, 1];
  const paint = strip.getContext("2d");
  for (let i = 0; paint && i < 144; i++) {
    paint.fillStyle = colour(i / 143);
    paint.fillRect(i, 0, 1, 1);
  }
  const ends = known.length ? [Math.min(...known), Math.max(...known)].map(number) : ["-", "-"];
  return element("p", { className: "legend" },
    `cost ${ends[0]}`, strip, `${ends[1]}, by rank; the least of each cell`);
}

/**
 * Parallel coordinates of the best trials; a click on an axis takes a bin in or out.
 * @param {any} bins
 * @param {Map<string, [number, number]>} ranges
 * @param {(ranges: Map<string, [number, number]>) => void} brush
 */
export function parallel(bins, ranges, brush) {
  const axes = bins.axes;
  const [width, height, top, side] = [760, 300, 26, 46];
  const step = (width - 2 * side) / Math.max(axes.length - 1, 1);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  chart.append(svg("title", {}, "Hyperparameters of the best trials"));
  const at = (/** @type {number} */ axis, /** @type {number} */ bin) => {
    const count = axes[axis].bins.length;
    return height - 22 - (count === 1 ? 0.5 : bin / (count - 1)) * (height - 22 - top - 8);
  };
  const part = scale(bins.best.map((/** @type {any} */ row) => row[1]));
  for (const row of bins.best.slice(0, MOST_LINES).reverse()) {
    const points = axes.map((/** @type {any} */ _, /** @type {number} */ i) =>
      `${side + i * step},${at(i, row[2 + i])}`);
    chart.append(svg("polyline", {
      class: "line", points: points.join(" "), stroke: colour(part(row[1])), opacity: 0.6,
    }));
  }
  axes.forEach((/** @type {any} */ axis, /** @type {number} */ i) => {
    const x = side + i * step;
    chart.append(svg("line", { class: "axis", x1: x, x2: x, y1: top, y2: height - 20 }));
    chart.append(svg("text", { x, y: 14, "text-anchor": "middle" }, axis.name));
    const every = Math.ceil(axis.bins.length / 8);
    axis.bins.forEach((/** @type {any} */ bin, /** @type {number} */ j) => {
      const range = ranges.get(axis.name);
      const taken = range && range[0] <= j && j <= range[1];
      const mark = svg("circle", {
        class: taken ? "band" : "axis", cx: x, cy: at(i, j), r: taken ? 6 : 4, tabindex: 0,
        role: "button", "aria-label": `${axis.name} ${label(bin)}`, "aria-pressed": String(!!taken),
        fill: "transparent",
      });
      const pick = () => {
        const next = new Map(ranges);
        if (taken && range[0] === range[1]) next.delete(axis.name);
        else if (!range || taken) next.set(axis.name, [j, j]);
        else next.set(axis.name, [Math.min(range[0], j), Math.max(range[1], j)]);
        brush(next);
      };
      mark.addEventListener("click", pick);
      mark.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          pick();
        }
      });
      chart.append(mark);
      if (j % every === 0) {
        const text = number(Array.isArray(bin) ? bin[0] : bin);
        chart.append(svg("text", { x: x + 7, y: at(i, j) + 4 }, text));
      }
    });
  });
  const shown = Math.min(bins.best.length, MOST_LINES);
  return element("figure", {}, chart, element("figcaption", {},
    `The ${shown} best of ${bins.within} trials${ranges.size ? " in the bins that are picked" : ""}. `
    + "A click on a bin picks it; another one widens the range; picked alone, it lets it go."));
}
