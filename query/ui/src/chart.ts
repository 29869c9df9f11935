/** One chart of one key: curves of runs or ranks, band of min and max, marks where values are no numbers. */

import uPlot from "uplot";
import type { Curve } from "./decode";
import { h } from "./dom";
import { number } from "./format";

export interface Line {
  curve: Curve;
  label: string;
  colour: (alpha: number) => string;
  /** Time of the run's first point, for the relative axis; milliseconds. */
  startMs: number;
}
export type XAxis = "step" | "relative" | "wall";
export interface ChartOptions {
  xAxis: XAxis;
  logY: boolean;
  smoothing: number;
}

const SYNC = uPlot.sync("charts");
const HEIGHT = 210;

/** Exponential moving average, corrected for its start as in Adam (Kingma & Ba 2015); NaN is passed over. */
function smooth(values: Float64Array, weight: number): (number | null)[] {
  let mean = 0;
  let correction = 1;
  return Array.from(values, (value) => {
    if (!Number.isFinite(value)) return null;
    mean = weight * mean + (1 - weight) * value;
    correction *= weight;
    return mean / (1 - correction);
  });
}

export class Chart {
  readonly element: HTMLElement;
  private plot: uPlot | null = null;
  private plotKey = "";
  private readonly body = h("div", { class: "plot" });
  private readonly tip = h("div", { class: "tip", hidden: true });
  private lines: Line[] = [];
  private odd: { x: number; colour: string }[] = [];

  constructor(
    readonly key: string,
    private readonly zoomed: (from: number, to: number) => void,
    private readonly reset: () => void,
  ) {
    const short = key.slice(key.indexOf("/") + 1);
    this.element = h(
      "article",
      { class: "chart", "data-key": key },
      h("header", { title: key }, h("span", {}, short)),
      this.body,
      this.tip,
    );
    new ResizeObserver(() => this.resize()).observe(this.body);
    this.body.addEventListener("dblclick", () => this.reset());
  }

  /** Shows curves; keeps the plot if only its data changed, so nothing flickers. */
  show(lines: Line[], options: ChartOptions): void {
    this.lines = lines;
    this.element.dataset.curves = String(lines.length);
    this.element.dataset.points = String(lines.reduce((sum, line) => sum + line.curve.steps.length, 0));
    this.element.dataset.odd = String(lines.reduce((sum, line) => sum + line.curve.odd.reduce((a, b) => a + b, 0), 0));
    const data = this.data(lines, options);
    const plotKey = JSON.stringify([lines.map((line) => [line.curve.run, line.curve.rank, line.colour(1)]), options]);
    if (this.plot && plotKey === this.plotKey) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.plotKey = plotKey;
    this.body.replaceChildren();
    this.plot = new uPlot(this.plotOptions(lines, options), data, this.body);
  }

  get isEmpty(): boolean {
    return this.lines.length === 0;
  }

  private x(line: Line, options: ChartOptions): ArrayLike<number> {
    if (options.xAxis === "step") return line.curve.steps;
    const offset = options.xAxis === "relative" ? line.startMs : 0;
    return line.curve.times.map((time) => (time - offset) / 1000);
  }

  /** Joins the curves on one x axis: per curve the line, its lower and its upper bound. */
  private data(lines: Line[], options: ChartOptions): uPlot.AlignedData {
    this.odd = [];
    const tables = lines.map((line) => {
      const x = this.x(line, options);
      const { curve } = line;
      const mean = options.smoothing > 0 ? smooth(curve.mean, options.smoothing) : Array.from(curve.mean, finite);
      for (let i = 0; i < x.length; i++) {
        if (curve.odd[i]! > 0) this.odd.push({ x: x[i]!, colour: line.colour(1) });
      }
      const low = Array.from(curve.min, finite);
      const high = Array.from(curve.max, finite);
      return [Array.from(x), mean, low, high] as (number | null)[][];
    });
    if (tables.length === 0) return [[]];
    return uPlot.join(tables as unknown as uPlot.AlignedData[]);
  }

