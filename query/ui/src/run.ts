/** One run: its account and what was refused above; charts, media, output, files and facts below. */

import { getRun, listAllKeys, type RichKey, type RunDetails } from "./api";
import { Board } from "./board";
import { Console } from "./console";
import { controls } from "./controls";
import { fill, h } from "./dom";
import { Files } from "./files";
import { ago, duration, number, state } from "./format";
import { Links } from "./links";
import { live } from "./live";
import { Media } from "./media";
import { Overview } from "./overview";
import { colour } from "./palette";
import { Tabs } from "./tabs";
import * as url from "./url";

export function runPage(app: Element, name: string, signal: AbortSignal): void {
  const [entity, project] = name.split("/");
  let keys: string[] = [];
  let richKeys: RichKey[] = [];
  let details: RunDetails | null = null;
  let drawn = "";
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
  const links = new Links(name);
  const media = new Media(name, links);
  const output = new Console(name);
  const files = new Files(name, links);
  const overview = new Overview(name);
  const charts = h("div", { class: "content" }, controls(board, () => board.layout(keys), ranks), board.element);
  const tabs = new Tabs([
    { name: "Charts", element: charts, refresh: () => board.refresh() },
    { name: "Media", element: media.element, refresh: () => media.refresh(richKeys) },
    { name: "Console", element: output.element, refresh: () => output.refresh() },
    { name: "Files", element: files.element, refresh: () => files.refresh() },
    { name: "Overview", element: overview.element, refresh: async () => { if (details) await overview.refresh(details); } },
  ]);
  fill(
    app,
    h(
      "header",
      { class: "top" },
      h("a", { href: "/", class: "brand" }, "runstream"),
      h("a", { class: "crumb", href: url.page("p", `${entity}/${project}`) }, `${entity}/${project}`),
      h("span", { class: "crumb" }, name.split("/")[2]!),
    ),
    h("main", { class: "single" }, head, tabs.bar, tabs.body),
  );
  live(async () => {
    details = await getRun(name);
    const now = await listAllKeys(name);
    ranks.hidden = (details.run.worldSize ?? 1) < 2;
    const busy = state(details.run.state) === "running";
    drawHead(head, details);
    richKeys = now.richKeys;
    tabs.count("Media", richKeys.length);
    tabs.count("Files", details.fileCount);
    tabs.count("Overview", details.alertCount);
    if (now.keys.join("\n") !== keys.join("\n") || !board.element.firstChild) {
      keys = now.keys;
      board.layout(keys);
    }
    const fresh = `${details.run.state} ${details.run.lastStep} ${details.fileCount} ${tabs.current.name}`;
    if (busy || fresh !== drawn) await tabs.current.refresh();
    drawn = fresh;
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
      ? h("div", { class: "refusals", role: "alert" }, h("b", {}, "Refused"),
          h("table", {}, h("tbody", {}, refusals.map((refusal) =>
            h("tr", {}, h("td", { class: "num" }, refusal.count ? number(Number(refusal.count)) : ""), h("td", {}, h("code", {}, refusal.reason)),
              h("td", {}, refusal.field ?? ""), h("td", { class: "muted" }, refusal.message))))))
      : "",
  );
}
