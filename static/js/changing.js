// The page on which an answer is changed: the keys of the labeling page, the time it took, and what
// was changed and not saved yet. A changed answer is a new one, so its draft is never asked for again.

import * as attention from "./work/attention.js";
import * as drafts from "./work/drafts.js";
import "./work/keys.js";
import * as pair from "./work/pair.js";
import "./work/reasons.js";

document.addEventListener("restored", () => {
  document.querySelector("[data-restored]").hidden = false;
});

document.addEventListener("submit", (event) => {
  const { seconds } = event.target.elements;
  if (seconds) seconds.value = attention.seconds();
});

document.querySelector("[data-leave]")?.addEventListener("click", () => {
  drafts.stop();
  drafts.drop(pair.form().dataset.changing);
});

pair.on(attention.restart);
pair.arrived();
