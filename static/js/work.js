// The labeling page beyond plain HTML. The form works without this module; nothing here decides
// what is stored.

import * as attention from "./work/attention.js";
import "./work/breaks.js";
import * as drafts from "./work/drafts.js";
import "./work/guidelines.js";
import "./work/keys.js";
import * as outbox from "./work/outbox.js";
import * as pair from "./work/pair.js";
import * as pairs from "./work/pairs.js";
import * as ranking from "./work/ranking.js";
import "./work/reasons.js";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form !== pairs.form()) return;
  form.elements.seconds.value = attention.seconds();
  if (event.submitter?.matches("[data-ideal]")) return; // the page that follows is another one
  event.preventDefault();
  if (form.dataset.state !== "ready") return; // a double click
  form.dataset.state = "sending";
  const { assignment } = form.dataset;
  outbox.add({
    key: form.elements.client_key.value,
    assignment,
    campaign: document.querySelector("[data-outbox]").dataset.campaign,
    address: form.getAttribute("action"),
    fields: [...new FormData(form)],
    words: inWords(form),
    reason: form.elements.rationale?.value ?? "",
  });
  drafts.stop();
  pairs.answered(assignment);
  pairs.advance();
});

/** What was chosen, as the page says it. */
function inWords(form) {
  if (ranking.isShown()) return ranking.words();
  const label = form.querySelector("input[name=answer]:checked")?.closest("label");
  const parts = label?.querySelectorAll(".for-readers, .words") ?? [];
  return [...parts].map((part) => part.textContent.trim()).join(" ");
}

let today = ""; // in words, as the server said it last
const count = () => {
  const shown = pairs.form()?.querySelector(".today");
  if (shown && today) shown.textContent = today;
};

outbox.on("stored", ({ detail }) => {
  today = detail.today || today;
  count();
  // Rendered by our own template; only answers to a test are explained.
  const place = document.querySelector("[data-explained]");
  place.innerHTML = detail.explained ?? "";
  place.hidden = !detail.explained;
});

pair.on(attention.restart);
pair.on(count); // it may have been read ahead before the last answer was stored

await outbox.load;
await pairs.restore();
if (!outbox.isEmpty()) outbox.send();
pairs.begin();
