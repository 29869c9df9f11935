/** A project: its runs on the left, the chosen ones overlaid in a chart for every key. */

import { listKeys, listRuns, type Run } from "./api";
import { Board } from "./board";
import { controls } from "./controls";
import { fill, h } from "./dom";
import { ago, cell, duration, state } from "./format";
import { live } from "./live";
import { colour } from "./palette";
import * as url from "./url";

const CHOSEN_AT_FIRST = 10;

export function projectPage(app: Element, project: string, signal: AbortSignal): void {
  let runs: Run[] = [];
  let keys: string[] = [];
  let columns: string[] | null = url.read("cols")?.split(",").filter(Boolean) ?? null;
  const given = url.read("runs");
  let chosen: Set<string> | null = given === null ? null : new Set(given.split(",").filter(Boolean));

  const idOf = (run: Run): string => run.name.split("/")[2]!;
  const isChosen = (run: Run): boolean => chosen?.has(idOf(run)) ?? runs.indexOf(run) < CHOSEN_AT_FIRST;
  // A run keeps its colour while others come and go: its place counts from the oldest.
  const colourOf = (run: Run, alpha: number): string => colour(runs.length - 1 - runs.indexOf(run), alpha);
  const byName = (name: string): Run | undefined => runs.find((run) => run.name === name);

  const board = new Board({
    runs: () => runs.filter(isChosen).map((run) => run.name),
    eachRank: () => false,
    line: (curve, startMs) => {
      const run = byName(curve.run);
      return { curve, startMs, label: run?.displayName ?? curve.run, colour: (alpha) => (run ? colourOf(run, alpha) : "gray") };
    },
  });
  const table = h("div", { class: "runs" });
  const search = h("input", {
    type: "search", placeholder: "Search runs", "aria-label": "Search runs", value: url.read("q") ?? "",
    oninput: () => {
      url.write({ q: search.value });
      draw();
    },
  });
  const columnChoice = h("select", {
    "aria-label": "Add a column",
    onchange: () => {
      const now = shownColumns();
      columns = now.includes(columnChoice.value)
        ? now.filter((column) => column !== columnChoice.value)
        : [...now, columnChoice.value];
      url.write({ cols: columns.join(",") || "-" });
      draw();
    },
  });
  fill(
    app,
    h("header", { class: "top" }, h("a", { href: "/", class: "brand" }, "runstream"), h("span", { class: "crumb" }, project)),
    h(
      "main",
      { class: "split" },
      h("aside", {}, h("div", { class: "controls" }, search, columnChoice), table),
      h("div", { class: "content" }, controls(board, () => board.layout(keys)), board.element),
    ),
  );

  const choose = (run: Run, on: boolean): void => {
    chosen ??= new Set(runs.filter(isChosen).map(idOf));
    if (on) chosen.add(idOf(run));
    else chosen.delete(idOf(run));
    url.write({ runs: [...chosen].join(",") || "-" });
    draw();
    void refreshKeys().then(() => board.refresh());
  };

  /** The columns asked for, or else the first config key in which the runs differ and one accuracy or loss. */
  function shownColumns(): string[] {
    if (columns) return columns.filter((column) => column !== "-");
    const differs = (name: string): boolean => new Set(runs.slice(0, 200).map((run) => cell(run.config?.[name]))).size > 1;
    const config = Object.keys(runs[0]?.config ?? {}).sort().filter(differs).slice(0, 1);
    const results = Object.keys(runs[0]?.summary ?? {}).sort();
    const result = results.find((name) => /val|eval|test/.test(name)) ?? results[0];
    return [...config.map((name) => `c:${name}`), ...(result ? [`s:${result}`] : [])];
  }

  function value(run: Run, column: string): string {
    const [kind, name] = [column.slice(0, 1), column.slice(2)];
    return cell((kind === "c" ? run.config : run.summary)?.[name]);
  }

  function draw(): void {
    const shown = runs.filter((run) => `${run.displayName} ${run.name}`.toLowerCase().includes(search.value.toLowerCase()));
    const names = (kind: "config" | "summary"): string[] =>
      [...new Set(runs.slice(0, 200).flatMap((run) => Object.keys(run[kind] ?? {})))].sort();
    fill(
      columnChoice,
      h("option", { value: "", disabled: true, selected: true }, "Columns"),
      h("optgroup", { label: "Config" }, names("config").map((name) => option(`c:${name}`, name))),
      h("optgroup", { label: "Summary" }, names("summary").map((name) => option(`s:${name}`, name))),
    );
    fill(
      table,
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h("tr", {}, h("th", {}), h("th", {}, `${shown.length.toLocaleString("en")} runs`), h("th", {}, "State"),
            shownColumns().map((column) => h("th", { class: "num", title: column.slice(2) }, column.slice(2).split("/").pop()!)),
            h("th", { class: "num" }, "Created")),
        ),
        h("tbody", {}, shown.map((run) => row(run, shownColumns()))),
      ),
    );
  }

  function option(key: string, name: string): HTMLElement {
    return h("option", { value: key }, shownColumns().includes(key) ? `✓ ${name}` : name);
  }

  function row(run: Run, columns: string[]): HTMLElement {
    const on = isChosen(run);
    const box = h("input", {
      type: "checkbox", checked: on, "aria-label": `show ${run.displayName}`, style: `accent-color:${colourOf(run, 1)}`,
      onchange: () => choose(run, box.checked),
    });
    return h(
      "tr",
      { class: on ? "on" : "" },
      h("td", {}, box),
      h("td", { class: "name" }, h("a", { href: url.page("r", run.name), title: run.name }, run.displayName)),
      h("td", {}, h("span", { class: `state ${state(run.state)}` }, state(run.state))),
      columns.map((column) => h("td", { class: "num" }, value(run, column))),
      h("td", { class: "num muted", title: `${run.createTime} · ${duration(run.createTime, run.updateTime)}` }, ago(run.createTime)),
    );
  }

  async function refreshKeys(): Promise<void> {
    const names = runs.filter(isChosen).map((run) => run.name);
    const found = names.length ? await listKeys({ runs: names }) : [];
    if (found.join("\n") !== keys.join("\n") || !board.element.firstChild) {
      keys = found;
      board.layout(keys);
    }
  }

  let signature = "";
  live(async () => {
    runs = await listRuns(project);
    const busy = runs.some((run) => state(run.state) === "running");
    const now = runs.map((run) => [run.name, run.state, JSON.stringify(run.summary)].join()).join("\n");
    const changed = now !== signature;
    signature = now;
    draw();
    await refreshKeys();
    if (changed || busy) await board.refresh();
    return busy;
  }, signal);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); board.redraw(); }, { signal });
}
