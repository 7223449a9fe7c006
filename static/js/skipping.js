// The key S: opens the part of the page in which a pair is skipped, and Escape closes it again.
// Without this module the same part opens by a click.

import { singleKey } from "./single_keys.js";

document.addEventListener("keydown", (event) => {
  const part = document.querySelector("#pair .skipping");
  if (!part || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape" && part.open && part.contains(event.target)) {
    part.open = false;
    part.querySelector("summary").focus();
  } else if (event.key.toUpperCase() === "S" && singleKey(event)) {
    event.preventDefault();
    part.open = true;
    part.querySelector("select").focus();
  }
});
