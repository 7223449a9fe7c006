// Seconds of attention: the time a pair was on a screen that somebody could see.

let spent = 0; // milliseconds
let since = null; // when the present stretch began; null while the tab is hidden

export function restart() {
  spent = 0;
  since = document.hidden ? null : performance.now();
}

export function seconds() {
  const running = since === null ? 0 : performance.now() - since;
  return ((spent + running) / 1000).toFixed(1);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && since !== null) {
    spent += performance.now() - since;
    since = null;
  } else if (!document.hidden && since === null) {
    since = performance.now();
  }
});
