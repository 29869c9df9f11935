/** The server's methods. JSON, but for histories; a 401 asks for the API key and tries again. */

import { type Curve, decodeHistory, encodeHistoryRequest } from "./decode";
import { askForKey } from "./keydialog";

export interface Run {
  name: string;
  displayName: string;
  state: string;
  createTime: string;
  updateTime: string;
  group?: string;
  jobType?: string;
  notes?: string;
  tags?: string[];
  config?: Record<string, unknown>;
  summary?: Record<string, unknown>;
  attempt?: number;
  worldSize?: number;
  lastStep?: string;
}
export interface Writer {
  writer: string; attempt?: number; rank?: number; host: string; processId: number; state: string;
  heartbeatTime: string; sent?: string; stored?: string; refused?: string; complete?: boolean;
}
export interface Refusal { reason: string; field?: string; message: string; count?: string }
export interface RunDetails {
  run: Run; writers: Writer[]; refusals: Refusal[]; metadata: Record<string, unknown>; fileCount: number; alertCount: number;
}
export interface RichKey { key: string; types: string[] }
export interface HistoryValue { key: string; step?: string; rank?: number; timestampMs: string; type: string; json: string }
export interface OutputLine { rank?: number; attempt?: number; writer: string; number?: string; timeUs: string; isStderr?: boolean; text?: string }
export interface FileInfo { path: string; size?: string; mediaType: string; updateTime: string; rank?: number }
export interface FileLink { path: string; url: string; mediaType: string; size?: string }
export interface Alert { run: string; level: string; title: string; text?: string; createTime: string; rank?: number }
export interface Project { name: string; runCount: string; newestRunTime: string }

export class ApiError extends Error {}

const KEY = "runstream-api-key";

async function post(method: string, body: BodyInit, type: string): Promise<Response> {
  for (;;) {
    const headers: Record<string, string> = { "Content-Type": type };
    const key = localStorage.getItem(KEY);
    if (key) headers["Authorization"] = `Bearer ${key}`;
    let response: Response;
    try {
      response = await fetch(`/runstream.v1.${method}`, { method: "POST", body, headers });
    } catch {
      throw new ApiError("the server does not answer; trying again");
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { message?: string };
    const message = problem.message ?? `the server answered ${response.status}`;
    if (response.status !== 401) throw new ApiError(message);
    localStorage.setItem(KEY, await askForKey(message));
  }
}

async function json<T>(method: string, request: unknown): Promise<T> {
  const path = method.includes("/") ? method : `QueryService/${method}`;
  return (await post(path, JSON.stringify(request), "application/json")).json() as Promise<T>;
}

export async function listProjects(): Promise<Project[]> {
  return (await json<{ projects?: Project[] }>("ListProjects", { pageSize: 1000 })).projects ?? [];
}

/** All runs of a project, newest first, up to 1,000. */
export async function listRuns(project: string): Promise<Run[]> {
  return (await json<{ runs?: Run[] }>("ListRuns", { project, pageSize: 1000 })).runs ?? [];
}

export async function getRun(name: string): Promise<RunDetails> {
  const answer = await json<Partial<RunDetails>>("GetRun", { name });
  return {
    run: answer.run!, writers: answer.writers ?? [], refusals: answer.refusals ?? [], metadata: answer.metadata ?? {},
    fileCount: Number(answer.fileCount ?? 0), alertCount: Number(answer.alertCount ?? 0),
  };
}

export async function listKeys(request: { runs?: string[]; project?: string }): Promise<string[]> {
  return (await json<{ keys?: string[] }>("ListKeys", { ...request, pageSize: 2000 })).keys ?? [];
}

/** Keys of numbers, and of other values, of one run. */
export async function listAllKeys(run: string): Promise<{ keys: string[]; richKeys: RichKey[] }> {
  const answer = await json<{ keys?: string[]; richKeys?: RichKey[] }>("ListKeys", { runs: [run], pageSize: 2000 });
  return { keys: answer.keys ?? [], richKeys: answer.richKeys ?? [] };
}

const MOST_VALUES = 10_000;

/** Values of a key that are no numbers, from a step on, in the order of steps. */
export async function getValues(run: string, key: string, fromStep: string | undefined): Promise<HistoryValue[]> {
  const found: HistoryValue[] = [];
  for (let pageToken = ""; found.length < MOST_VALUES; ) {
    const ask = { runs: [run], keys: [key], fromStepInclusive: fromStep, pageSize: 1000, pageToken };
    const page = await json<{ values?: HistoryValue[]; nextPageToken?: string }>("GetHistoryValues", ask);
    found.push(...(page.values ?? []));
    pageToken = page.nextPageToken ?? "";
    if (!pageToken) break;
  }
  return found;
}

export interface ConsoleAsk { ranks: number[]; tail: number; contains: string }

export async function getConsole(run: string, ask: ConsoleAsk): Promise<{ lines: OutputLine[]; ranks: number[] }> {
  const answer = await json<{ lines?: OutputLine[]; ranks?: number[] }>("GetConsole", { run, ...ask });
  return { lines: answer.lines ?? [], ranks: answer.ranks ?? [] };
}

export async function listFiles(run: string): Promise<FileInfo[]> {
  return (await json<{ files?: FileInfo[] }>("ListFiles", { run, pageSize: 10_000 })).files ?? [];
}

export async function listAlerts(run: string): Promise<Alert[]> {
  return (await json<{ alerts?: Alert[] }>("ListAlerts", { runs: [run], pageSize: 100 })).alerts ?? [];
}

/** Where files can be had from for an hour: an image cannot send the API key, but its URL can hold a signature. */
export async function fileLinks(run: string, paths: string[]): Promise<FileLink[]> {
  return (await json<{ links?: FileLink[] }>("ArtifactService/GetFileLinks", { run, paths })).links ?? [];
}

export interface HistoryAsk {
  runs: string[]; keys: string[]; maxBuckets: number; from?: number; to?: number; eachRank: boolean;
}

export async function getHistory(ask: HistoryAsk): Promise<Curve[]> {
  const body = encodeHistoryRequest(ask);
  const response = await post("QueryService/GetHistory", body as unknown as BodyInit, "application/proto");
  return decodeHistory(await response.arrayBuffer());
}
