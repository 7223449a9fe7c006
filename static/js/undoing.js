// Back to the last answer, to change it. Without this module the link leads there too.

import * as outbox from "./work/outbox.js";

// An answer that is still on its way is the one to come back to: it has to arrive first. Where it
// can't, the page says so already, and the pair on the screen stays.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-last-answer]");
  if (!link || outbox.isEmpty()) return;
  event.preventDefault();
  await outbox.send();
  if (outbox.isEmpty()) location.assign(link.href);
});
