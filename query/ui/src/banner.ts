/** What is wrong right now, on top of the page; null when nothing is. */

import { h } from "./dom";

const element = h("div", { class: "banner", role: "alert", hidden: true });

export function banner(message: string | null): void {
  if (!element.isConnected) document.body.prepend(element);
  element.hidden = message === null;
  element.textContent = message ?? "";
}
