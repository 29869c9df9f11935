/** The first page: projects, or what to type when there are none. */

import { listProjects } from "./api";
import { fill, h } from "./dom";
import { ago } from "./format";
import { live } from "./live";
import { page } from "./url";

const QUICK_START = `import runstream

with runstream.init(project="my-project", config={"lr": 1e-3}) as run:
    for step in range(100):
        run.log({"train/loss": 1 / (step + 1)}, step=step)`;

export function projectsPage(app: Element, signal: AbortSignal): void {
  const list = h("div", { class: "projects" });
  fill(app, h("header", { class: "top" }, h("a", { href: "/", class: "brand" }, "runstream")), h("main", { class: "narrow" }, list));
  live(async () => {
    const projects = await listProjects();
    if (projects.length === 0) {
      fill(
        list,
        h("h2", {}, "No runs yet"),
        h("p", {}, "Log one from any Python process on this machine:"),
        h("pre", {}, QUICK_START),
        h("p", { class: "muted" }, "or watch a small model train: ", h("code", {}, "runstream demo")),
      );
      return true;
    }
    fill(
      list,
      h("h2", {}, "Projects"),
      projects.map((project) =>
        h(
          "a",
          { class: "project", href: page("p", project.name) },
          h("strong", {}, project.name),
          h("span", { class: "muted" }, `${Number(project.runCount).toLocaleString("en")} runs`),
          h("span", { class: "muted" }, ago(project.newestRunTime)),
        ),
      ),
    );
    return false;
  }, signal);
}
