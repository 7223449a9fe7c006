// Keys: every answer and every tool of the labeling page without a mouse.

const form = () => document.querySelector("form.pair");
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
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Enter" && !event.repeat) return enter(event, command);
  if (command || writes(event.target) || !keysOn.checked) return;
  if (event.key === "?") {
    event.preventDefault();
    keys.showModal();
  } else if (event.key === "Escape") {
    document.getElementById("guidelines")?.removeAttribute("open");
  } else if (form()?.dataset.state === "ready") {
    choose(event);
  }
});

function enter(event, command) {
  if (acts(event.target) || (writes(event.target) && !command)) return;
  event.preventDefault();
  const pair = form();
  if (!pair) document.querySelector("#pair [data-next]")?.click();
  else if (pair.dataset.state === "ready") pair.requestSubmit();
}

function choose(event) {
  const pair = form();
  const key = event.key === "0" ? "T" : event.key.toUpperCase();
  if (key === "R") {
    event.preventDefault();
    const more = pair.querySelector(".more");
    more.open = true;
    pair.elements.rationale.focus();
  } else if (key === "ARROWLEFT" || key === "ARROWRIGHT") {
    if (event.target.closest(".aspect")) return;
    event.preventDefault();
    step(pair, key === "ARROWRIGHT" ? 1 : -1);
  } else {
    select(pair.querySelector(`input[data-key="${CSS.escape(key)}"]`), event);
  }
}

/** One step along the scale; from nothing or from an equal answer, to the weakest on that side. */
function step(pair, direction) {
  const scale = [...pair.querySelectorAll(".side input")];
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
}
