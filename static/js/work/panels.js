// What is read beside a pair, opened and closed by a key: its conversation and the guidelines.

const conversation = () => document.querySelector(".conversation");
const guidelines = () => document.getElementById("guidelines");

/** Where the focus goes when what had it is closed. */
const back = () => document.querySelector("[data-focus]")?.focus({ preventScroll: true });

/** Open with the focus inside, so that arrows scroll; or close and go back. */
function toggle(panel, inside) {
  if (!panel || panel.hidden) return;
  if (panel.open) return close(panel);
  panel.open = true;
  const place = panel.querySelector(inside);
  place?.focus({ preventScroll: true });
  place?.scrollIntoView({ block: "nearest" });
}

function close(panel) {
  const left = panel.contains(document.activeElement);
  panel.open = false;
  if (left) back();
}

export const togglePrompt = () => toggle(conversation(), ".turns");
export const toggleGuidelines = () => toggle(guidelines(), ".prose");
export const closeGuidelines = () => guidelines()?.open && close(guidelines());
