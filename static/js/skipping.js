// The key S: opens the part of the page in which a pair is skipped, and Escape closes it again.
// Without this module the same part opens by a click.

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

/** Whether a letter is a command here: not in a text, not in a dialog, not when switched off. */
function singleKey(event) {
  return (
    localStorage.getItem("single-keys") !== "off" &&
    !event.isComposing &&
    !document.querySelector("dialog[open]") &&
    !event.target.closest("textarea, select, input:not([type=radio], [type=checkbox])")
  );
}
