/** A run's files, to look at and to take along. */

import { listFiles, type FileInfo } from "./api";
import { fill, h } from "./dom";
import { ago, bytes } from "./format";
import type { Links } from "./links";
import * as url from "./url";

export class Files {
  readonly element = h("div", { class: "panel" });
  private readonly list = h("section", { class: "sheet" });
  private files: FileInfo[] = [];

  constructor(private readonly run: string, private readonly links: Links) {
    const search = h("input", {
      type: "search", placeholder: "Search files", "aria-label": "Search files", value: url.read("files") ?? "",
      oninput: () => {
        url.write({ files: search.value });
        this.draw();
      },
    });
    fill(this.element, h("div", { class: "controls" }, search), this.list);
  }

  async refresh(): Promise<void> {
    this.files = await listFiles(this.run);
    this.draw();
  }

  private draw(): void {
    const search = (url.read("files") ?? "").toLowerCase();
    const shown = this.files.filter((file) => file.path.toLowerCase().includes(search));
    const sum = shown.reduce((all, file) => all + Number(file.size ?? 0), 0);
    if (shown.length === 0) {
      fill(this.list, h("p", { class: "muted empty" }, search ? "no file matches" : "no files saved yet"));
      return;
    }
    fill(
      this.list,
      h("table", { class: "files" },
        h("thead", {}, h("tr", {}, h("th", {}, `${shown.length.toLocaleString("en")} files`), h("th", {}, "Type"), h("th", { class: "num" }, bytes(sum)), h("th", { class: "num" }, "Saved"))),
        h("tbody", {}, shown.map((file) =>
          h("tr", {},
            h("td", {}, h("button", { class: "link", onclick: () => void this.open(file.path) }, folder(file.path), file.path.split("/").pop()!)),
            h("td", { class: "muted" }, file.mediaType), h("td", { class: "num" }, bytes(Number(file.size ?? 0))),
            h("td", { class: "num muted", title: file.updateTime }, ago(file.updateTime)))))),
    );
  }

  private async open(path: string): Promise<void> {
    const link = await this.links.get(path);
    if (link) window.open(link.url, "_blank", "noopener");
  }
}

function folder(path: string): HTMLElement {
  return h("span", { class: "muted" }, path.slice(0, path.lastIndexOf("/") + 1));
}
