// Dragging a card by its handle, with a mouse, a pen or a finger. Between two cards it takes a place
// of its own; on the middle of one it is tied with it. The event "carried" tells where it went.

const EDGE = 80; // pixels from the window's edge where it scrolls by itself
const STEP = 12; // pixels a frame

let drag = null; // {card, pointer, y, target, where}

const others = (card) => [...card.parentElement.children].filter((other) => other !== card);

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("[data-handle]");
  if (!handle || event.button !== 0 || drag) return;
  event.preventDefault();
  const card = handle.closest("[data-card]");
  drag = { card, pointer: event.pointerId, y: event.clientY, target: null, where: "" };
  handle.setPointerCapture(event.pointerId);
  // Long responses are cut while one is carried past them; the carried one stays where it was.
  const before = card.getBoundingClientRect().top;
  card.parentElement.classList.add("carrying");
  card.classList.add("carried");
  window.scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
  requestAnimationFrame(scroll);
});

document.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  drag.y = event.clientY;
  point();
});

document.addEventListener("pointerup", (event) => event.pointerId === drag?.pointer && drop(true));
document.addEventListener("pointercancel", (event) => event.pointerId === drag?.pointer && drop());
document.addEventListener(
  "keydown",
  (event) => {
    if (!drag || event.key !== "Escape") return;
    event.stopPropagation();
    drop();
  },
  { capture: true },
);

/** Find and show where the card would come to. */
function point() {
  const { card, y } = drag;
  unmark();
  const tying = card.querySelector("[data-move=tie]");
  for (const other of others(card)) {
    const { top, bottom, height } = other.getBoundingClientRect();
    if (y < top || y > bottom) continue;
    const third = tying ? height / 3 : height / 2;
    drag.target = other;
    drag.where = y < top + third ? "before" : y > bottom - third ? "after" : "tie";
    other.classList.add(`drop-${drag.where}`);
  }
}

function unmark() {
  drag.target?.classList.remove("drop-before", "drop-after", "drop-tie");
  drag.target = null;
}

function drop(here = false) {
  const { card, target, where } = drag;
  unmark();
  const before = card.getBoundingClientRect().top;
  card.parentElement.classList.remove("carrying");
  card.classList.remove("carried");
  window.scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
  drag = null;
  if (!here || !target) return;
  card.dispatchEvent(new CustomEvent("carried", { bubbles: true, detail: { target, where } }));
}

function scroll() {
  if (!drag) return;
  const down = drag.y > innerHeight - EDGE;
  if (down || drag.y < EDGE) {
    window.scrollBy({ top: down ? STEP : -STEP, behavior: "instant" });
    point();
  }
  requestAnimationFrame(scroll);
}
