// The dashboard's chart: a column for each day.

import uPlot from "uplot";
import { date, dayTime, short } from "./text.js";

/** A column for each day in `host`, in the colours of the style sheet. Tells which day is pointed at. */
export function makeChart(host, point) {
  let plot;
  let days = [];
  const draw = () => {
    plot?.destroy();
    plot = undefined;
    if (days.length && host.clientWidth) plot = new uPlot(options(host, days, point), columns(days), host);
  };
  const redraw = () => requestAnimationFrame(draw);
  new ResizeObserver(() => plot?.width !== host.clientWidth && redraw()).observe(host);
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "print"]) {
    matchMedia(query).addEventListener("change", draw);
  }
  return {
    show(next) {
      days = next;
      draw();
    },
  };
}

/** The days before today, and today, which is not over. */
function columns(days) {
  const today = days.length - 1;
  const views = (isToday) => days.map(({ views }, i) => ((i === today) === isToday ? views : null));
  return [days.map((_, i) => i), views(false), views(true)];
}

function options(host, days, point) {
  const { clientWidth: width, clientHeight: height } = host;
  const style = getComputedStyle(host);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${style.fontFamily}`;
  const heights = scale(Math.max(...days.map(({ views }) => views)));
  const last = days.length - 1;
  const column = { paths: uPlot.paths.bars({ size: [0.72, 28], radius: 0.15 }), points: { show: false } };
  const axis = { stroke: colour("--quiet"), font, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: false, y: false },
      move: (plot, left, top) => [left < 0 ? left : plot.valToPos(plot.posToIdx(left), "x"), top],
    },
    scales: { x: { time: false, range: [-0.6, last + 0.6] }, y: { range: [0, heights.at(-1)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        gap: 6,
        splits: () => days.map((_, i) => i).filter((i) => (last - i) % 7 === 0),
        values: (_, marks) => marks.map((i) => date.format(dayTime(days[i].day))),
      },
      {
        ...axis,
        grid: { stroke: colour("--line"), width: 1 },
        gap: 8,
        size: (plot, texts) => 12 + widest(plot.ctx, font, texts ?? []),
        splits: () => heights,
        values: (_, marks) => marks.map((mark) => short.format(mark)),
      },
    ],
    series: [{}, { ...column, fill: colour("--bar") }, { ...column, fill: colour("--today") }],
    hooks: {
      ready: [(plot) => host.style.setProperty("--step", `${plot.valToPos(1, "x") - plot.valToPos(0, "x")}px`)],
      setCursor: [({ cursor }) => point(cursor.idx)],
    },
  };
}

/** How wide the widest of some texts is, in CSS pixels. */
function widest(context, font, texts) {
  context.save();
  context.font = font;
  const width = Math.max(0, ...texts.map((text) => context.measureText(text).width));
  context.restore();
  return Math.ceil(width);
}

/** Round whole numbers from 0 to `most` or above, at most five. */
function scale(most) {
  const least = Math.max(1, most / 4);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= least) * power;
  const steps = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: steps + 1 }, (_, i) => i * step);
}
