// The page on which an answer is changed: the keys of the labeling page, and the time it took.

import * as attention from "./work/attention.js";
import "./work/keys.js";
import * as pair from "./work/pair.js";
import "./work/reasons.js";

pair.on(attention.restart);
pair.arrived();

document.addEventListener("submit", (event) => {
  const { seconds } = event.target.elements;
  if (seconds) seconds.value = attention.seconds();
});
