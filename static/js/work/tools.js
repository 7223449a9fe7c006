// Tools of the pair that a button switches on and off, and that stay so in this browser.

import * as pair from "./pair.js";

/** The texts of the responses on the screen, left before right. */
export const sides = () => [...(pair.form()?.querySelectorAll(".response .prose") ?? [])];

/** A tool by the name of its button and of what is kept; `show` is called for each pair. */
export function tool(name, kept, show) {
  const button = document.querySelector(`[data-toggle=${name}]`);
  let on = localStorage.getItem(kept) === "on";

  function shown() {
    if (!button) return; // more than two responses, which are put in order
    button.setAttribute("aria-pressed", on);
    show(on);
  }

  function toggle() {
    on = !on;
    localStorage.setItem(kept, on ? "on" : "off");
    shown();
  }

  button?.addEventListener("click", toggle);
  pair.on(shown);
  return { toggle, isOn: () => on && button !== null };
}
