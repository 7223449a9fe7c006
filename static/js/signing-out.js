// Signing out leaves no drafts of this labeler on the machine. Answers that wait for the server stay
// until their labeler is back, because nothing else has them.

import * as store from "./work/store.js";

const LONGEST = 500; // milliseconds; signing out does not depend on it

document.querySelector("form[data-sign-out]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const patience = new Promise((resolve) => setTimeout(resolve, LONGEST));
  await Promise.race([store.clear("drafts"), patience]);
  event.target.submit();
});
