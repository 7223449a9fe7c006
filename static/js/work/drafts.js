// What was chosen and written for a pair, before it is an answer: back after a crash or a reload.

import * as pair from "./pair.js";
import * as store from "./store.js";

const PAUSE = 200; // milliseconds without a change until it is saved
const KEPT = 14 * 24 * 3600 * 1000; // milliseconds; nobody comes back to older ones

const { user: labeler } = document.documentElement.dataset;
const OWN = ["csrfmiddlewaretoken", "client_key", "seconds"]; // of the page, not of the labeler

let pause = null;
let changed = null; // the form whose changes are not saved yet
const touched = new WeakSet(); // forms changed since they came; what they say is newer than a draft

const keyOf = (form) => form.dataset.assignment ?? form.dataset.changing;

function save() {
  clearTimeout(pause);
  const form = changed;
  changed = null;
  if (!form || form.dataset.state !== "ready") return;
  const fields = [...new FormData(form)].filter(
    ([name, value]) => !OWN.includes(name) && form.elements[name] && value !== "",
  );
  store.put("drafts", { assignment: keyOf(form), labeler, fields, at: Date.now() });
}

document.addEventListener("input", ({ target }) => {
  if (!target.form || target.form !== pair.form()) return;
  changed = target.form;
  touched.add(changed);
  clearTimeout(pause);
  pause = setTimeout(save, PAUSE);
});

document.addEventListener("visibilitychange", () => document.hidden && save());
window.addEventListener("pagehide", save);

/** What is on the screen is not to be saved any more: it has been answered, or is left as it was. */
export function stop() {
  clearTimeout(pause);
  changed = null;
}

export const drop = (key) => store.remove("drafts", key);

async function restore() {
  const form = pair.form();
  const draft = form && (await store.get("drafts", keyOf(form)));
  if (!draft || draft.labeler !== labeler || touched.has(form) || form !== pair.form()) return;
  let details = false;
  for (const input of form.elements) {
    if (!input.name || OWN.includes(input.name)) continue;
    const values = draft.fields.filter(([name]) => name === input.name).map(([, value]) => value);
    if (input.type === "radio" || input.type === "checkbox") {
      input.checked = values.includes(input.value);
      details ||= input.checked && input.closest(".more");
    } else if (values.length) {
      input.value = values[0];
      details ||= input.type === "textarea";
    }
  }
  form.dispatchEvent(new Event("restored", { bubbles: true }));
  if (details) form.querySelector(".more").open = true;
}

pair.on(restore);

store.all("drafts").then((drafts) => {
  for (const draft of drafts) {
    if (Date.now() - draft.at > KEPT) store.remove("drafts", draft.assignment);
  }
});
