// Several responses put in order: cards that are moved by keys, by buttons, by choosing a place, or
// dragged. The chosen places are what is sent; the order of the cards follows them.

import "./dragging.js";
import * as pair from "./pair.js";
import * as veil from "./veil.js";

const list = () => pair.form()?.querySelector("[data-ranking]") ?? null;
const cards = () => [...(list()?.querySelectorAll("[data-card]") ?? [])];
const select = (card) => card.querySelector(".place select");
const place = (card) => Number(select(card).value);
const letter = (card) => card.dataset.card;
const note = () => pair.form().querySelector("[data-ranking-note]");

export const isShown = () => list() !== null;

/** Cards in their order, those in one place together. Where nothing is placed, each by itself. */
function levels() {
  const found = [];
  for (const card of cards()) {
    const last = found.at(-1);
    if (last && place(card) && place(last[0]) === place(card)) last.push(card);
    else found.push([card]);
  }
  return found;
}

/** The words of an order, as the server says it: B > A = C. */
export const words = () => levels().map((level) => level.map(letter).join(" = ")).join(" > ");

/** What a letter, a digit or a sign does; each moves the card that has the focus. */
export function act(action, event) {
  const card = document.activeElement?.closest("[data-card]");
  const at = list()?.querySelector(`[data-card="${CSS.escape(action.slice(5))}"]`);
  if (action.startsWith("card-")) {
    if (at) reach(at, event);
  } else if (!card) reach(cards()[0], event);
  else if (action.startsWith("place-")) {
    event.preventDefault();
    move(card, Number(action.slice(6)));
  } else if (action.startsWith("move-")) {
    event.preventDefault();
    move(card, action.slice(5));
  }
}

function reach(card, event) {
  event.preventDefault();
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

/** Move a card up, down, into a tie, to a place, or beside another card; others make room. */
export function move(card, to) {
  const order = levels();
  const at = order.findIndex((level) => level.includes(card));
  const rest = order[at].filter((other) => other !== card);
  const without = order.with(at, rest).filter((level) => level.length);
  const alone = !rest.length;
  const insert = (index) => without.splice(Math.max(0, Math.min(without.length, index)), 0, [card]);
  if (to === "up") insert(alone ? at - 1 : at);
  else if (to === "down") insert(at + 1);
  else if (to.beside) insert(without.findIndex((l) => l.includes(to.beside)) + (to.after ? 1 : 0));
  else if (to !== "tie") insert(to - 1);
  else if (!alone) insert(at + 1);
  else if (without.length) without[Math.max(0, at - 1)].push(card);
  settle(without, card);
}

/** Put a card into one place with another. */
export function tie(card, other) {
  const order = levels().map((level) => level.filter((one) => one !== card));
  order.find((level) => level.includes(other)).push(card);
  settle(
    order.filter((level) => level.length),
    card,
  );
}

function settle(order, moved) {
  for (const [index, level] of order.entries()) {
    for (const card of level) select(card).value = index + 1;
  }
  lineUp(order.flat());
  note().hidden = true;
  show();
  if (!moved) return;
  moved.scrollIntoView({ block: "nearest" });
  select(moved).dispatchEvent(new Event("input", { bubbles: true })); // a draft
  say(moved);
}

/** Bring the cards into an order. One that is moved loses the focus, so it is given back. */
function lineUp(ordered) {
  const focus = document.activeElement;
  list().append(...ordered);
  if (focus !== document.activeElement) focus.focus({ preventScroll: true });
}

/** What the cards' looks tell, beside their order. */
function show() {
  for (const level of levels()) {
    for (const [index, card] of level.entries()) {
      card.classList.toggle("tied", index > 0);
      const button = card.querySelector("[data-move=tie]");
      button?.setAttribute("aria-pressed", level.length > 1);
    }
  }
  list().classList.toggle("placed", cards().every(place));
}

function say(card) {
  const level = levels().find((found) => found.includes(card));
  const others = level.filter((other) => other !== card).map(letter);
  const announce = document.querySelector("[data-announce]");
  announce.textContent = (others.length ? list().dataset.tied : list().dataset.placed)
    .replace("{letter}", letter(card))
    .replace("{place}", place(card))
    .replace("{count}", levels().length)
    .replace("{others}", others.join(", "));
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-move]");
  if (button) move(button.closest("[data-card]"), button.dataset.move);
});

document.addEventListener("change", ({ target }) => {
  const card = target.matches(".place select") && target.closest("[data-card]");
  if (!card || !place(card)) return;
  const to = place(card);
  target.value = ""; // it leaves its place before it takes another
  move(card, to);
});

// Nothing was moved: the first look at the cards says nothing about them, so the order on the screen
// counts only when it is sent twice.
document.addEventListener(
  "invalid",
  (event) => {
    if (!event.target.closest("[data-ranking]")) return;
    event.preventDefault();
    if (veil.covers() || !note().hidden) return;
    setTimeout(() => {
      settle(levels());
      note().textContent = list().dataset.untouched;
      note().hidden = false;
    });
  },
  { capture: true },
);

/** Places that came from somewhere: the server, or a draft. */
function arrange() {
  if (!list()) return;
  for (const part of list().querySelectorAll("[data-script-only]")) part.hidden = false;
  if (cards().some(place)) {
    lineUp(cards().sort((a, b) => (place(a) || 99) - (place(b) || 99)));
  }
  show();
}

pair.on(arrange);
document.addEventListener("restored", arrange);

document.addEventListener("carried", ({ target: card, detail: { target, where } }) => {
  if (where === "tie") tie(card, target);
  else move(card, { beside: target, after: where === "after" });
});
