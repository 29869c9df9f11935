/** What a run was: config, summary, where it ran, alerts, its processes. */

import { listAlerts, type Alert, type RunDetails, type Writer } from "./api";
import { fill, h } from "./dom";
import { ago, cell, number, state } from "./format";

export class Overview {
  readonly element = h("div", { class: "details" });

  constructor(private readonly name: string) {}

  async refresh(details: RunDetails): Promise<void> {
    const alerts = details.alertCount ? await listAlerts(this.name) : [];
    const { run, writers, metadata } = details;
    fill(
      this.element,
      alerts.length ? alertsOf(alerts) : "",
      run.notes ? h("section", { class: "wide" }, h("h3", {}, "Notes"), h("p", { class: "notes" }, run.notes)) : "",
      pairs("Config", run.config),
      pairs("Summary", run.summary),
      Object.keys(metadata).length ? pairs("Metadata", metadata, "wide") : "",
      processes(writers),
    );
  }
}

function pairs(title: string, values: Record<string, unknown> = {}, more = ""): HTMLElement {
  const rows = Object.entries(values).sort(([a], [b]) => a.localeCompare(b)).flatMap(([key, value]) => flat(key, value));
  return h("section", { class: more }, h("h3", {}, title),
    rows.length
      ? h("table", { class: "pairs" }, h("tbody", {}, rows.map(([key, value]) => h("tr", {}, h("td", { class: "muted" }, key), h("td", {}, cell(value))))))
      : h("p", { class: "muted none" }, "none"));
}

/** Objects a level or two down read better line by line; long lists and deep things stay JSON. */
function flat(key: string, value: unknown, depth = 0): [string, unknown][] {
  if (depth < 2 && typeof value === "object" && value !== null && !Array.isArray(value) && !("_type" in value)) {
    return Object.entries(value).flatMap(([inner, item]) => flat(`${key}.${inner}`, item, depth + 1));
  }
  if (Array.isArray(value) && value.every((item) => typeof item === "string") && value.length > 3) return [[key, value.join("  ")]];
  return [[key, value]];
}

function alertsOf(alerts: Alert[]): HTMLElement {
  return h("section", { class: "wide" }, h("h3", {}, "Alerts"),
    h("table", { class: "alerts" }, h("tbody", {}, alerts.map((alert) =>
      h("tr", {}, h("td", {}, h("span", { class: `state ${alert.level}` }, alert.level)), h("td", {}, h("b", {}, alert.title), h("p", { class: "muted" }, alert.text ?? "")),
        h("td", { class: "num muted", title: alert.createTime }, ago(alert.createTime)))))));
}

function processes(writers: Writer[]): HTMLElement {
  return h("section", { class: "wide" }, h("h3", {}, "Processes"),
    h("table", {},
      h("thead", {}, h("tr", {}, ["Rank", "Attempt", "Host", "Process", "State", "Heard of", "Sent", "Stored", "Refused"].map((title) =>
        h("th", { class: /Rank|Attempt|Process|Sent|Stored|Refused/.test(title) ? "num" : "" }, title)))),
      h("tbody", {}, writers.slice(0, 256).map((writer) =>
        h("tr", {},
          h("td", { class: "num" }, number(writer.rank ?? 0)), h("td", { class: "num" }, String(writer.attempt ?? 0)),
          h("td", {}, writer.host), h("td", { class: "num" }, String(writer.processId)),
          h("td", {}, h("span", { class: `state ${state(writer.state)}` }, state(writer.state))), h("td", { class: "muted" }, ago(writer.heartbeatTime)),
          h("td", { class: "num" }, number(Number(writer.sent ?? 0))), h("td", { class: "num" }, number(Number(writer.stored ?? 0))),
          h("td", { class: "num" }, number(Number(writer.refused ?? 0))),
        )))));
}
