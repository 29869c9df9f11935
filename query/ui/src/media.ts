/** What a run logged that is no number: a card for each key, a slider over its steps. */

import { getValues, type HistoryValue, type RichKey } from "./api";
import { fill, h } from "./dom";
import { number } from "./format";
import type { Links } from "./links";
import { mediaView } from "./mediaview";
import * as url from "./url";

export class Media {
  readonly element = h("div", { class: "panel" });
  private readonly grid = h("div", { class: "media" });
  private readonly cards = new Map<string, Card>();
  private keys: RichKey[] = [];
  private readonly observer: IntersectionObserver;

  constructor(private readonly run: string, private readonly links: Links) {
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const card = this.cards.get((entry.target as HTMLElement).dataset.key!);
        if (card) card.isSeen = entry.isIntersecting;
        if (entry.isIntersecting) void card?.refresh();
      }
    }, { rootMargin: "300px" });
    const search = h("input", {
      type: "search", placeholder: "Search keys", "aria-label": "Search media", value: url.read("media") ?? "",
      oninput: () => {
        url.write({ media: search.value });
        this.layout();
      },
    });
    fill(this.element, h("div", { class: "controls" }, search), this.grid);
  }

  async refresh(keys: RichKey[]): Promise<void> {
    const changed = JSON.stringify(keys) !== JSON.stringify(this.keys) || !this.grid.firstChild;
    this.keys = keys;
    if (changed) this.layout();
    await Promise.all([...this.cards.values()].filter((card) => card.isSeen).map((card) => card.refresh()));
  }

  private layout(): void {
    const search = (url.read("media") ?? "").toLowerCase();
    const shown = this.keys.filter(({ key }) => key.toLowerCase().includes(search));
    fill(
      this.grid,
      // Wide ones last, or they leave holes between the others.
      [...shown].sort((a, b) => Number(isWide(a)) - Number(isWide(b))).map((key) => {
        let card = this.cards.get(key.key);
        if (!card) {
          card = new Card(this.run, key, this.links);
          this.cards.set(key.key, card);
          this.observer.observe(card.element);
        }
        return card.element;
      }),
      shown.length ? "" : h("p", { class: "muted empty" }, search ? "no key matches" : "no media, text or tables logged yet"),
    );
  }
}

function isWide(key: RichKey): boolean {
  return key.types.some((type) => /table|html|custom-chart/.test(type));
}

/** One key. While the slider is at its end it stays there as steps come. */
class Card {
  readonly element: HTMLElement;
  isSeen = false;
  private values: HistoryValue[] = [];
  private steps: string[] = [];
  private readonly slider: HTMLInputElement;
  private readonly step = h("output", {});
  private readonly body = h("div", { class: "body" });
  private shown = "";

  constructor(private readonly run: string, private readonly key: RichKey, private readonly links: Links) {
    this.slider = h("input", { type: "range", min: "0", max: "0", step: "1", hidden: true, "aria-label": `step of ${key.key}`, oninput: () => this.draw() });
    this.element = h(
      "article",
      { class: `card ${isWide(key) ? "wide" : ""}`, "data-key": key.key },
      h("header", {}, h("b", { title: key.key }, key.key), h("span", { class: "muted" }, key.types.join(", "))),
      this.body,
      h("footer", {}, this.slider, this.step),
    );
  }

  async refresh(): Promise<void> {
    const last = this.steps.at(-1);
    const fresh = await getValues(this.run, this.key.key, last);
    const wasAtEnd = Number(this.slider.value) >= this.steps.length - 1;
    this.values = [...this.values.filter((value) => (value.step ?? "0") !== last), ...fresh];
    this.steps = [...new Set(this.values.map((value) => value.step ?? "0"))];
    const end = Math.max(0, this.steps.length - 1);
    this.slider.max = String(end);
    this.slider.hidden = end === 0;
    if (wasAtEnd) this.slider.value = String(end);
    this.draw();
  }

  private draw(): void {
    const step = this.steps[Number(this.slider.value)] ?? "0";
    const values = this.values.filter((value) => (value.step ?? "0") === step);
    const now = JSON.stringify(values);
    this.step.value = `step ${number(Number(step))}`;
    this.element.dataset.step = step;
    if (now === this.shown) return;
    this.shown = now;
    const ranks = new Set(values.map((value) => value.rank ?? 0)).size > 1;
    fill(
      this.body,
      values.map((value) =>
        h("div", {}, ranks && h("span", { class: "muted" }, `rank ${value.rank ?? 0}`), mediaView(value, this.links)),
      ),
    );
  }
}
