/** A logged table, a page at a time. */

import { fill, h } from "./dom";
import { cell } from "./format";
import type { Links } from "./links";

const ROWS = 10;
interface Content { columns: unknown[]; data: unknown[][] }

export function tableView(path: string, links: Links): HTMLElement {
  const element = h("div", { class: "table" }, h("div", { class: "wait" }));
  void load(path, links).then(
    (content) => show(element, content, links, 0),
    () => fill(element, h("span", { class: "muted" }, `${path} cannot be read`)),
  );
  return element;
}

async function load(path: string, links: Links): Promise<Content> {
  const link = await links.get(path);
  if (!link) throw new Error("no such file");
  return (await (await fetch(link.url)).json()) as Content;
}

function show(element: Element, content: Content, links: Links, page: number): void {
  const pages = Math.max(1, Math.ceil(content.data.length / ROWS));
  const turn = (label: string, to: number): HTMLElement =>
    h("button", { disabled: to < 0 || to >= pages, onclick: () => show(element, content, links, to), "aria-label": label === "‹" ? "page before" : "next page" }, label);
  const numeric = content.columns.map((_, column) => content.data.every((row) => row[column] === null || typeof row[column] === "number"));
  fill(
    element,
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, content.columns.map((name, column) => h("th", { class: numeric[column] ? "num" : "" }, String(name))))),
      h("tbody", {}, content.data.slice(page * ROWS, (page + 1) * ROWS).map((row) =>
        h("tr", {}, row.map((value, column) => h("td", { class: numeric[column] ? "num" : "" }, cellOf(value, links)))))))),
    h("div", { class: "pages muted" }, `${content.data.length.toLocaleString("en")} rows`, h("span", { class: "space" }),
      pages > 1 && turn("‹", page - 1), pages > 1 && `${page + 1} of ${pages.toLocaleString("en")}`, pages > 1 && turn("›", page + 1)),
  );
}

function cellOf(value: unknown, links: Links): Node | string {
  const media = value as { _type?: string; path?: string } | null;
  if (typeof value !== "object" || !media?.path || !/image/.test(media._type ?? "")) return cell(value);
  const image = h("img", { alt: media.path });
  void links.get(media.path).then((link) => link && (image.src = link.url));
  return image;
}
