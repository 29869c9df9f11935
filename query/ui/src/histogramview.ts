/** A histogram's bars. */

import { h } from "./dom";
import { number } from "./format";

const WIDTH = 300;
const HEIGHT = 120;

export function histogramView({ values = [], bins = [] }: { values: number[]; bins: number[] }): HTMLElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("class", "bars");
  svg.setAttribute("preserveAspectRatio", "none");
  const top = Math.max(...values, 1e-300);
  values.forEach((count, index) => {
    const bar = document.createElementNS(space, "rect");
    const height = (count / top) * HEIGHT;
    const width = WIDTH / values.length;
    bar.setAttribute("x", String(index * width + width * 0.05));
    bar.setAttribute("width", String(width * 0.9));
    bar.setAttribute("y", String(HEIGHT - height));
    bar.setAttribute("height", String(height));
    const title = document.createElementNS(space, "title");
    title.textContent = `${number(bins[index])} to ${number(bins[index + 1])}: ${number(count)}`;
    bar.append(title);
    svg.append(bar);
  });
  const edges = h("div", { class: "edges muted" }, h("span", {}, number(bins[0])), h("span", {}, number(bins.at(-1))));
  const element = h("div", {});
  element.append(svg, edges);
  return element;
}
