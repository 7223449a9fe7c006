// The pairs held at this moment, kept for a reload without a server: by this page while it is open,
// and read by a page that the service worker had to keep (js/work/offline.js).

import { isKept } from "./offline.js";
import * as store from "./store.js";

const { labeler, campaign, leaseMinutes } = document.querySelector("[data-outbox]").dataset;
const language = document.documentElement.lang;
const known = new Set();

/** Keep one pair until it is answered or its lease ends; `runsOut` on this machine's clock. */
export function keep(assignment, html, until = "", runsOut = Date.now() + leaseMinutes * 60_000) {
  if (known.has(assignment)) return;
  known.add(assignment);
  store.put("pairs", { assignment, labeler, campaign, language, html, until, runsOut });
}

/** The leases of all that is kept were renewed. */
export async function renew(until, runsOut) {
  for (const pair of await store.all("pairs")) {
    if (known.has(pair.assignment)) store.put("pairs", { ...pair, until, runsOut });
  }
}

export function drop(assignment) {
  known.delete(assignment);
  store.remove("pairs", assignment);
}

/** What was held before a reload without a server, oldest first; null where the server answers. */
export async function restored() {
  if (!isKept) {
    await store.clear("pairs"); // the page before gave them back as it was left
    return null;
  }
  const fits = (pair) =>
    pair.labeler === labeler && pair.campaign === campaign && pair.language === language;
  const pairs = (await store.all("pairs")).filter(
    (pair) => fits(pair) && pair.runsOut > Date.now(),
  );
  for (const pair of pairs) known.add(pair.assignment);
  return pairs.sort((a, b) => a.assignment - b.assignment);
}
