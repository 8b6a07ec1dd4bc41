/**
 * The client of the server extension: paths, errors and guards, and nothing of JupyterLab.
 *
 * What reaches the network is the `Fetch` it is given (`server.ts` makes one), so that tests run it
 * against a plain server.
 */
import { ShapeError, object, optional, text } from './guards';
import type { Guard } from './guards';

/** Sends one request to a path below the extension's root; rejects only when nothing answers. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

export type Value = string | number | boolean | null | undefined | readonly string[];
export type Query = Readonly<Record<string, Value>>;

/** How a request failed: `offline` = the Jupyter server itself does not answer. */
export type Failure =
  | 'offline'
  | 'unreachable'
  | 'refused'
  | 'missing'
  | 'invalid'
  | 'unauthenticated'
  | 'failed';

/** A request that did not bring what was asked for; its message is one sentence for a person. */
export class ApiError extends Error {
  constructor(
    readonly failure: Failure,
    readonly code: string,
    message: string,
    readonly hint: string = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const trouble = object({
  code: optional(text, ''),
  message: optional(text, ''),
  hint: optional(text, '')
});

export class Client {
  constructor(private readonly send: Fetch) {}

  /** Ask for something; `fresh` keeps the answer out of the browser's cache. */
  async get<T>(
    path: string,
    guard: Guard<T>,
    query: Query = {},
    options: { signal?: AbortSignal; fresh?: boolean } = {}
  ): Promise<T> {
    const cache = options.fresh ? 'no-store' : 'no-cache';
    return this.ask(path + search(query), guard, { cache, signal: options.signal });
  }

  /** Ask for a picture. It is kept by nobody but the asker. */
  async picture(path: string, query: Query = {}): Promise<Blob> {
    return (await this.answer(path + search(query), { cache: 'no-store' })).blob();
  }

  async post<T>(path: string, guard: Guard<T>, body: unknown = {}): Promise<T> {
    return this.ask(path, guard, { method: 'POST', body: JSON.stringify(body) });
  }

  async delete<T>(path: string, guard: Guard<T>): Promise<T> {
    return this.ask(path, guard, { method: 'DELETE' });
  }

  private async ask<T>(path: string, guard: Guard<T>, init: RequestInit): Promise<T> {
    const body = await content(await this.answer(path, init));
    try {
      return guard(body);
    } catch (reason) {
      if (reason instanceof ShapeError) {
        throw new ApiError('failed', 'shape', `the server answered in an unknown form: ${reason.message}`);
      }
      throw reason;
    }
  }

  /** Send a request; whatever is not a success is thrown. */
  private async answer(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.send(path, init);
    } catch (reason) {
      if (init.signal?.aborted) {
        throw reason;
      }
      throw new ApiError('offline', 'offline', 'the Jupyter server does not answer');
    }
    if (!response.ok) {
      throw refusal(response.status, await content(response));
    }
    return response;
  }
}

/** One part of a path; names may hold anything. */
export function part(name: string): string {
  return encodeURIComponent(name);
}

function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') {
      continue;
    }
    for (const item of typeof value === 'object' ? value : [String(value)]) {
      params.append(key, item);
    }
  }
  const joined = params.toString();
  return joined ? `?${joined}` : '';
}

async function content(response: Response): Promise<unknown> {
  const body = await response.text();
  if (!body) {
    return null;
  }
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return null;
  }
}

const FAILURES = new Map<number, Failure>([
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'refused'],
  [404, 'missing'],
  [503, 'unreachable']
]);

function refusal(status: number, body: unknown): ApiError {
  let told = { code: '', message: '', hint: '' };
  try {
    told = trouble(body);
  } catch {
    // Not an answer of ours: a proxy, or a Jupyter server without the extension.
  }
  return new ApiError(
    FAILURES.get(status) ?? 'failed',
    told.code || `http_${status}`,
    told.message || `the server answered with status ${status}`,
    told.hint
  );
}
