/** Which page the path names: /, /p/entity/project, /r/entity/project/run. */

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { ApiError } from "./api";
import { banner } from "./banner";
import { projectPage } from "./project";
import { projectsPage } from "./projects";
import { runPage } from "./run";

const app = document.getElementById("app")!;
let page = new AbortController();

function show(): void {
  page.abort();
  page = new AbortController();
  banner(null);
  const parts = location.pathname.split("/").slice(1).map(decodeURIComponent);
  document.title = parts[0] ? `${parts.slice(2).join("/")} · runstream` : "runstream";
  if (parts[0] === "p" && parts.length === 3) projectPage(app, parts.slice(1).join("/"), page.signal);
  else if (parts[0] === "r" && parts.length === 4) runPage(app, parts.slice(1).join("/"), page.signal);
  else projectsPage(app, page.signal);
}

// Links of our own change the page without loading it again.
document.addEventListener("click", (event) => {
  const link = (event.target as Element).closest("a");
  if (!link || link.origin !== location.origin || event.metaKey || event.ctrlKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
});
window.addEventListener("popstate", show);
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof ApiError) {
    event.preventDefault();
    banner(event.reason.message);
  }
});
show();
