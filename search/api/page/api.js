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
  await pause(1000 * seconds, signal);
  waiting -= 1;
  if (!waiting) line.textContent = "";
}

/** @param {number} milliseconds @param {AbortSignal} [signal] ends it before */
const pause = (milliseconds, signal) => new Promise((resume) => {
  setTimeout(resume, signal?.aborted ? 0 : milliseconds);
  signal?.addEventListener("abort", resume, { once: true });
});

/** @param {Response} answer @returns {Promise<Refused>} */
async function refusal(answer) {
  const wait = [429, 503].includes(answer.status) ? Number(answer.headers.get("Retry-After")) : 0;
  return new Refused(await reason(answer), answer.status, wait > 0 ? wait : 0);
}

/**
 * Ask the service. What only reads, and what has a key under which it is done once, is asked again
 * where the service says when; any other act is never repeated. What the signal ends is an AbortError,
 * and so is what a token was asked with that has been forgotten meanwhile; an act that is on its way
 * comes to its end. A body that is a text is JSON as it stands.
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, key?: string, reads?: boolean, form?: "json" | "text" | "blob",
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
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
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

/** @param {Response} answer */
async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The service answers ${answer.status}.`;
  }
}

// The service says at least every 15 seconds that it is there (`_KEEP_ALIVE_SECONDS`); a stream on
// which nothing has come for so many milliseconds is dead, whatever the network says of it.
const SILENT = 25_000;

// Milliseconds before a stream is opened again: at first, and at most where that fails again and again.
const SOON = 1000, LATER = 8000;

/**
 * One connection that is ended with a page, or where nothing is heard for a while. The browser's own
 * clock counts that, which stands while the machine sleeps.
 */
class Line {
  #ends = new AbortController();
  #heard = 0;
  isSilent = false;

  /** @param {AbortSignal} page */
  constructor(page) {
    this.signal = this.#ends.signal;
    page.addEventListener("abort", () => this.end(), { once: true, signal: this.signal });
    this.#watch();
  }

  end = () => this.#ends.abort();

  hear = () => { this.#heard += 1; };

  #watch() {
    const heard = this.#heard;
    AbortSignal.timeout(SILENT).addEventListener("abort", () => {
      if (this.signal.aborted) return;
      this.isSilent = heard === this.#heard;
      if (this.isSilent) this.end();
      else this.#watch();
    });
  }
}

/** @param {Date | null} since when the service was heard last; null where it is there */
function tellLost(since) {
  const time = since?.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
  const text = time ? `No connection to the service since ${time}; trying again. The page may be out of date.` : "";
  const line = /** @type {HTMLElement} */ (document.getElementById("lost"));
  if (line.textContent !== text) line.textContent = text;
}

/**
 * Call back with what happens after an event, until the signal says enough. A stream that breaks, or
 * that is silent, is opened again behind the last event. Where the service is not there the page
 * says so; when it is there again, the call is of the kind "again".
 * @param {(kind: string, data: any) => void} tell
 * @param {AbortSignal} signal
 * @param {number} newest
 * @param {string} [sweep]
 */
export async function follow(tell, signal, newest, sweep) {
  let last = String(newest), heard = new Date(), isLost = false, rest = SOON;
  signal.addEventListener("abort", () => tellLost(null), { once: true });
  while (!signal.aborted) {
    let wait = 0, isOpen = false;
    const line = new Line(signal);
    try {
      /** @type {Record<string, string>} */
      const headers = { Authorization: `Bearer ${token()}`, "Last-Event-ID": last };
      const path = sweep ? `v1/events?sweep=${sweep}` : "v1/events";
      const answer = await fetch(path, { headers, signal: line.signal });
      if (!answer.ok || !answer.body) throw await refusal(answer);
      isOpen = true;
      rest = SOON;
      tellLost(null);
      if (isLost) tell("again", null);
      isLost = false;
      for await (const fields of parts(answer.body, () => {
        line.hear();
        heard = new Date();
      })) {
        if (fields.id) last = fields.id;
        if (fields.data) tell(fields.event, JSON.parse(fields.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 401) throw error;
      if (error instanceof Refused) wait = error.wait;
      // A stream that breaks is mostly there again at once.
      isLost ||= !wait && (!isOpen || line.isSilent);
      tellLost(isLost && !wait ? heard : null);
    }
    line.end();
    if (wait) await putOff(Math.min(wait, LONGEST), signal);
    else {
      await pause(rest, signal);
      rest = Math.min(2 * rest, LATER);
    }
  }
}

/**
 * The parts of a stream of events, each as its fields by their names.
 * @param {ReadableStream<Uint8Array>} body @param {() => void} hear called when anything comes
 */
async function* parts(body, hear) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    hear();
    const whole = (rest + value).split("\n\n");
    rest = whole.pop() ?? "";
    for (const part of whole) {
      /** @type {Record<string, string>} */
      const fields = Object.fromEntries(part.split("\n").map((line) => {
        const at = line.indexOf(":");
        return [line.slice(0, at), line.slice(at + 1).trimStart()];
      }));
      yield fields;
    }
  }
}
