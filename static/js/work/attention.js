// Attention: the time a pair was on a screen that somebody could see.

let before = 0; // milliseconds, of the pairs before
let spent = 0; // milliseconds, of this one
let since = null; // when the present stretch began; null while the tab is hidden

function elapsed() {
  return spent + (since === null ? 0 : performance.now() - since);
}

export function restart() {
  before += elapsed();
  spent = 0;
  since = document.hidden ? null : performance.now();
}

/** Seconds spent on this pair. */
export const seconds = () => (elapsed() / 1000).toFixed(1);

/** Milliseconds spent on this page, over all its pairs. */
export const total = () => before + elapsed();

document.addEventListener("visibilitychange", () => {
  if (document.hidden && since !== null) {
    spent += performance.now() - since;
    since = null;
  } else if (!document.hidden && since === null) {
    since = performance.now();
  }
});
