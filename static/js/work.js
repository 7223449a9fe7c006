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
  const shown = pairs.form();
  if (shown && form.id === "skip") {
    event.preventDefault();
    goOn(form, form.elements.skip_key.value, inWordsSkipped(form), form.elements.note.value);
  }
  if (form !== shown) return;
  form.elements.seconds.value = attention.seconds();
  if (event.submitter?.matches("[data-ideal]")) return; // the page that follows is another one
  event.preventDefault();
  goOn(form, form.elements.client_key.value, inWords(form), form.elements.rationale?.value ?? "");
});

/** Send an answer, or why there is none, in the background, and show the next pair. */
function goOn(form, key, words, reason) {
  const shown = pairs.form();
  if (shown.dataset.state !== "ready") return; // a double click
  shown.dataset.state = "sending";
  const { assignment } = shown.dataset;
  outbox.add({
    key,
    assignment,
    campaign: document.querySelector("[data-outbox]").dataset.campaign,
    address: form.getAttribute("action"),
    fields: [...new FormData(form)],
    words,
    reason,
  });
  drafts.stop();
  pairs.answered(assignment);
  pairs.advance();
}

/** What was chosen, as the page says it. */
function inWords(form) {
  if (ranking.isShown()) return ranking.words();
  const label = form.querySelector("input[name=answer]:checked")?.closest("label");
  const parts = label?.querySelectorAll(".for-readers, .words") ?? [];
  return [...parts].map((part) => part.textContent.trim()).join(" ");
}

function inWordsSkipped(form) {
  const { reason } = form.elements;
  return `${reason.labels[0].textContent}: ${reason.selectedOptions[0].textContent}`;
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

for (const event of ["stored", "dismissed"]) {
  outbox.on(event, ({ detail }) => drafts.drop(detail.answer.assignment));
}

pair.on(attention.restart);
pair.on(count); // it may have been read ahead before the last answer was stored

await outbox.load;
await pairs.restore();
if (!outbox.isEmpty()) outbox.send();
pairs.begin();
