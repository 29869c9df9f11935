/** Panels of which one is seen; which one is in the URL. */

import { fill, h } from "./dom";
import * as url from "./url";

export interface Panel { name: string; element: HTMLElement; refresh: () => Promise<void> }

export class Tabs {
  readonly bar = h("nav", { class: "tabs", role: "tablist" });
  readonly body = h("div", {});
  private readonly counts = new Map<string, number>();

  constructor(private readonly panels: Panel[]) {
    fill(this.body, panels.map((panel) => panel.element));
    this.draw();
  }

  get current(): Panel {
    return this.panels.find((panel) => panel.name.toLowerCase() === url.read("tab")) ?? this.panels[0]!;
  }

  /** Shows how many things a panel has. */
  count(name: string, count: number): void {
    if (this.counts.get(name) === count) return;
    this.counts.set(name, count);
    this.draw();
  }

  private draw(): void {
    const current = this.current;
    fill(
      this.bar,
      this.panels.map((panel) =>
        h(
          "button",
          {
            role: "tab", class: panel === current ? "on" : "", "aria-selected": String(panel === current),
            onclick: () => {
              url.write({ tab: panel === this.panels[0] ? null : panel.name.toLowerCase() });
              this.draw();
              void panel.refresh();
            },
          },
          panel.name,
          this.counts.get(panel.name) ? h("span", { class: "muted" }, ` ${this.counts.get(panel.name)!.toLocaleString("en")}`) : "",
        ),
      ),
    );
    for (const panel of this.panels) panel.element.hidden = panel !== current;
  }
}
