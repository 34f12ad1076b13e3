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
  /** @param {string} message @param {number} status @param {number} [wait] seconds to wait first */
  constructor(message, status, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

// How often something is asked that is put off; then whoever has asked is told so.
const ATTEMPTS = 6;

// Seconds that a page waits at most. What shall wait longer is told at once.
const LONGEST = 60;

/** What ends quietly, since nobody waits for it any more. */
const ended = () => new DOMException("Nobody waits for it.", "AbortError");

/** How many requests are put off now. */
let waiting = 0;

/**
 * Wait as long as the service says, and tell so in one line.
 * @param {number} seconds @param {AbortSignal} [signal] ends it before
 */
async function putOff(seconds, signal) {
  const line = /** @type {HTMLElement} */ (document.getElementById("busy"));
  waiting += 1;
  line.textContent = `The service is busy. This page asks again in ${seconds} s.`;
  await new Promise((resume) => {
    setTimeout(resume, signal?.aborted ? 0 : 1000 * seconds);
    signal?.addEventListener("abort", resume, { once: true });
  });
  waiting -= 1;
  if (!waiting) line.textContent = "";
}

/** @param {Response} answer @returns {Promise<Refused>} */
async function refusal(answer) {
  const wait = [429, 503].includes(answer.status) ? Number(answer.headers.get("Retry-After")) : 0;
  return new Refused(await reason(answer), answer.status, wait > 0 ? wait : 0);
}

/**
 * Ask the service. What only reads, and what has a key under which it is done once, is asked again
 * where the service says when; any other act is never repeated. What the signal ends is an AbortError,
 * and so is what a token was asked with that has been forgotten meanwhile; an act that is on its way
 * comes to its end.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, key?: string, reads?: boolean, form?: "json" | "text" | "blob",
 *   signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function ask(
  method, path, { body, key, reads = method === "GET", form = "json", signal } = {},
) {
  const mine = token();
  /** @type {Record<string, string>} */
  const headers = { Authorization: `Bearer ${mine}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: reads ? signal : undefined,
    });
    if (answer.ok) return answer.status === 204 ? undefined : answer[form]();
    const refused = await refusal(answer);
    if (token() !== mine) throw ended();  // signed out meanwhile
    const again = refused.wait && refused.wait <= LONGEST && (reads || key) && attempt < ATTEMPTS;
    if (!again) throw refused;
    await putOff(refused.wait, signal);
    if (signal?.aborted || token() !== mine) throw ended();
  }
}

/**
 * Read JSON whose numbers stay as they are written: 1.0 and 1 are two values of a hyperparameter, and one
 * number of JavaScript. Browsers of before 2025 may know no way.
 * @param {string} text @returns {any}
 */
export function exactly(text) {
  const raw = /** @type {any} */ (JSON).rawJSON;
  const keep = (/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ written) =>
    raw && typeof value === "number" && written?.source ? raw(written.source) : value;
  return JSON.parse(text, keep);
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
    let wait = 0;
    try {
      /** @type {Record<string, string>} */
      const headers = { Authorization: `Bearer ${token()}`, "Last-Event-ID": last };
      const path = sweep ? `v1/events?sweep=${sweep}` : "v1/events";
      const answer = await fetch(path, { headers, signal });
      if (!answer.ok || !answer.body) throw await refusal(answer);
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
      if (error instanceof Refused) wait = error.wait;
    }
    if (wait) await putOff(Math.min(wait, LONGEST), signal);
    else await new Promise((resume) => setTimeout(resume, 1000));
  }
}
