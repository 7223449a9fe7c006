// A reminder to take a break after so many minutes of attention, over pairs, pages and campaigns.

import * as attention from "./attention.js";

const TICK = 5000; // milliseconds
const BREAK = 5 * 60 * 1000; // milliseconds without a sign of the labeler: a break was taken
const LATER = 10 * 60 * 1000; // milliseconds of attention until the next reminder
const STORED = "attention";

const notice = document.querySelector("[data-break]");
const labeler = notice?.dataset.labeler;
const after = Number(notice?.dataset.after) * 60 * 1000;

let counted = attention.total();
let sign = Date.now(); // when the labeler last did something

/** What all tabs of this labeler have counted, unless a break was taken since the last sign. */
function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED));
    if (stored?.labeler === labeler && Date.now() - stored.sign < BREAK) return stored;
  } catch {
    // as if nothing were stored
  }
  return { labeler, spent: 0, quiet: 0, sign };
}

function write(stored) {
  localStorage.setItem(STORED, JSON.stringify({ ...stored, sign: Math.max(stored.sign, sign) }));
  notice.hidden = stored.spent < Math.max(after, stored.quiet);
}

function tick() {
  const total = attention.total();
  const more = total - counted;
  counted = total;
  if (document.hidden) return;
  if (Date.now() - sign >= BREAK) return (notice.hidden = true);
  const stored = read();
  write({ ...stored, spent: stored.spent + more });
}

function later() {
  const stored = read();
  write({ ...stored, quiet: stored.spent + LATER });
  document.querySelector("#pair [data-focus], #chat [data-focus]")?.focus({ preventScroll: true });
}

if (notice) {
  for (const event of ["keydown", "pointerdown", "pointermove", "scroll"]) {
    document.addEventListener(event, () => (sign = Date.now()), { passive: true, capture: true });
  }
  notice.querySelector("[data-later]").addEventListener("click", later);
  setInterval(tick, TICK);
  window.addEventListener("pagehide", tick);
}
