"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const narrow = matchMedia("(max-width: 40rem)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");

  // Charts name the colours of the page's style: the browser knows which they are now.
  const coloured = (value, style) => {
    if (typeof value === "string") {
      return value.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(value)) {
      return typeof value[0] === "number" && typeof value.at(-1) === "number"
        ? value : value.map((item) => coloured(item, style));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
    }
    return value;
  };

  const template = {
    font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif", size: 12, color: "var(--ink)" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: "var(--raised)", bordercolor: "var(--line)", font: { color: "var(--ink)" }, align: "left" },
    legend: { font: { size: 12 }, itemclick: false, itemdoubleclick: false },
  };
  const axis = {
    automargin: true, gridcolor: "var(--line)", linecolor: "var(--line)", zeroline: false,
    ticks: "", tickfont: { color: "var(--muted)" }, title: { standoff: 10, font: { color: "var(--muted)" } },
  };

  const TOOLBAR = 32;  // pixels of its height, and a few more
  const hasBar = () => !(narrow.matches || touch.matches);

  const laidOut = (layout, small) => ({
    ...template,
    dragmode: touch.matches ? false : "zoom",
    ...layout,
    // The toolbar has a strip above the chart, where it covers nothing.
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--muted)", activecolor: "var(--accent)" },
    margin: { l: 8, r: 12, b: 8, ...layout.margin, t: Math.max(layout.margin?.t ?? 24, hasBar() && !small ? TOOLBAR : 0) },
    xaxis: { ...axis, ...layout.xaxis, title: { ...axis.title, ...layout.xaxis?.title } },
    yaxis: { ...axis, ...layout.yaxis, title: { ...axis.title, ...layout.yaxis?.title } },
  });

  const mode = () => document.querySelector("input[name=mode]:checked")?.value;
  const traces = (data) => data
    .filter((trace) => !trace.mode_of_page || trace.mode_of_page === mode())
    .map(({ mode_of_page: _, ...trace }) => trace);

  const draw = (box) => {
    const style = getComputedStyle(document.documentElement);
    const { data, layout } = specs[box.id];
    const small = box.closest(".pictures") !== null;
    return Plotly.react(
      box, coloured(traces(data), style), coloured(laidOut(layout, small), style),
      { responsive: !small, staticPlot: small, displaylogo: false, displayModeBar: hasBar() ? "hover" : false,
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showSendToCloud: false },
    );
  };

  // One after the other, so that the page can be read and scrolled meanwhile.
  const drawAll = async (boxes) => {
    for (const box of boxes) {
      await draw(box);
      box.dataset.drawn = mode() ?? "";
      await new Promise((done) => setTimeout(done));
    }
  };

  const all = () => document.querySelectorAll(".chart");
  const switched = () => {
    for (const scale of document.querySelectorAll(".scale")) scale.hidden = scale.dataset.mode !== mode();
    drawAll([...all()].filter((box) => specs[box.id].data.some((trace) => trace.mode_of_page)));
  };

  for (const input of document.querySelectorAll("input[name=mode]")) input.addEventListener("change", switched);
  dark.addEventListener("change", () => drawAll(all()));
  drawAll(all());
})();
