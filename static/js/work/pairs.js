// The pair on the screen, and the pairs read ahead: the next one is here before it is wanted.

import * as kept from "./kept.js";
import { lookAgain } from "./looking.js";
import * as outbox from "./outbox.js";
import { arrived } from "./pair.js";
import * as server from "./server.js";

const SOON = 2; // pairs held at first: the one on the screen and the next
const ENOUGH = 24; // pairs held when there is time: so long a cut of the network goes unnoticed
const LOW = 16; // below this many ahead, more are asked for
const QUIET = 1000; // milliseconds before the page reads further ahead
const FIRST_WAIT = 1000; // milliseconds until a pair that could not be had is asked for again
const LONGEST_WAIT = 10_000;
const RENEWAL = 60_000; // milliseconds between two tries to renew leases

const place = document.querySelector("[data-outbox]");
const announce = document.querySelector("[data-announce]");

const ahead = new Map(); // assignment -> its element, oldest first
const answeredHere = new Set(); // a list that was asked for before an answer may still name its pair
let until = ""; // the end of their leases, as the server says it
let runsOut = 0; // the same on this machine's clock
let filling = null;
let wanting = false; // the labeler waits for a pair
let asking = null;
let wait = FIRST_WAIT;
let retry = null;
let quiet = null;
let stale = false; // the page is as it came from the server, perhaps many answers ago

/** The form of a pair to judge; one whose answer is being changed is none of this module's. */
export const form = () => document.querySelector("form.pair[data-assignment]");
export const current = () => form()?.dataset.assignment ?? null;

const isAnswered = (assignment) => answeredHere.has(assignment) || outbox.has(assignment);

/** Whatever came onto the screen is a new pair; one that was answered already gives way. */
export function begin() {
  ahead.delete(current());
  clearTimeout(retry);
  if (current() && (stale || isAnswered(current()))) {
    stale = false;
    return advance();
  }
  wanting = false;
  wait = FIRST_WAIT;
  if (form() && globalThis.crypto?.randomUUID) {
    form().elements.client_key.value = crypto.randomUUID();
  }
  if (form()) kept.keep(current(), document.getElementById("pair").outerHTML);
  arrived();
  if (form() && ahead.size < LOW) later();
  lookAgain(place.dataset.again, showsAnew);
}

/** After a reload without a server: what was held before it is here again. */
export async function restore() {
  const pairs = await kept.restored();
  if (!pairs) return;
  for (const pair of pairs) {
    if (!isAnswered(pair.assignment)) add(pair.assignment, pair.html);
    ({ until, runsOut } = pair);
  }
  stale = Boolean(current()) && !ahead.has(current());
}

/** Show the next pair: at once if it is here, otherwise as soon as the server gives one. */
export function advance() {
  const next = take();
  if (next) return show(next);
  wanting = true;
  if (form()) {
    form().dataset.state = "sending";
    form().inert = true;
  }
  asking ??= demand().finally(() => (asking = null));
}

