// Long answers scroll together: each as far along as the other, whatever their lengths.

import * as pair from "./pair.js";
import { sides, tool } from "./tools.js";

const { toggle, isOn } = tool("link", "scroll-together", show);
export { toggle };

function show(on) {
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
  if (!isOn() || !longest || room(longest) <= 0) return false;
  placed.delete(longest);
  longest.scrollTop += direction * longest.clientHeight * 0.85;
  return true;
}
