// Keys: every answer and every tool of the labeling page without a mouse.

import * as bindings from "./bindings.js";
import * as differences from "./differences.js";
import * as pair from "./pair.js";
import * as panels from "./panels.js";
import * as ranking from "./ranking.js";
import * as scrolling from "./scrolling.js";
import * as veil from "./veil.js";

const keys = document.getElementById("keys");
const keysOn = document.querySelector("[data-keys-on]");

keysOn.checked = localStorage.getItem("single-keys") !== "off";
keysOn.addEventListener("change", () => {
  localStorage.setItem("single-keys", keysOn.checked ? "on" : "off");
});

for (const button of document.querySelectorAll("[data-script-only]")) button.hidden = false;
document.querySelector("[data-open=keys]").addEventListener("click", () => keys.showModal());

const writes = (element) => element.closest("textarea, select, input:not([type=radio], [type=checkbox])");
const acts = (element) => element.closest("a, button, summary");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing || keys.open) return;
  const { key, target } = event;
  if (key === "Enter" && acts(target)) return;
  if (event.ctrlKey || event.metaKey) return key === "Enter" && !event.repeat && submit(event);
  if (key === "Escape" && writes(target) && target.form === pair.form()) return leave(target);
  if (writes(target) || (event.shiftKey && key.startsWith("Arrow"))) return; // which picks text
  // A browser would submit a form from one of its circles, whatever key that is given to here.
  if (key === "Enter") event.preventDefault();
  else if (!keysOn.checked) return;
  if (key === "Escape") panels.closeGuidelines();
  else if (key === "PageDown" || key === "PageUp") {
    if (scrolling.page(key === "PageDown" ? 1 : -1)) event.preventDefault();
  } else run(bindings.action(event), event);
});

/** Back from a text to the pair, where single keys work. */
function leave(text) {
  text.blur();
  pair.form().focus({ preventScroll: true });
}

function run(action, event) {
  if (action === "help") {
    event.preventDefault();
    keys.showModal();
  } else if (action === "submit") {
    if (!event.repeat) submit(event);
  } else if (action === "undo") {
    if (!event.repeat) document.querySelector("#pair [data-last-answer]")?.click();
  } else if (action === "reveal") {
    veil.toggle();
  } else if (action === "prompt") {
    panels.togglePrompt();
  } else if (action === "guidelines") {
    panels.toggleGuidelines();
  } else if (action && pair.form()?.dataset.state === "ready") {
    answer(action, event);
  }
}

function submit(event) {
  event.preventDefault();
  const form = pair.form();
  if (!form) document.querySelector(".pair-area [data-next]")?.click();
  else if (veil.covers()) veil.point();
  else if (form.dataset.state === "ready") form.requestSubmit();
}

function answer(action, event) {
  const form = pair.form();
  if (action === "reason" || action === "skip") {
    event.preventDefault();
    const part = form.querySelector(action === "reason" ? ".more" : ".skipping");
    if (!part) return; // an answer that is being changed can't be skipped
    part.open = true;
    part.querySelector(action === "reason" ? "textarea" : "select").focus();
  } else if (action === "ideal") {
    form.querySelector("[data-ideal]")?.click();
  } else if (veil.covers()) {
    veil.point();
  } else if (action === "aspect") {
    event.preventDefault();
    reachAspect(form);
  } else if (action === "differ") {
    differences.toggle();
  } else if (action === "link") {
    scrolling.toggle();
  } else if (action === "step-left" || action === "step-right") {
    if (event.target.closest(".aspect") && event.key.startsWith("Arrow")) return;
    event.preventDefault();
    step(form, action === "step-right" ? 1 : -1);
  } else if (ranking.isShown()) {
    ranking.act(action, event);
  } else if (action.startsWith("choose-")) {
    select(form.querySelector(`input[data-key="${CSS.escape(action.slice(7))}"]`), event);
  }
}

/** The next aspect, on what is chosen or in the middle: arrows lead on, Space chooses. */
function reachAspect(form) {
  const aspects = [...form.querySelectorAll(".aspect")];
  const next = aspects[aspects.indexOf(document.activeElement.closest(".aspect")) + 1] ?? aspects[0];
  (next?.querySelector(":checked") ?? next?.querySelectorAll("input")[1])?.focus();
}

/** One step along the scale; from nothing or from an equal answer, to the weakest on that side. */
function step(form, direction) {
  const scale = [...form.querySelectorAll(".side input")];
  const at = scale.findIndex((input) => input.checked);
  const start = direction > 0 ? scale.length / 2 : scale.length / 2 - 1;
  const next = at < 0 ? start : Math.max(0, Math.min(scale.length - 1, at + direction));
  select(scale[next]);
}

function select(input, event) {
  if (!input) return;
  event?.preventDefault();
  input.checked = true;
  input.focus({ preventScroll: true });
  input.dispatchEvent(new Event("input", { bubbles: true })); // a draft, as by a click
}

pair.on(bindings.show);