async function demand() {
  clearTimeout(retry);
  await outbox.send();
  if (!wanting) return;
  if (outbox.isCut()) {
    // Other pairs than the answered ones may still be had; if not, the outbox tells when it is over.
    if ((await refill(ENOUGH)) && wanting && ahead.size) show(take());
    return;
  }
  const response = await server.part(place.dataset.again);
  const html = response?.ok ? await response.text() : "";
  if (!wanting || showsAnew(html)) return;
  if (html && (await refill(ENOUGH)) && ahead.size) return show(take());
  retry = setTimeout(advance, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

// The answer that the labeler waits with brings the next pair back: one way to the server, not two.
outbox.accompany(() => (wanting ? [["next", "1"]] : []));
outbox.on("stored", ({ detail }) => wanting && showsAnew(detail.next ?? ""));

/** Show what the server gives out next, unless that is a pair whose answer it does not know yet. */
function showsAnew(html) {
  const pair = parsed(html);
  const given = pair?.querySelector("form.pair")?.dataset.assignment;
  if (!pair || (given && isAnswered(given))) return false;
  show(pair);
  return true;
}

const parsed = (html) =>
  new DOMParser().parseFromString(html, "text/html").getElementById("pair");

/** The oldest pair ahead, unless its time ran out and the server can say whose it is now. */
function take() {
  if (Date.now() > runsOut && !outbox.isCut()) ahead.clear();
  for (const [assignment, pair] of ahead) {
    ahead.delete(assignment);
    if (!isAnswered(assignment)) return pair;
  }
  return null;
}

function show(pair) {
  wanting = false;
  pair = document.adoptNode(pair);
  document.getElementById("pair").replaceWith(pair);
  begin();
  if (wanting) return;
  window.scrollTo({ top: 0, behavior: "instant" });
  document.querySelector("#pair [data-focus]")?.focus({ preventScroll: true });
  announce.textContent = "";
  if (form()) setTimeout(() => (announce.textContent = announce.dataset.nextPair), 50);
}

// Reading ahead -----------------------------------------------------------------------------------

/** Ask for more when nothing else is going on: first the next pair, then all the others. */
export function later() {
  clearTimeout(quiet);
  quiet = setTimeout(
    async () => {
      if (document.hidden || !form()) return;
      const before = ahead.size;
      const filled = await refill(before ? ENOUGH : SOON);
      if (filled && !before && ahead.size) later();
    },
    ahead.size ? QUIET : 0,
  );
}

function refill(want) {
  filling ??= ask(want).finally(() => (filling = null));
  return filling;
}

async function ask(want) {
  const have = [...ahead.keys()];
  if (current()) have.push(current());
  const response = await server.post(place.dataset.ahead, [
    ["have", have.join(" ")],
    ["want", want],
  ]);
  if (!response?.ok) return false;
  const given = await response.json();
  const held = new Set(given.held.map(String));
  until = given.until;
  runsOut = Date.now() + given.seconds * 1000;
  for (const assignment of ahead.keys()) {
    if (held.has(assignment)) continue;
    ahead.delete(assignment);
    kept.drop(assignment);
  }
  for (const { id, html } of given.pairs) {
    const assignment = String(id);
    if (assignment === current() || isAnswered(assignment)) continue;
    if (add(assignment, html)) kept.keep(assignment, html, until, runsOut);
  }
  kept.renew(until, runsOut);
  place.dataset.ready = ahead.size;
  return true;
}

function add(assignment, html) {
  const pair = parsed(html);
  if (!pair) return false;
  ahead.set(assignment, pair);
  for (const image of pair.querySelectorAll("img")) new Image().src = image.getAttribute("src");
  return true;
}

// Staying -----------------------------------------------------------------------------------------

let renewed = 0; // when the leases were last renewed, or that was tried

/** Nobody's time runs out over a pair they work on: a sign of them renews the leases half way. */
function stay() {
  const half = place.dataset.leaseMinutes * 30_000;
  const now = Date.now();
  if (!form() || !runsOut || now < runsOut - half || now < renewed + RENEWAL) return;
  renewed = now;
  refill(Math.min(ahead.size + 1, ENOUGH));
}

for (const sign of ["keydown", "pointerdown", "pointermove", "scroll"]) {
  document.addEventListener(sign, stay, { passive: true, capture: true });
}

// Leaving -----------------------------------------------------------------------------------------

// Two tabs of one labeler hold the same pairs: then neither gives any back, and leases end by
// themselves.
let alone = true;
const tabs = globalThis.BroadcastChannel && new BroadcastChannel("accord-work");
if (tabs) {
  tabs.onmessage = ({ data }) => {
    alone = false;
    if (data.hello) tabs.postMessage({});
    if (data.answered) ahead.delete(data.answered);
  };
  tabs.postMessage({ hello: true });
}

export function answered(assignment) {
  answeredHere.add(assignment);
  kept.drop(assignment);
  tabs?.postMessage({ answered: assignment });
}

window.addEventListener("pagehide", () => {
  const unused = [...ahead.keys()].filter((assignment) => !isAnswered(assignment));
  if (!alone || !unused.length) return;
  const fields = new FormData();
  fields.set("csrfmiddlewaretoken", server.token());
  fields.set("unused", unused.join(" "));
  fields.set("until", until);
  navigator.sendBeacon(place.dataset.release, fields);
  ahead.clear();
});

// A page that comes back from the browser's own memory holds nothing any more.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

document.addEventListener("visibilitychange", () => !document.hidden && ahead.size < LOW && later());

// Refused because its time had run out, perhaps: then the pair may come here once more.
outbox.on("refused", ({ detail }) => answeredHere.delete(detail.answer.assignment));

outbox.on("sent", () => {
  if (wanting) advance();
  else if (ahead.size < LOW) later();
});
