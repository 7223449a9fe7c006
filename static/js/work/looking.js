// Where nothing waits for the labeler, the page looks again by itself.

import * as server from "./server.js";

const PAUSE = 20_000; // milliseconds between two looks

let next = null;

const isEmpty = () => document.querySelector("#pair [data-look-again]") !== null;

/** Ask an address until something waits there, then show it; `show` tells whether it did. */
export function lookAgain(address, show) {
  clearTimeout(next);
  if (!isEmpty()) return;
  next = setTimeout(async () => {
    const response = document.hidden ? null : await server.part(address);
    const html = response?.ok ? await response.text() : "";
    if (isEmpty() && html.includes('data-state="ready"') && show(html)) return;
    lookAgain(address, show);
  }, PAUSE);
}
