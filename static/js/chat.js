// A live conversation: sends what is written, shows both answers as they come, puts what the server
// returns in its place. The server decides what is stored and what comes next.

import * as attention from "./work/attention.js";
import "./work/breaks.js";
import "./work/keys.js";
import * as pair from "./work/pair.js";
import "./work/reasons.js";
import * as server from "./work/server.js";
import * as store from "./work/store.js";

const BUSY_WAIT = 3000; // milliseconds until a stream that found no room is begun again
const PAUSE = 200; // milliseconds without a change until a message is kept

const area = () => document.getElementById("chat");
const part = (name) => area().querySelector(`[${name}]`);
const draft = `chat-${area().dataset.campaign}`;

let events = null; // the stream of the answers that are being written
let pause = null; // until what is written is kept

// Whatever came onto the screen --------------------------------------------------------------------

function begin() {
  const form = pair.form();
  // A page that the browser restores has the key of a message that was sent.
  if (form && globalThis.crypto?.randomUUID) form.elements.client_key.value = crypto.randomUUID();
  const turns = part("data-turns");
  if (turns) turns.scrollTop = turns.scrollHeight;
  pair.arrived();
  if (part("data-stream")) listen();
  if (part("data-composer")) restore();
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html").getElementById("chat");
  if (!next) return false;
  // Who is elsewhere on the page, in the guidelines for example, is told and left there.
  const focus = document.activeElement;
  const elsewhere = focus && focus !== document.body && !area().contains(focus);
  // What was uncovered while it was written stays so.
  const uncovered = part("data-stream")?.querySelector("[data-veil]")?.open;
  const veil = next.querySelector(".pair [data-veil]");
  if (veil && uncovered) veil.open = true;
  area().replaceWith(document.adoptNode(next));
  begin();
  const announce = document.querySelector("[data-announce]");
  announce.textContent = elsewhere && area().querySelector(".verdict") ? announce.dataset.arrived : "";
  if (elsewhere) return true;
  (part("data-message") ?? part("data-focus"))?.focus({ preventScroll: true });
  part("data-focus")?.scrollIntoView({ block: "nearest" });
  return true;
}

/** What is sent stays as it is until the server has answered: nothing typed meanwhile is lost. */
function hold(form, on) {
  form.dataset.state = on ? "sending" : "ready";
  for (const text of form.querySelectorAll("textarea")) text.readOnly = on;
}

function say(what) {
  const notice = part("data-connection");
  notice.hidden = !what;
  notice.textContent = what ? notice.dataset[what] : "";
}

// Sending ------------------------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-in-place]")) return;
  event.preventDefault();
  if (form.dataset.state === "sending") return; // a double click
  hold(form, true);
  keep();
  if (form.elements.seconds) form.elements.seconds.value = attention.seconds();
  const response = await server.submit(form.getAttribute("action"), [...new FormData(form)]);
  const trouble = await failed(response);
  if (!trouble) {
    if (form.matches("[data-composer]") && response.ok) await store.remove("drafts", draft);
    if (show(await response.text())) return;
  }
  say(trouble || "broken");
  hold(form, false);
});

function failed(response) {
  if (!response) return "cut";
  if (server.isSignedOut(response)) return "signedOut";
  return response.ok || response.status === 409 || response.status === 422 ? "" : "broken";
}

// Streams ------------------------------------------------------------------------------------------

function listen() {
  events?.close();
  const place = part("data-stream");
  const sides = { left: part('data-side="left"'), right: part('data-side="right"') };
  let began = false;
  events = new EventSource(place.dataset.stream);
  const mine = events;
  const on = (name, act) =>
    mine.addEventListener(name, (event) => {
      if (mine === events && place.isConnected) act(event);
      else mine.close();
    });
  on("begin", () => {
    for (const side of Object.values(sides)) side.textContent = "";
    say(began ? "resumed" : "");
    began = true;
  });
  on("message", (event) => {
    const news = JSON.parse(event.data);
    for (const [name, side] of Object.entries(sides)) side.append(news[name]);
  });
  on("ready", async () => {
    mine.close();
    const response = await server.part(location.href);
    const trouble = failed(response);
    if (trouble || !show(await response.text())) say(trouble || "broken");
  });
  on("elsewhere", () => {
    mine.close();
    say("elsewhere");
    place.querySelector(".writing").classList.remove("writing");
  });
  on("busy", () => {
    mine.close();
    say("busy");
    setTimeout(() => mine === events && place.isConnected && listen(), BUSY_WAIT);
  });
  // The browser begins again by itself, unless the server refused; then the page knows more.
  on("error", () => {
    say("cut");
    if (mine.readyState === EventSource.CLOSED) {
      setTimeout(() => mine === events && place.isConnected && listen(), BUSY_WAIT);
    }
  });
}

window.addEventListener("pagehide", () => events?.close());
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// What is written and not sent ---------------------------------------------------------------------

/** Keep what stands in the place for a message, until the server has it. */
function keep() {
  clearTimeout(pause);
  const place = part("data-message");
  if (!place) return;
  const { labeler } = area().dataset;
  const fields = [["message", place.value]];
  store.put("drafts", { assignment: draft, labeler, fields, at: Date.now() });
}

document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-message]")) return;
  clearTimeout(pause);
  pause = setTimeout(keep, PAUSE);
});

document.addEventListener("visibilitychange", () => document.hidden && keep());

async function restore() {
  const found = await store.get("drafts", draft);
  const place = part("data-message");
  if (!place || place.value || found?.labeler !== area().dataset.labeler) return;
  place.value = found.fields[0][1];
}

pair.on(attention.restart);
begin();
