// Which key does what: as the dialog lists it, until the labeler gives an action another key.

const RESERVED = ["Tab", " ", "Escape", "/", "'", "Dead", "Process", "Unidentified"];
const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "↵" };
const STORED = "keys";

const dialog = document.getElementById("keys");
const rows = [...dialog.querySelectorAll("[data-action]")];
const refusal = dialog.querySelector("[data-key-refused]");

let chosen = read(); // action -> key, only where it differs from the dialog's own

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
}

/** A key as it is compared and stored: letters in one case. */
const plain = (key) => (key.length === 1 ? key.toUpperCase() : key);
const keyOf = (row) => chosen[row.dataset.action] ?? row.dataset.key;

const bound = (key) => rows.find((row) => keyOf(row) === key)?.dataset.action;

/**
 * What a pressed key gives on an English keyboard, where this one has digits behind Shift (French),
 * letters of another script (Arabic) or another question mark.
 */
function elsewhere({ key, code, shiftKey }) {
  if (key === "؟" || key === "？") return "?";
  if (/^Digit\d$/.test(code) && !shiftKey) return code.at(-1);
  const foreign = /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key);
  return foreign && /^Key[A-Z]$/.test(code) ? code.at(-1) : "";
}

/** The action of a pressed key, or nothing. */
export function action(event) {
  for (const key of [plain(event.key), elsewhere(event)]) {
    const found = bound(key);
    if (found) return found;
    if (key === "0") return "choose-T"; // beside 9 on every keyboard
  }
}

export function show() {
  for (const row of rows) {
    const sign = SIGNS[keyOf(row)] ?? keyOf(row);
    for (const kbd of document.querySelectorAll(`kbd[data-key-of="${row.dataset.action}"]`)) {
      kbd.textContent = sign;
    }
    row.querySelector("button kbd").textContent = sign;
    row.querySelector("button").removeAttribute("aria-pressed");
  }
}

/** Why a key can't be taken, or an empty text. */
function objection(event, row) {
  const told = (name) => refusal.dataset[name].replace("{key}", SIGNS[event.key] ?? plain(event.key));
  if (event.ctrlKey || event.altKey || event.metaKey) return told("combined");
  const single = event.key.length === 1 || ARROWS.includes(event.key);
  const sends = event.key === "Enter" && row.dataset.action === "submit";
  if (RESERVED.includes(event.key) || !(single || sends)) return told("reserved");
  const other = rows.find((candidate) => candidate !== row && keyOf(candidate) === plain(event.key));
  return other ? told("taken").replace("{action}", other.querySelector("span").textContent) : "";
}

let asked = null; // the row that waits for a key

for (const row of rows) {
  row.querySelector("button").addEventListener("click", () => {
    show();
    refusal.textContent = "";
    asked = asked === row ? null : row;
    if (!asked) return;
    row.querySelector("button").setAttribute("aria-pressed", "true");
    row.querySelector("button kbd").textContent = refusal.dataset.press;
  });
  row.querySelector("button").addEventListener("blur", () => asked === row && stop());
}

function stop() {
  asked = null;
  show();
}

dialog.addEventListener(
  "keydown",
  (event) => {
    if (!asked || ["Shift", "Control", "Alt", "Meta", "AltGraph"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return stop();
    refusal.textContent = objection(event, asked);
    if (refusal.textContent) return refusal.scrollIntoView({ block: "nearest" });
    chosen[asked.dataset.action] = plain(event.key);
    if (plain(event.key) === asked.dataset.key) delete chosen[asked.dataset.action];
    localStorage.setItem(STORED, JSON.stringify(chosen));
    stop();
  },
  { capture: true },
);

dialog.addEventListener("close", () => asked && stop());

dialog.querySelector("[data-keys-reset]").addEventListener("click", () => {
  chosen = {};
  localStorage.removeItem(STORED);
  refusal.textContent = "";
  stop();
});
