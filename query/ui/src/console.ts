/** A run's output: the end of it by rank, searched, followed while it grows. */

import { getConsole, type OutputLine } from "./api";
import { fill, h } from "./dom";
import * as url from "./url";

const TAIL = 2000;
// Colours and cursor movements of terminals (ECMA-48), and titles of their windows.
const CONTROL = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]/g;

export class Console {
  readonly element = h("div", { class: "panel" });
  private readonly output = h("div", { class: "output", tabIndex: 0, role: "log" });
  private readonly ranks = h("select", { "aria-label": "Rank", onchange: () => this.change({ rank: this.ranks.value }) });
  private readonly search = h("input", {
    type: "search", placeholder: "Search lines", "aria-label": "Search lines", value: url.read("lines") ?? "",
    oninput: () => this.change({ lines: this.search.value }),
  });
  private readonly follow = h("input", { type: "checkbox", checked: true });
  private known = "";
  private shown = "";
  private asked = 0;

  constructor(private readonly run: string) {
    fill(
      this.element,
      h("div", { class: "controls" }, this.search, h("span", { class: "space" }), this.ranks, h("label", {}, this.follow, "Follow")),
      this.output,
    );
  }

  async refresh(): Promise<void> {
    const asked = ++this.asked;
    const rank = url.read("rank") ?? "all";
    const ranks = rank === "all" ? [] : [Number(rank)];
    const found = await getConsole(this.run, { ranks, tail: TAIL, contains: url.read("lines") ?? "" });
    if (asked !== this.asked) return; // a later question is on its way
    this.offer(found.ranks, rank);
    this.draw(found.lines, found.ranks.length > 1 && rank === "all");
  }

  private change(changes: Record<string, string>): void {
    url.write(changes);
    void this.refresh();
  }

  private offer(ranks: number[], chosen: string): void {
    this.ranks.hidden = ranks.length < 2;
    if (ranks.join() === this.known) return;
    this.known = ranks.join();
    const option = (value: string, label: string): HTMLElement => h("option", { value, selected: value === chosen }, label);
    fill(this.ranks, option("all", "All ranks"), ranks.map((rank) => option(String(rank), `Rank ${rank}`)));
  }

  private draw(lines: OutputLine[], withRanks: boolean): void {
    const ordered = withRanks ? [...lines].sort((a, b) => Number(a.timeUs) - Number(b.timeUs)) : lines;
    const now = JSON.stringify(ordered);
    if (now === this.shown) return;
    this.shown = now;
    const at = this.output.scrollTop;
    fill(
      this.output,
      ordered.map((line) =>
        h(
          "div",
          { class: line.isStderr ? "err" : "", title: new Date(Number(line.timeUs) / 1000).toLocaleString() },
          withRanks && h("span", { class: "muted" }, String(line.rank ?? 0).padStart(4)),
          h("span", {}, (line.text ?? "").replace(CONTROL, "") || " "),
        ),
      ),
      ordered.length ? "" : h("p", { class: "muted empty" }, this.search.value ? "no line matches" : "nothing written yet"),
    );
    this.output.scrollTop = this.follow.checked ? this.output.scrollHeight : at;
  }
}
