// Answers on their way: each is kept in the browser until the server has stored or refused it.
//
// The server stores an answer once however often it is sent, because it knows its client key.

import * as server from "./server.js";
import * as store from "./store.js";

const FIRST_WAIT = 1000; // milliseconds until an unsent answer is tried again
const LONGEST_WAIT = 10_000;

const place = document.querySelector("[data-outbox]");
const { labeler } = place.dataset;

const answers = new Map(); // by client key, oldest first; this labeler's only
const settled = new EventTarget();
let wait = FIRST_WAIT;
let retry = null;
let sending = null; // the promise of the round that is under way
let trouble = ""; // why the last round left something: cut, signed-out, broken

export const load = store.all("answers").then((found) => {
  const mine = found.filter((answer) => answer.labeler === labeler);
  for (const answer of mine.sort((a, b) => a.at - b.at)) answers.set(answer.key, answer);
  show();
});

const waiting = () => [...answers.values()].filter((answer) => !answer.refused);

let accompanied = () => []; // what goes with each answer

/** Send more fields with each answer, as they are at that moment; the reply comes with `stored`. */
export const accompany = (fields) => (accompanied = fields);

/** Whether an answer to this assignment has been given, though the server may not know it yet. */
export function has(assignment) {
  return [...answers.values()].some((answer) => answer.assignment === assignment);
}

export const isEmpty = () => waiting().length === 0;
export const isCut = () => trouble === "cut" || trouble === "signed-out";
/** `stored` and `refused` carry the answer; `sent` comes when nothing waits any more. */
export const on = (event, listener) => settled.addEventListener(event, listener);

/** Keep an answer and send it, now or when the server is back. */
export function add(answer) {
  answer = { ...answer, labeler, at: Date.now(), refused: "" };
  answers.set(answer.key, answer);
  const kept = store.put("answers", { ...answer });
  show();
  return kept.then(send);
}

/** Send all that waits, in order. One round at a time; what comes meanwhile goes with it. */
export function send() {
  sending ??= round().finally(() => {
    sending = null;
    if (!trouble && !isEmpty()) send();
  });
  return sending;
}

async function round() {
  clearTimeout(retry);
  let left = "";
  const tried = new Set();
  for (let next; (next = waiting().find((answer) => !tried.has(answer.key))); ) {
    tried.add(next.key);
    left = (await deliver(next)) || left;
    if (left === "cut" || left === "signed-out") break;
  }
  trouble = left;
  show();
  if (left) {
    retry = setTimeout(send, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  } else {
    wait = FIRST_WAIT;
    if (isEmpty()) settled.dispatchEvent(new Event("sent"));
  }
}

/** Send one answer; returns why it has to wait, or nothing. */
async function deliver(answer) {
  const response = await server.post(answer.address, [...answer.fields, ...accompanied()]);
  if (!response) return "cut";
  if (server.isSignedOut(response)) return "signed-out";
  if (response.ok) {
    // Cut off in the middle, or a page of the network itself that asks to sign in to it.
    const told = await response.json().catch(() => null);
    return told ? forget(answer, "stored", told) : "cut";
  }
  if ([404, 409, 422].includes(response.status)) {
    const told = await response.json().catch(() => ({}));
    answer.refused = told.refusal ?? place.querySelector("[data-gone]").textContent;
    answer.again = told.again ?? "";
    await store.put("answers", answer);
    settled.dispatchEvent(new CustomEvent("refused", { detail: { answer } }));
    return "";
  }
  return "broken";
}

async function forget(answer, event, reply = {}) {
  answers.delete(answer.key);
  await store.remove("answers", answer.key);
  settled.dispatchEvent(new CustomEvent(event, { detail: { answer, ...reply } }));
  return "";
}

// What the labeler sees of it ---------------------------------------------------------------------

function show() {
  const count = waiting().length;
  const notice = place.querySelector("[data-waiting]");
  // An answer that is on its way for some milliseconds is no news.
  notice.hidden = !count || !trouble;
  notice.querySelector("[data-count]").textContent = count;
  for (const why of notice.querySelectorAll("[data-why]")) why.hidden = why.dataset.why !== trouble;
  for (const answer of answers.values()) if (answer.refused) showRefused(answer);
}

function showRefused(answer) {
  if (place.querySelector(`[data-refused="${CSS.escape(answer.key)}"]`)) return;
  const template = place.querySelector("[data-refused-answer]");
  const notice = template.content.firstElementChild.cloneNode(true);
  notice.dataset.refused = answer.key;
  const alert = notice.querySelector("[role=alert]");
  alert.textContent = answer.refused;
  notice.querySelector("[data-words]").textContent = answer.words;
  notice.querySelector("q").textContent = answer.reason;
  notice.querySelector("[data-reason]").hidden = !answer.reason;
  const close = (event, reply) => {
    notice.remove();
    forget(answer, event, reply);
    document.querySelector("#pair [data-focus]")?.focus({ preventScroll: true });
  };
  notice.querySelector("[data-dismiss]").addEventListener("click", () => close("dismissed"));
  const again = notice.querySelector("[data-reuse]");
  again.hidden = !answer.again;
  again.addEventListener("click", async () => {
    again.disabled = true;
    const response = await server.post(answer.again, answer.fields);
    again.disabled = false;
    const told = (await response?.json().catch(() => null)) ?? {};
    if (response?.ok) {
      const announce = document.querySelector("[data-announce]");
      announce.textContent = announce.dataset.storedAgain;
      return close("stored", told);
    }
    alert.textContent = told.refusal ?? place.querySelector("[data-why=cut]").textContent;
    again.hidden = Boolean(told.refusal) && !told.again;
    again.focus();
  });
  place.append(notice);
}

place.querySelector("[data-send-now]").addEventListener("click", send);
window.addEventListener("online", send);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !isEmpty()) send(); // signed in again in another tab, perhaps
});
