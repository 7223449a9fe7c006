// In the place of a page that the server did not send: back to pairs that are kept here, and on to
// the page that was wanted as soon as it can be had.

const PAUSE = 3000; // milliseconds between two tries

const place = document.querySelector("[data-away]");
const again = place.querySelector("[data-again]");
if (location.pathname !== place.dataset.away) again.href = location.href;

async function answers() {
  try {
    const { status } = await fetch(again.href, { method: "HEAD", redirect: "manual" });
    return status < 502 || status > 504; // a proxy answers for a server that is starting again
  } catch {
    return false;
  }
}

async function tryAgain() {
  if (!document.hidden && (await answers())) location.replace(again.href);
  else setTimeout(tryAgain, PAUSE);
}

async function offerKeptPairs() {
  const pages = await (await caches.open("accord-pages")).keys();
  const kept = pages.findLast(({ url }) => /^\/label\/\d+\/$/.test(new URL(url).pathname));
  if (!kept) return;
  const link = place.querySelector("[data-kept-pairs]");
  link.href = kept.url;
  link.hidden = false;
}

setTimeout(tryAgain, PAUSE);
offerKeptPairs();
