/** One value that is no number, drawn by its type. Files come from S3 by link, never through the server. */

import type { HistoryValue } from "./api";
import { fill, h } from "./dom";
import { histogramView } from "./histogramview";
import type { Links } from "./links";
import { tableView } from "./tableview";

interface Item { path?: string; caption?: string; format?: string; values?: number[]; bins?: number[]; filenames?: string[]; captions?: string[] }

export function mediaView(value: HistoryValue, links: Links): HTMLElement {
  const content = JSON.parse(value.json) as unknown;
  const items = itemsOf(content);
  const type = value.type.replace("[]", "");
  if (type === "string") return h("pre", { class: "text" }, String(content));
  if (type === "histogram") return histogramView(content as { values: number[]; bins: number[] });
  const table = (content as { table?: Item } | null)?.table?.path; // a custom chart is told by its table
  if (type === "custom-chart" && table) return tableView(table, links);
  if (items.length === 0) return h("pre", { class: "text" }, JSON.stringify(content, null, 2));
  if (type.includes("table") && items[0]!.path) return tableView(items[0]!.path, links);
  return h("div", { class: items.length > 1 ? "tiles" : "single" }, items.map((item) => tile(type, item, links)));
}

/** A media object, a list of them, or one object that names several files: as one list. */
function itemsOf(content: unknown): Item[] {
  if (Array.isArray(content)) return content.every((each) => (each as Item | null)?.path) ? (content as Item[]) : [];
  const item = (content ?? {}) as Item;
  if (item.filenames) return item.filenames.map((path, index) => ({ path, caption: item.captions?.[index], format: item.format }));
  return item.path ? [item] : [];
}

function tile(type: string, item: Item, links: Links): HTMLElement {
  const element = h("figure", {}, h("div", { class: "wait" }));
  void links.get(item.path!).then((link) => {
    const kind = link ? elementFor(type, item, link.url, link.mediaType) : h("span", { class: "muted" }, `${item.path} is not there`);
    fill(element, kind, item.caption ? h("figcaption", {}, item.caption) : "");
  });
  return element;
}

function elementFor(type: string, item: Item, url: string, mediaType: string): HTMLElement {
  if (mediaType.startsWith("image/") || /image/.test(type)) {
    const image = h("img", { src: url, alt: item.caption ?? item.path!, loading: "lazy" });
    image.onload = () => image.classList.toggle("small", image.naturalWidth <= 128); // its pixels are meant to be seen
    return h("a", { href: url, target: "_blank", rel: "noopener" }, image);
  }
  if (mediaType.startsWith("audio/")) return h("audio", { src: url, controls: true, preload: "none" });
  if (mediaType.startsWith("video/")) return h("video", { src: url, controls: true, preload: "metadata" });
  // A page of the user's runs where it can reach nothing of ours: another origin, and not even that one's.
  if (mediaType.startsWith("text/html")) return h("iframe", { src: url, sandbox: "allow-scripts", title: item.path!, loading: "lazy" });
  return h("a", { href: url, target: "_blank", class: "file" }, item.path!.split("/").pop()!);
}
