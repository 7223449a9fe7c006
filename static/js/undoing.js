// The key U: back to the last answer, to change it. Without this module the link leads there too.

import { singleKey } from "./single_keys.js";
import * as outbox from "./work/outbox.js";

document.addEventListener("keydown", (event) => {
  const link = document.querySelector("#pair [data-last-answer]");
  if (!link || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key.toUpperCase() !== "U" || event.repeat || !singleKey(event)) return;
  event.preventDefault();
  link.click();
});

// An answer that is still on its way is the one to come back to: it has to arrive first. Where it
// can't, the page says so already, and the pair on the screen stays.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-last-answer]");
  if (!link || outbox.isEmpty()) return;
  event.preventDefault();
  await outbox.send();
  if (outbox.isEmpty()) location.assign(link.href);
});
