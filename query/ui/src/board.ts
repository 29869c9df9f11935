/** A board of charts, a section for each prefix of the keys; only charts in sight are fetched and drawn. */

import { ApiError, getHistory } from "./api";
import { banner } from "./banner";
import { Chart, type ChartOptions, type Line } from "./chart";
import type { Curve } from "./decode";
import { fill, h } from "./dom";
import * as url from "./url";

const BUCKETS = 600;
const KEYS_AT_ONCE = 24;
const SYSTEM = "system";
/** System metrics, whose steps are seconds: no zoom of steps is theirs, and they are shown by time. */
const isSystem = (key: string): boolean => key.startsWith(`${SYSTEM}/`);

export interface BoardSource {
  runs: () => string[];
  eachRank: () => boolean;
  line: (curve: Curve, startMs: number) => Line;
}

export class Board {
  readonly element = h("div", { class: "board" });
  private readonly charts = new Map<string, Chart>();
  private readonly visible = new Set<string>();
  private readonly observer: IntersectionObserver;
  private readonly curves = new Map<string, Curve[]>();
  private readonly starts = new Map<string, number>();
  private generation = 0;
  private zoom: { from: number; to: number } | null;
  private systemIsOpen = false;

  constructor(private readonly source: BoardSource) {
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    const range = /^(-?\d+)-(-?\d+)$/.exec(url.read("zoom") ?? "");
    this.zoom = range ? { from: Number(range[1]), to: Number(range[2]) } : null;
  }

  get options(): ChartOptions {
    return {
      xAxis: (url.read("x") ?? "step") as ChartOptions["xAxis"],
      logY: url.read("log") === "1",
      smoothing: Number(url.read("smooth") ?? 0),
    };
  }

  /** Lays out a chart for each key that the search leaves. */
  layout(keys: string[]): void {
    const search = (url.read("keys") ?? "").toLowerCase();
    const shown = keys.filter((key) => key.toLowerCase().includes(search));
    const sections = new Map<string, string[]>();
    for (const key of shown) {
      const cut = key.indexOf("/");
      const prefix = cut > 0 ? key.slice(0, cut) : "charts";
      sections.set(prefix, [...(sections.get(prefix) ?? []), key]);
    }
    fill(
      this.element,
      ...[...sections].filter(([name]) => name !== SYSTEM).map(([name, members]) =>
        h("section", {}, h("h3", {}, name, count(members)), this.grid(members)),
      ),
      sections.has(SYSTEM) ? this.systemSection(sections.get(SYSTEM)!, search !== "") : "",
      shown.length === 0 ? h("p", { class: "muted empty" }, search ? "no key matches" : "nothing logged yet") : "",
    );
  }

  /** Fetches what is in sight, again. */
  async refresh(): Promise<void> {
    await this.fetch([...this.visible]);
  }

  /** Draws again what was fetched: after a change of axes, smoothing or colours. */
  redraw(): void {
    for (const key of this.visible) this.draw(key);
  }

  /** Closed until somebody opens it or searches: nothing of it is fetched before. */
  private systemSection(members: string[], isSearched: boolean): HTMLElement {
    const section = h(
      "details",
      { open: this.systemIsOpen || isSearched },
      h("summary", {}, h("h3", {}, SYSTEM, count(members))),
      this.grid(members),
    );
    section.querySelector("summary")!.addEventListener("click", () => (this.systemIsOpen = !section.open));
    return section;
  }

  private grid(members: string[]): HTMLElement {
    return h("div", { class: "grid" }, members.map((key) => this.chart(key).element));
  }

  private chart(key: string): Chart {
    let chart = this.charts.get(key);
    if (!chart) {
      chart = new Chart(key, (from, to) => this.setZoom({ from, to }), () => this.setZoom(null));
      this.charts.set(key, chart);
      this.observer.observe(chart.element);
    }
    return chart;
  }

  private seen(entries: IntersectionObserverEntry[]): void {
    const fresh: string[] = [];
    for (const entry of entries) {
      const key = (entry.target as HTMLElement).dataset.key!;
      if (entry.isIntersecting && !this.visible.has(key)) fresh.push(key);
      if (entry.isIntersecting) this.visible.add(key);
      else this.visible.delete(key);
    }
    void this.fetch(fresh);
  }

  private setZoom(zoom: { from: number; to: number } | null): void {
    this.zoom = zoom;
    url.write({ zoom: zoom && `${zoom.from}-${zoom.to}` });
    void this.refresh();
  }

  private async fetch(keys: string[]): Promise<void> {
    const runs = this.source.runs();
    const generation = ++this.generation;
    if (keys.length === 0) return;
    if (runs.length === 0) {
      keys.forEach((key) => this.curves.set(key, []));
      this.redraw();
      return;
    }
    const parts = [keys.filter((key) => !isSystem(key)), keys.filter(isSystem)].flatMap(inParts);
    for (const part of parts) {
      try {
        const found = await getHistory({
          runs, keys: part, maxBuckets: BUCKETS, eachRank: this.source.eachRank(),
          ...(isSystem(part[0]!) ? null : this.zoom),
        });
        if (generation < this.generation - 4) return;
        this.keep(part, found);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        banner(error.message); // the page's next look takes it away, or says it again
        return;
      }
    }
  }

  private keep(keys: string[], found: Curve[]): void {
    for (const key of keys) this.curves.set(key, []);
    for (const curve of found) {
      this.curves.get(curve.key)?.push(curve);
      const first = curve.times[0];
      const known = this.starts.get(curve.run);
      if (first !== undefined && !this.zoom && (known === undefined || first < known)) this.starts.set(curve.run, first);
    }
    keys.forEach((key) => this.draw(key));
  }

  private draw(key: string): void {
    const lines = (this.curves.get(key) ?? []).map((curve) =>
      this.source.line(curve, this.starts.get(curve.run) ?? curve.times[0] ?? 0),
    );
    const { options } = this;
    this.chart(key).show(lines, isSystem(key) && options.xAxis === "step" ? { ...options, xAxis: "relative" } : options);
  }
}

function count(members: string[]): HTMLElement {
  return h("span", { class: "muted" }, ` ${members.length}`);
}

function inParts(keys: string[]): string[][] {
  const parts: string[][] = [];
  for (let start = 0; start < keys.length; start += KEYS_AT_ONCE) parts.push(keys.slice(start, start + KEYS_AT_ONCE));
  return parts;
}
