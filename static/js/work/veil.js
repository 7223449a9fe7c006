// Responses with harmful content stay covered until the labeler shows them. Without this module
// they lie in closed <details>; with it they keep their place, blurred and out of reach.

import * as pair from "./pair.js";

const veil = () => document.querySelector("[data-veil]"); // answers being written have no form

/** Whether there is something on the screen that has not been looked at. */
export const covers = () => veil()?.open === false;

export function toggle() {
  const found = veil();
  if (!found) return;
  found.open = !found.open;
  settle(); // the event comes later, and the next key may come before it
}

/** Lead to what shows the responses: they are not judged unseen. */
export const point = () => veil()?.querySelector("summary").focus();

// A browser does not say what is missing in a part that is out of reach.
document.addEventListener("invalid", () => covers() && point(), { capture: true });

function settle() {
  const found = veil();
  if (!found) return;
  found.querySelector(".responses").inert = !found.open;
  for (const part of pair.form()?.querySelectorAll(".scale, .aspects") ?? []) part.inert = !found.open;
}

pair.on(() => {
  settle();
  veil()?.classList.add("blurs");
  veil()?.addEventListener("toggle", settle);
});
