/** The bar above the charts: key search, x axis, smoothing, log scale. Its state is in the URL. */

import type { Board } from "./board";
import { h } from "./dom";
import * as url from "./url";

export function controls(board: Board, relayout: () => void, ...more: HTMLElement[]): HTMLElement {
  const axis = (value: string, label: string): HTMLElement =>
    h("option", { value, selected: (url.read("x") ?? "step") === value }, label);
  const shown = h("output", {}, Number(url.read("smooth") ?? 0).toFixed(2));
  const set = (changes: Record<string, string | null>): void => {
    url.write(changes);
    board.redraw();
  };
  return h(
    "div",
    { class: "controls" },
    h("input", {
      type: "search",
      placeholder: "Search keys",
      "aria-label": "Search keys",
      value: url.read("keys") ?? "",
      oninput: (event: Event) => {
        url.write({ keys: (event.target as HTMLInputElement).value });
        relayout();
      },
    }),
    h("span", { class: "space" }),
    ...more,
    h(
      "label",
      {},
      "Smooth",
      h("input", {
        type: "range", min: "0", max: "0.99", step: "0.01", value: url.read("smooth") ?? "0",
        oninput: (event: Event) => {
          const value = (event.target as HTMLInputElement).value;
          shown.value = Number(value).toFixed(2);
          set({ smooth: value === "0" ? null : value });
        },
      }),
      shown,
    ),
    h(
      "select",
      { "aria-label": "x axis", onchange: (event: Event) => set({ x: (event.target as HTMLSelectElement).value }) },
      axis("step", "Step"),
      axis("relative", "Relative time"),
      axis("wall", "Wall time"),
    ),
    h(
      "label",
      {},
      h("input", {
        type: "checkbox", checked: url.read("log") === "1",
        onchange: (event: Event) => set({ log: (event.target as HTMLInputElement).checked ? "1" : null }),
      }),
      "Log y",
    ),
  );
}
