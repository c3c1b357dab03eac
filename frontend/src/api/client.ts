/** Typed requests to the control plane. */

import type { ErrorDetail, paths } from "./schema";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Ok<T> = T extends { responses: { 200: infer Answer } }
  ? Json<Answer>
  : T extends { responses: { 202: infer Answer } }
    ? Json<Answer>
    : never;

export type GetPath = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths];
export type PostPath = { [P in keyof paths]: paths[P] extends { post: object } ? P : never }[keyof paths];
export type GetAnswer<P extends GetPath> = Ok<paths[P]["get"]>;
export type PostAnswer<P extends PostPath> = Ok<paths[P]["post"]>;
type Body<P extends PostPath> = paths[P]["post"] extends { requestBody: { content: { "application/json": infer B } } } ? Partial<B> : never;

export type Fill = Readonly<Record<string, string | number>>;
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** An address together with the type of what it answers. */
export interface Endpoint<T> {
  readonly url: string;
  readonly answer?: T;
}

/** What the server said was wrong, and what to do. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

function address(path: string, fill: Fill, query: Query): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(fill[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  return search.size ? `${filled}?${search}` : filled;
}

/** The endpoint of a route of the control plane, its path's parts and query filled in. */
export function at<P extends GetPath>(path: P, fill: Fill = {}, query: Query = {}): Endpoint<GetAnswer<P>> {
  return { url: address(path, fill, query) };
}

/** Ask an endpoint. Throws a Refusal. */
export async function ask<T>(endpoint: Endpoint<T>, signal?: AbortSignal): Promise<T> {
  return answered<T>(await reach(endpoint.url, signal ? { signal } : {}));
}

/** Ask for a change. Throws a Refusal. */
export async function post<P extends PostPath>(path: P, fill: Fill, body: Body<P>): Promise<PostAnswer<P>> {
  const headers = { "content-type": "application/json" };
  return answered(await reach(address(path, fill, {}), { method: "POST", headers, body: JSON.stringify(body) }));
}

async function reach(url: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "Unreachable", "the server does not answer", "see that it is running: treadle status");
  }
}

async function answered<T>(response: Response): Promise<T> {
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body as T;
  const detail = (body as { error?: ErrorDetail } | null)?.error;
  throw new Refusal(
    response.status,
    detail?.type ?? "Unknown",
    detail?.message ?? `the server answered ${response.status}`,
    detail?.hint ?? "",
  );
}
