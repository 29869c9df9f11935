/** One run: its account, what was refused, charts of every key, config, summary, processes. */

import { getRun, listKeys, type RunDetails } from "./api";
import { Board } from "./board";
import { controls } from "./controls";
import { fill, h } from "./dom";
import { ago, cell, duration, number, state } from "./format";
import { live } from "./live";
import { colour } from "./palette";
import * as url from "./url";

export function runPage(app: Element, name: string, signal: AbortSignal): void {
  const [entity, project] = name.split("/");
  let keys: string[] = [];
  const board = new Board({
    runs: () => [name],
    eachRank: () => url.read("ranks") === "each",
    line: (curve, startMs) => ({
      curve,
      startMs,
      label: curve.rank === null ? "mean of ranks" : `rank ${curve.rank}`,
      colour: (alpha) => colour(curve.rank ?? 0, alpha),
    }),
  });
  const head = h("div", { class: "head" });
  const details = h("div", { class: "details" });
  const ranks = h(
    "label",
    { hidden: true },
    h("input", {
      type: "checkbox",
      checked: url.read("ranks") === "each",
      onchange: (event: Event) => {
        url.write({ ranks: (event.target as HTMLInputElement).checked ? "each" : null });
        void board.refresh();
      },
    }),
    "Each rank",
  );
  fill(
    app,
    h(
      "header",
      { class: "top" },
      h("a", { href: "/", class: "brand" }, "runstream"),
      h("a", { class: "crumb", href: url.page("p", `${entity}/${project}`) }, `${entity}/${project}`),
      h("span", { class: "crumb" }, name.split("/")[2]!),
    ),
    h("main", { class: "single" }, head, h("div", { class: "content" }, controls(board, () => board.layout(keys), ranks), board.element), details),
  );
  let signature = "";
  live(async () => {
    const found = await getRun(name);
    const now = await listKeys({ runs: [name] });
    ranks.hidden = (found.run.worldSize ?? 1) < 2;
    const busy = state(found.run.state) === "running";
    drawHead(head, found);
    drawDetails(details, found);
    if (now.join("\n") !== keys.join("\n") || !board.element.firstChild) {
      keys = now;
      board.layout(keys);
    }
    const fresh = `${found.run.state} ${found.run.lastStep}`;
    if (busy || fresh !== signature) await board.refresh();
    signature = fresh;
    return busy;
  }, signal);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board.redraw(), { signal });
}

function drawHead(element: Element, { run, writers, refusals }: RunDetails): void {
  const sum = (field: "sent" | "stored" | "refused"): number => writers.reduce((all, writer) => all + Number(writer[field] ?? 0), 0);
  const isClosed = writers.length > 0 && writers.every((writer) => writer.complete);
  const fact = (label: string, value: string): HTMLElement => h("div", { class: "fact" }, h("span", { class: "muted" }, label), h("b", {}, value));
  fill(
    element,
    h("h1", {}, run.displayName, h("span", { class: `state ${state(run.state)}` }, state(run.state)),
      (run.tags ?? []).map((tag) => h("span", { class: "tag" }, tag))),
    h(
      "div",
      { class: "facts" },
      fact("created", ago(run.createTime)),
      fact("duration", duration(run.createTime, run.updateTime)),
      fact("ranks", number(run.worldSize ?? 1)),
      fact("last step", number(Number(run.lastStep ?? 0))),
      fact(isClosed ? "receipt" : "so far", `sent ${number(sum("sent"))} = stored ${number(sum("stored"))} + refused ${number(sum("refused"))}`),
    ),
    refusals.length
      ? h("div", { class: "refusals", role: "alert" }, h("b", {}, "Refused points"),
          h("table", {}, h("tbody", {}, refusals.map((refusal) =>
            h("tr", {}, h("td", { class: "num" }, number(Number(refusal.count ?? 0))), h("td", {}, h("code", {}, refusal.reason)),
              h("td", {}, refusal.field ?? ""), h("td", { class: "muted" }, refusal.message))))))
      : "",
  );
}

function drawDetails(element: Element, { run, writers }: RunDetails): void {
  const pairs = (title: string, values: Record<string, unknown> = {}): HTMLElement =>
    h("section", {}, h("h3", {}, title), h("table", { class: "pairs" }, h("tbody", {},
      Object.entries(values).sort(([a], [b]) => a.localeCompare(b)).map(([key, value]) => h("tr", {}, h("td", { class: "muted" }, key), h("td", {}, cell(value)))))));
  fill(
    element,
    pairs("Config", run.config),
    pairs("Summary", run.summary),
    h("section", { class: "wide" }, h("h3", {}, "Processes"),
      h("table", {},
        h("thead", {}, h("tr", {}, ["Rank", "Attempt", "Host", "Process", "State", "Heard of", "Sent", "Stored", "Refused"].map((title) => h("th", {}, title)))),
        h("tbody", {}, writers.slice(0, 256).map((writer) =>
          h("tr", {},
            h("td", { class: "num" }, number(writer.rank ?? 0)), h("td", { class: "num" }, String(writer.attempt ?? 0)),
            h("td", {}, writer.host), h("td", { class: "num" }, String(writer.processId)),
            h("td", {}, h("span", { class: `state ${state(writer.state)}` }, state(writer.state))), h("td", { class: "muted" }, ago(writer.heartbeatTime)),
            h("td", { class: "num" }, number(Number(writer.sent ?? 0))), h("td", { class: "num" }, number(Number(writer.stored ?? 0))),
            h("td", { class: "num" }, number(Number(writer.refused ?? 0))),
          ))))),
  );
}
