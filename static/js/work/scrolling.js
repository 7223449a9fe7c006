// Long answers scroll together: each as far along as the other, whatever their lengths.

import * as pair from "./pair.js";

const button = document.querySelector("[data-toggle=link]");
let on = localStorage.getItem("scroll-together") === "on";

const sides = () => [...(pair.form()?.querySelectorAll(".response .prose") ?? [])];

export function toggle() {
  on = !on;
  localStorage.setItem("scroll-together", on ? "on" : "off");
  show();
}

function show() {
  if (!button) return; // more than two responses, which are put in order
  button.setAttribute("aria-pressed", on);
  pair.form()?.classList.toggle("scrolls-together", on);
  for (const side of sides()) {
    if (on) {
      side.tabIndex = 0; // what scrolls must be reached by keyboard
      side.setAttribute("role", "group");
      side.setAttribute("aria-labelledby", side.closest("section").getAttribute("aria-labelledby"));
      side.addEventListener("scroll", follow, { passive: true });
    } else {
      for (const name of ["tabindex", "role", "aria-labelledby"]) side.removeAttribute(name);
      side.removeEventListener("scroll", follow);
    }
  }
}

const room = (side) => side.scrollHeight - side.clientHeight;
const placed = new WeakMap(); // where a side was put by the other, which is no scrolling of its own

function follow({ currentTarget: side }) {
  if (Math.abs((placed.get(side) ?? -9) - side.scrollTop) < 2) return;
  placed.delete(side);
  const other = sides().find((candidate) => candidate !== side);
  if (!other || room(side) <= 0) return;
  other.scrollTop = (side.scrollTop / room(side)) * room(other);
  placed.set(other, other.scrollTop);
}

/** One screen of both answers down or up; false where they do not scroll together. */
export function page(direction) {
  const longest = sides().sort((a, b) => room(b) - room(a))[0];
  if (!button || !on || !longest || room(longest) <= 0) return false;
  placed.delete(longest);
  longest.scrollTop += direction * longest.clientHeight * 0.85;
  return true;
}

button?.addEventListener("click", toggle);
pair.on(show);
