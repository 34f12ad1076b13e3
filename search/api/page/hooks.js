// @ts-check
// Addresses that are told of events: one's own, and everybody's for an administrator.

import { element, table, when } from "./parts.js";

const KINDS = ["submitted", "changed", "state", "done", "failed", "cancelled", "deleted"];
const USUAL = ["done", "failed", "cancelled"];

/** @param {HTMLElement} place @param {import("./sweeps.js").Page} page */
export async function hooks(place, { me, signal, ask, tellError }) {
  document.title = "Hooks - packsweep";
  if (me.role === "viewer") {
    place.append(element("h1", {}, "Hooks"), element("p", {}, "Your token only lets you look; hooks need the role submitter."));
    return;
  }
  const list = element("div"), deliveries = element("div"), said = element("p", { role: "status" });
  const url = /** @type {HTMLInputElement} */ (element("input", {
    type: "url", required: true, placeholder: "https://hooks.example/packsweep", maxLength: 1000,
  }));
  const boxes = KINDS.map((kind) => /** @type {HTMLInputElement} */ (element("input", {
    type: "checkbox", checked: USUAL.includes(kind), value: kind,
  })));
  /** @type {number | null} the hook whose deliveries are shown */
  let shown = null;

  /** Do something, tell of it, and show what has come of it. */
  const act = (/** @type {() => Promise<void>} */ what) => async (/** @type {Event} */ event) => {
    event.preventDefault();
    said.replaceChildren();
    try {
      await what();
    } catch (error) {
      tellError(error);
    }
  };
  const add = act(async () => {
    const kinds = boxes.filter((box) => box.checked).map((box) => box.value);
    const made = await ask("POST", "hooks", { body: { url: url.value, kinds } });
    url.value = "";
    said.replaceChildren(`Hook ${made.id} is there. Its secret, which is shown this once: `,
      element("code", {}, made.secret));
    await load();
  });
  const remove = (/** @type {any} */ hook) => act(async () => {
    if (!confirm(`Remove the hook ${hook.id} to ${hook.url}? What is on its way to it is dropped.`)) return;
    await ask("DELETE", `hooks/${hook.id}`);
    if (shown === hook.id) shown = null;
    said.replaceChildren(`Hook ${hook.id} is removed.`);
    await load();
    /** @type {HTMLElement | null} */ (place.querySelector("h1"))?.focus();  // the button is gone
  });
  const test = (/** @type {any} */ hook) => act(async () => {
    said.replaceChildren(`A test is on its way to ${hook.url} ...`);
    const sent = await ask("POST", `hooks/${hook.id}/test`);
    shown = hook.id;
    said.replaceChildren(`Test of hook ${hook.id}: ${sent.outcome}.`);
    await load();
  });
  const look = (/** @type {any} */ hook) => act(async () => {
    shown = shown === hook.id ? null : hook.id;
    await load();
  });
  const button = (/** @type {string} */ text, /** @type {any} */ hook, /** @type {(event: Event) => any} */ onclick) =>
    element("button", {
      type: "button", onclick, "aria-label": `${text} hook ${hook.id}`, "data-key": `${text} ${hook.id}`,
      ...(text === "Deliveries" ? { "aria-expanded": String(shown === hook.id) } : {}),
    }, text);

  const load = async () => {
    const found = await ask("GET", "hooks");
    const sent = shown === null ? null : await ask("GET", `hooks/${shown}/deliveries`);
    if (signal.aborted) return;
    const focus = list.contains(document.activeElement) && document.activeElement?.getAttribute("data-key");
    list.replaceChildren(found.length
      ? table(["hook", "address", "of", "person", "since"], found.map((/** @type {any} */ hook) => [
        String(hook.id),
        element("div", {}, hook.url, element("div", { className: "acts" }, button("Test", hook, test(hook)),
          button("Deliveries", hook, look(hook)), button("Remove", hook, remove(hook)))),
        hook.kinds.join(", "), hook.person, when(hook.created_at),
      ]), { numbers: [0], spare: [2, 3, 4], free: [1, 2], label: "Hooks" })
      : element("p", { className: "quiet" }, "None yet."));
    deliveries.replaceChildren(...(sent === null ? [] : [
      element("h2", {}, `Newest deliveries to hook ${shown}`),
      sent.length ? table(["event", "attempts", "how the last one has ended", "next one", "name"],
        sent.map((/** @type {any} */ one) => [
          one.kind, String(one.attempts), one.outcome || "not tried yet",
          when(one.next_attempt_at), one.id,
        ]), { numbers: [1], spare: [4], free: [2], label: "Deliveries" })
        : element("p", { className: "quiet" }, "Nothing has been sent to it yet."),
    ]));
    if (focus) /** @type {HTMLElement | null} */ (list.querySelector(`[data-key="${CSS.escape(focus)}"]`))?.focus();
  };
  place.append(
    element("h1", { tabIndex: -1 }, "Hooks"),
    element("p", { className: "hint" },
      "A hook sends an address the events of "
      + (me.role === "admin" ? "its owner's sweeps; you see everybody's hooks. " : "your sweeps. ")
      + "The administrator names the allowed hosts (--hook HOST). Messages are signed with the hook's secret."),
    said, list, deliveries,
    element("h2", {}, "Add a hook"),
    element("form", { onsubmit: add },
      element("label", {}, element("span", {}, "Address"), url),
      element("fieldset", {}, element("legend", {}, "Events"),
        element("div", { className: "acts" }, ...boxes.map((box) => element("label", {}, box, ` ${box.value}`)))),
      element("p", { className: "acts" }, element("button", { className: "first", type: "submit" }, "Add"))));
  await load();
}
