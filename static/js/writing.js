// Writing an ideal answer: keeps what is written, shows what it becomes, and sends it when the
// server can take it. The server decides what is stored and what comes next.

import * as attention from "./work/attention.js";
import "./work/breaks.js";
import * as bindings from "./work/bindings.js";
import { lookAgain } from "./work/looking.js";
import * as panels from "./work/panels.js";
import * as server from "./work/server.js";
import * as store from "./work/store.js";

const KEEP = 200; // milliseconds without a change until a draft is kept
const LOOK = 350; // milliseconds without a change until the preview follows

const area = document.getElementById("pair");
const form = area.querySelector("form.pair");
const keys = document.getElementById("keys");
const keysOn = document.querySelector("[data-keys-on]");
const text = form?.elements.text;
const veil = form?.querySelector(".veil");
const draft = form && `prompt-${form.getAttribute("action")}`;

let keeping = null;
let looking = null;
let looks = 0; // previews asked for; an older one that comes late is not shown

for (const button of document.querySelectorAll("[data-script-only]")) button.hidden = false;

// Drafts ------------------------------------------------------------------------------------------

async function keep() {
  clearTimeout(keeping);
  keeping = null;
  if (form.dataset.state !== "ready") return;
  const fields = ["text", "started_from"].map((name) => [name, form.elements[name].value]);
  const { labeler } = area.dataset;
  await store.put("drafts", { assignment: draft, labeler, fields, at: Date.now() });
  const kept = form.querySelector("[data-kept]");
  kept.textContent = kept.dataset.words;
}

async function restore() {
  const found = await store.get("drafts", draft);
  if (found?.labeler !== area.dataset.labeler || text.value !== text.defaultValue) return;
  for (const [name, value] of found.fields) form.elements[name].value = value;
  look();
}

// Preview -----------------------------------------------------------------------------------------

async function look() {
  clearTimeout(looking);
  const mine = ++looks;
  const fields = ["text", "started_from"].map((name) => [name, form.elements[name].value]);
  const response = await server.submit(form.dataset.preview, fields);
  if (!response?.ok || mine !== looks) return;
  const part = new DOMParser().parseFromString(await response.text(), "text/html");
  document.getElementById("preview").replaceWith(document.adoptNode(part.getElementById("preview")));
}

function changed() {
  clearTimeout(keeping);
  clearTimeout(looking);
  keeping = setTimeout(keep, KEEP);
  looking = setTimeout(look, LOOK);
}

/** Put a response into the place for the text; the browser's undo brings back what was there. */
function start(button) {
  if (veil?.contains(button) && !veil.open) return veil.querySelector("summary").focus(); // nobody edits unseen
  form.elements.started_from.value = button.dataset.source;
  text.focus();
  text.select();
  const words = button.dataset.words;
  if (!document.execCommand(words ? "insertText" : "delete", false, words)) text.value = words;
  text.setSelectionRange(0, 0);
  text.scrollTop = 0;
  changed();
}

// Sending -----------------------------------------------------------------------------------------

const trouble = area.querySelector("[data-trouble]");

function say(words) {
  trouble.textContent = words;
  trouble.hidden = !words;
  if (words) trouble.scrollIntoView({ block: "nearest" });
}

async function send() {
  if (form.dataset.state !== "ready") return; // a double click
  const kept = keep();
  form.dataset.state = "sending";
  text.readOnly = true; // what is typed from here on would not be sent
  await kept;
  form.elements.seconds.value = attention.seconds();
  const response = await server.post(form.getAttribute("action"), [...new FormData(form)]);
  if (response?.ok) {
    await store.remove("drafts", draft);
    location.assign((await response.json()).next);
    return;
  }
  form.dataset.state = "ready";
  text.readOnly = false;
  if (!response) say(trouble.dataset.cut);
  else if (server.isSignedOut(response)) say(trouble.dataset.signedOut);
  else if (response.status === 409 || response.status === 422) say((await response.json()).refusal);
  else say(trouble.dataset.broken);
}

// Keys --------------------------------------------------------------------------------------------

keysOn.checked = localStorage.getItem("single-keys") !== "off";
keysOn.addEventListener("change", () => {
  localStorage.setItem("single-keys", keysOn.checked ? "on" : "off");
});
document.querySelector("[data-open=keys]").addEventListener("click", () => keys.showModal());

const writes = (element) => element.closest("textarea, select, input:not([type=checkbox])");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing || keys.open) return;
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "Enter" || event.repeat) return;
    event.preventDefault();
    return form?.requestSubmit();
  }
  if (key === "Escape" && target === text) return form.focus();
  if (writes(target) || (key === "Enter" && target.closest("a, button, summary"))) return;
  if (key !== "Enter" && !keysOn.checked) return;
  if (key === "Escape") return panels.closeGuidelines();
  const action = bindings.action(event);
  if (action && !event.repeat && act(action)) event.preventDefault();
});

/** Do what a key stands for; false where there is nothing of that kind on the page. */
function act(action) {
  const found = {
    help: () => keys.showModal(),
    prompt: panels.togglePrompt,
    guidelines: panels.toggleGuidelines,
    write: text && (() => text.focus()),
    submit: () => (form ? form.requestSubmit() : area.querySelector("[data-next]")?.click()),
    reveal: veil && (() => veil.toggleAttribute("open")),
    undo: () => area.querySelector("[data-last-answer]")?.click(),
    skip: form?.querySelector(".skipping") && skip,
  }[action];
  const button = action.startsWith("start-") && form?.querySelector(`[data-start="${action.slice(6)}"]`);
  if (!found && !button) return false;
  if (found) found();
  else start(button);
  return true;
}

function skip() {
  form.querySelector(".skipping").open = true;
  form.querySelector(".skipping select").focus();
}

// -------------------------------------------------------------------------------------------------

bindings.show();

lookAgain(location.href, () => {
  location.reload();
  return true;
});

if (form) {
  if (globalThis.crypto?.randomUUID) form.elements.client_key.value = crypto.randomUUID();
  attention.restart();
  text.addEventListener("input", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  for (const button of form.querySelectorAll("[data-start]")) {
    button.addEventListener("click", () => start(button));
  }
  document.addEventListener("visibilitychange", () => document.hidden && keeping && keep());
  window.addEventListener("pagehide", () => keeping && keep());
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  await restore();
}
