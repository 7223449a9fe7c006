// The pair on the screen, whatever page shows it and wherever it came from.

const events = new EventTarget();

export const form = () => document.querySelector("form.pair");

/** Listen for each pair that comes onto the screen. */
export const on = (listener) => events.addEventListener("pair", listener);

export const arrived = () => events.dispatchEvent(new Event("pair"));
