// @ts-check
// Requests to the service, and the stream of what happens. The token lives in this tab alone.

const KEY = "packsweep-token";

/** @returns {string} the token of this tab; empty where nobody has signed in */
export const token = () => sessionStorage.getItem(KEY) ?? "";

/** @param {string} value */
export const remember = (value) => sessionStorage.setItem(KEY, value);

export const forget = () => sessionStorage.removeItem(KEY);

/** What a service refuses, with its own words. */
export class Refused extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Ask the service.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, key?: string, form?: "json" | "text" | "blob"}} [options]
 * @returns {Promise<any>}
 */
export async function ask(method, path, { body, key, form = "json" } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const answer = await fetch(`v1/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Refused(await reason(answer), answer.status);
  if (answer.status === 204) return undefined;
  return answer[form]();
}

/** @param {Response} answer */
async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The service answers ${answer.status}.`;
  }
}

/**
 * Call back with what happens after an event, until the signal says enough. A stream that breaks is
 * opened again behind the last event.
 * @param {(kind: string, data: any) => void} tell
 * @param {AbortSignal} signal
 * @param {number} newest
 * @param {string} [sweep]
 */
export async function follow(tell, signal, newest, sweep) {
  let last = String(newest);
  while (!signal.aborted) {
    try {
      /** @type {Record<string, string>} */
      const headers = { Authorization: `Bearer ${token()}`, "Last-Event-ID": last };
      const path = sweep ? `v1/events?sweep=${sweep}` : "v1/events";
      const answer = await fetch(path, { headers, signal });
      if (!answer.ok || !answer.body) throw new Refused(await reason(answer), answer.status);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const fields = Object.fromEntries(
            part.split("\n").map((line) => {
              const at = line.indexOf(":");
              return [line.slice(0, at), line.slice(at + 1).trimStart()];
            }),
          );
          if (fields.id) last = fields.id;
          if (fields.data) tell(fields.event, JSON.parse(fields.data));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 401) throw error;
    }
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}
