// @ts-check
// What charts of bins are made of, and cost over pairs of hyperparameters. The service bins, so
// that what is drawn does not grow with the number of trials.

import { element, number } from "./parts.js";

const NS = "http://www.w3.org/2000/svg";

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
export function svg(name, attributes, text) {
  const made = /** @type {SVGElement} */ (document.createElementNS(NS, name));
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
export function scale(costs) {
  const sorted = [...new Set(costs)].sort((a, b) => a - b);
  const place = new Map(sorted.map((cost, i) => [cost, i / Math.max(sorted.length - 1, 1)]));
  return (cost) => place.get(cost) ?? 1;
}

/** @param {any} bin */
export const label = (bin) =>
  (Array.isArray(bin) ? `${number(bin[0])}…${number(bin[1])}` : bin === null ? "no value" : number(bin));

/** @param {any} bin the text beside an axis, which has little room */
export const short = (bin) => number(Array.isArray(bin) ? bin[0] : bin);

/** By what cells and ribbons are coloured: the place in a cell, and its name. */
export const COLOURED = { least: 3, mean: 4 };

/** @typedef {keyof typeof COLOURED} Coloured */

/** @param {any[]} cells @param {Coloured} by @returns {number[]} */
export const costsOf = (cells, by) => cells.map((cell) => cell[COLOURED[by]]).filter((cost) => cost !== null);

/** @param {string} x @param {any} first @param {string} y @param {any} second @param {any[]} cell */
export function cellText(x, first, y, second, [, , count, least, mean]) {
  const trials = count === 1 ? "1 trial" : `${count} trials`;
  const costs = least === null ? "no cost" : `least cost ${number(least)}, mean ${number(mean)}`;
  return `${x} ${label(first)}, ${y} ${label(second)}: ${trials}, ${costs}`;
}

/**
 * Say below a chart what the pointer is over; one line for all marks, so that none has a text of
 * its own in the page.
 * @param {HTMLElement} box
 * @param {Map<EventTarget, () => string>} texts
 */
export function readout(box, texts) {
  const said = element("p", { className: "hint readout" }, "Point at a mark to read it.");
  const say = (/** @type {Event} */ event) => {
    const text = event.target && texts.get(event.target);
    if (text) said.textContent = text();
  };
  box.addEventListener("pointerover", say);
  box.addEventListener("click", say);
  return said;
}

/**
 * Cost over pairs of axes: the least or the mean cost of each cell.
 * @param {any} bins
 * @param {Coloured} by
 */
export function pairs(bins, by) {
  const axes = new Map(bins.axes.map((/** @type {any} */ axis) => [axis.name, axis.bins]));
  const cost = bins.axes.at(-1).name;
  const drawn = bins.pairs.filter((/** @type {any} */ pair) => pair.y !== cost);
  const known = drawn.flatMap((/** @type {any} */ pair) => costsOf(pair.cells, by));
  const part = scale(known);
  /** @type {Map<EventTarget, () => string>} */
  const texts = new Map();
  const figures = drawn.map((/** @type {any} */ pair) => {
    const [x, y] = [axes.get(pair.x), axes.get(pair.y)];
    const [width, height, left, below] = [300, 220, 62, 34];
    const [w, h] = [(width - left) / x.length, (height - below) / y.length];
    const chart = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The ${by} cost by ${pair.x} and ${pair.y}`,
    });
    for (const told of pair.cells) {
      const [i, j] = told, shown = told[COLOURED[by]];
      const cell = svg("rect", {
        class: "cell", x: left + i * w, y: (y.length - 1 - j) * h, width: Math.max(w - 1, 1),
        height: Math.max(h - 1, 1), fill: shown === null ? "#888" : colour(part(shown)),
      });
      texts.set(cell, () => cellText(pair.x, x[i], pair.y, y[j], told));
      chart.append(cell);
    }
    const every = (/** @type {any[]} */ values) => Math.ceil(values.length / 5);
    x.forEach((/** @type {any} */ bin, /** @type {number} */ i) => {
      if (i % every(x) === 0) {
        chart.append(svg("text", {
          x: left + (i + 0.5) * w, y: height - below + 14, "text-anchor": "middle",
        }, short(bin)));
      }
    });
    y.forEach((/** @type {any} */ bin, /** @type {number} */ j) => {
      if (j % every(y) === 0) {
        chart.append(svg("text", {
          x: left - 5, y: (y.length - 0.5 - j) * h + 4, "text-anchor": "end",
        }, short(bin)));
      }
    });
    chart.append(svg("text", { x: left, y: height - 4 }, pair.x));
    return element("figure", {}, chart, element("figcaption", {}, `${pair.y} over ${pair.x}`));
  });
  const box = element("div", { className: "charts" }, ...figures);
  return element("div", {}, legend(known, by), box, readout(box, texts));
}

/** @param {number[]} known @param {Coloured} by */
export function legend(known, by) {
  const strip = document.createElement("canvas");
  [strip.width, strip.height] = [144, 1];
  const paint = strip.getContext("2d");
  for (let i = 0; paint && i < 144; i++) {
    paint.fillStyle = colour(i / 143);
    paint.fillRect(i, 0, 1, 1);
  }
  const ends = known.length ? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))]
    .map(number) : ["-", "-"];
  return element("p", { className: "legend" },
    `cost ${ends[0]}`, strip, `${ends[1]}, by rank; the ${by} of each cell`);
}
