// The labeling page beyond plain HTML: keys, time of attention, and answers that survive a lost
// connection. The form works without this module; nothing here decides what is stored.

const FIRST_WAIT = 1000; // milliseconds until an unsent answer is tried again
const LONGEST_WAIT = 10000;

const announce = document.querySelector("[data-announce]");
const keys = document.getElementById("keys");
const keysOn = document.querySelector("[data-keys-on]");

let attention = 0; // milliseconds spent on the pair on the screen
let since = null; // when the present stretch of attention began; null while the tab is hidden
let wait = FIRST_WAIT;
let retry = null;

const form = () => document.querySelector("form.pair");

// A new pair ------------------------------------------------------------------------------------

function begin() {
  attention = 0;
  since = document.hidden ? null : performance.now();
  wait = FIRST_WAIT;
  clearTimeout(retry);
  const pair = form();
  if (pair && crypto.randomUUID) pair.elements.client_key.value = crypto.randomUUID();
}

function seconds() {
  const running = since === null ? 0 : performance.now() - since;
  return ((attention + running) / 1000).toFixed(1);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && since !== null) {
    attention += performance.now() - since;
    since = null;
  } else if (!document.hidden && since === null) {
    since = performance.now();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.xhr.status === 422) return resume(); // the same pair, with what is wrong
  begin();
  window.scrollTo({ top: 0, behavior: "instant" });
  document.querySelector("#pair [data-focus]")?.focus({ preventScroll: true });
  announce.textContent = "";
  if (form()) setTimeout(() => (announce.textContent = announce.dataset.nextPair), 50);
});

// Sending ---------------------------------------------------------------------------------------

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.parameters.seconds = seconds();
  // Signing in again in another tab changes the token; the cookie always has the valid one.
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  if (token) event.detail.parameters.csrfmiddlewaretoken = token[1];
});

document.addEventListener("htmx:beforeRequest", () => form()?.setAttribute("data-state", "sending"));

for (const lost of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(lost, later);

document.addEventListener("htmx:responseError", (event) => {
  // 502 to 504: a proxy answers for a server that is starting again
  if (event.detail.xhr.status >= 502) later();
  else resume("broken");
});

document.addEventListener("htmx:beforeSwap", (event) => {
  // Signed out: the request was led to the sign-in page, which must not replace the answer.
  const address = new URL(event.detail.xhr.responseURL || location.href).pathname;
  if (!address.startsWith("/label/")) {
    event.detail.shouldSwap = false;
    resume("signedOut");
  }
});

function say(what) {
  const notice = form()?.querySelector("[data-waiting]");
  if (!notice) return;
  notice.hidden = !what;
  for (const name of ["offline", "signedOut", "broken"]) {
    const line = notice.querySelector(`[data-${name.replace("O", "-o")}]`);
    line.hidden = name !== what;
  }
}

/** The answer could not be sent: freeze it, and send the same one again after a while. */
function later() {
  const pair = form();
  if (!pair) return;
  pair.dataset.state = "waiting";
  pair.inert = true;
  say("offline");
  clearTimeout(retry);
  retry = setTimeout(sendAgain, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

function sendAgain() {
  clearTimeout(retry);
  const pair = form();
  if (pair?.dataset.state === "waiting") htmx.trigger(pair, "submit");
}

window.addEventListener("online", sendAgain);

/** The labeler goes on with the same pair. */
function resume(why) {
  const pair = form();
  if (!pair) return;
  pair.inert = false;
  pair.dataset.state = "ready";
  say(why);
}

window.addEventListener("beforeunload", (event) => {
  if (form()?.dataset.state === "waiting") event.preventDefault();
});

// Keys ------------------------------------------------------------------------------------------

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

begin();