  private plotOptions(lines: Line[], options: ChartOptions): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--muted").trim();
    const grid = { stroke: style.getPropertyValue("--grid").trim(), width: 1 };
    const font = `11px ${style.getPropertyValue("--font").trim()}`;
    const axis = { stroke: ink, grid, ticks: { show: false }, font };
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    lines.forEach((line, index) => {
      const at = index * 3;
      series.push(
        { label: line.label, stroke: line.colour(1), width: 1.5, points: { show: false }, spanGaps: true },
        { stroke: line.colour(0), width: 0, points: { show: false }, spanGaps: true },
        { stroke: line.colour(0), width: 0, points: { show: false }, spanGaps: true },
      );
      bands.push({ series: [at + 3, at + 2], fill: line.colour(options.smoothing > 0 ? 0.1 : 0.18) });
    });
    return {
      width: Math.max(this.body.clientWidth, 120),
      height: HEIGHT,
      series,
      bands,
      legend: { show: false },
      padding: [10, 10, 0, 0],
      cursor: { sync: { key: SYNC.key, scales: ["x", null] }, points: { size: 6 }, drag: { x: true, y: false } },
      select: { show: true, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: options.xAxis === "wall" }, y: { distr: options.logY ? 3 : 1 } },
      axes: [
        { ...axis, size: 26, values: options.xAxis === "wall" ? undefined : (_, ticks) => ticks.map(number) },
        { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : number(tick))) },
      ],
      hooks: {
        setCursor: [(plot) => this.point(plot, options)],
        setSelect: [(plot) => this.select(plot, options)],
        draw: [(plot) => this.drawOdd(plot)],
      },
    };
  }

  /** Triangles on the x axis where a point is NaN or infinite: seen, never dropped. */
  private drawOdd(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const { x, colour } of this.odd.slice(0, 2000)) {
      const at = plot.valToPos(x, "x", true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      const foot = bbox.top + bbox.height;
      const size = 4 * devicePixelRatio;
      ctx.fillStyle = colour;
      ctx.beginPath();
      ctx.moveTo(at - size, foot);
      ctx.lineTo(at + size, foot);
      ctx.lineTo(at, foot - size * 1.6);
      ctx.fill();
    }
    ctx.restore();
  }

  private select(plot: uPlot, options: ChartOptions): void {
    const { left, width } = plot.select;
    if (width < 4 || options.xAxis !== "step") return;
    this.zoomed(Math.floor(plot.posToVal(left, "x")), Math.ceil(plot.posToVal(left + width, "x")) + 1);
  }

  private point(plot: uPlot, options: ChartOptions): void {
    const { left, idx, top } = plot.cursor;
    const isHere = this.body.matches(":hover");
    if (!isHere || left === undefined || left < 0 || idx === null || idx === undefined) {
      this.tip.hidden = true;
      return;
    }
    const at = plot.data[0]![idx]!;
    const rows = this.lines
      .map((line, index) => ({ line, value: nearest(plot.data[index * 3 + 1] as (number | null)[], idx) }))
      .filter((row): row is { line: Line; value: number } => row.value !== null)
      .sort((a, b) => b.value - a.value);
    const shown = rows.slice(0, 12).map(({ line, value }) =>
      h(
        "tr",
        {},
        h("td", {}, h("i", { class: "dot", style: `background:${line.colour(1)}` }), line.label),
        h("td", { class: "num" }, number(value)),
      ),
    );
    const head = options.xAxis === "wall" ? new Date(at * 1000).toLocaleTimeString() : number(at);
    this.tip.replaceChildren(
      h("div", { class: "muted" }, `${options.xAxis === "step" ? "step" : options.xAxis === "wall" ? "at" : "s"} ${head}`),
      h("table", {}, h("tbody", {}, shown)),
      rows.length > 12 ? h("div", { class: "muted" }, `and ${rows.length - 12} more`) : "",
    );
    this.tip.hidden = false;
    const flip = left > plot.over.clientWidth / 2;
    const x = left + plot.over.offsetLeft;
    this.tip.style.left = flip ? "" : `${x + 16}px`;
    this.tip.style.right = flip ? `${this.element.clientWidth - x + 16}px` : "";
    this.tip.style.top = `${Math.max(30, (top ?? 0) - 10)}px`;
  }

  private resize(): void {
    if (this.plot && this.body.clientWidth > 0) this.plot.setSize({ width: this.body.clientWidth, height: HEIGHT });
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function nearest(values: (number | null)[], index: number): number | null {
  for (let away = 0; away < 40; away++) {
    for (const at of [index - away, index + away]) {
      const value = values[at];
      if (value !== null && value !== undefined) return value;
    }
  }
  return null;
}
