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
export interface RunDetails { run: Run; writers: Writer[]; refusals: Refusal[] }
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
      response = await fetch(`/runstream.v1.QueryService/${method}`, { method: "POST", body, headers });
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
  return (await post(method, JSON.stringify(request), "application/json")).json() as Promise<T>;
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
  return { run: answer.run!, writers: answer.writers ?? [], refusals: answer.refusals ?? [] };
}

export async function listKeys(request: { runs?: string[]; project?: string }): Promise<string[]> {
  return (await json<{ keys?: string[] }>("ListKeys", { ...request, pageSize: 2000 })).keys ?? [];
}

export interface HistoryAsk {
  runs: string[]; keys: string[]; maxBuckets: number; from?: number; to?: number; eachRank: boolean;
}

export async function getHistory(ask: HistoryAsk): Promise<Curve[]> {
  const body = encodeHistoryRequest(ask);
  const response = await post("GetHistory", body as unknown as BodyInit, "application/proto");
  return decodeHistory(await response.arrayBuffer());
}
