/** Asks for the API key, once however many calls wait for it. */

import { h } from "./dom";

let asking: Promise<string> | null = null;

export function askForKey(why: string): Promise<string> {
  asking ??= new Promise<string>((resolve) => {
    const input = h("input", { type: "password", placeholder: "rs-…", autocomplete: "off", "aria-label": "API key" });
    const dialog = h(
      "dialog",
      {},
      h(
        "form",
        {
          method: "dialog",
          onsubmit: () => {
            dialog.remove();
            asking = null;
            resolve(input.value.trim());
          },
        },
        h("h2", {}, "API key"),
        h("p", { class: "muted" }, why),
        input,
        h("button", { class: "primary" }, "Continue"),
      ),
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
