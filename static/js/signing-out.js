// Signing out leaves no drafts, pages and pairs of this labeler on the machine; pages and pairs go as
// well where somebody else, or nobody, turns out to be signed in. Answers that wait for the server
// stay until their labeler is back, because nothing else has them.

import * as store from "./work/store.js";

const LONGEST = 500; // milliseconds; signing out does not depend on it

const forget = () =>
  Promise.allSettled([globalThis.caches?.delete("accord-pages"), store.clear("pairs")]);

const { user } = document.documentElement.dataset;
if (user !== undefined && localStorage.getItem("user") !== user) {
  localStorage.setItem("user", user);
  forget();
}

document.querySelector("form[data-sign-out]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const patience = new Promise((resolve) => setTimeout(resolve, LONGEST));
  await Promise.race([Promise.allSettled([store.clear("drafts"), forget()]), patience]);
  event.target.submit();
});
