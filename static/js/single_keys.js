// Letters as commands, for the modules that listen for one.

/** Whether a letter is a command here: not in a text, not in a dialog, not when switched off. */
export function singleKey(event) {
  return (
    localStorage.getItem("single-keys") !== "off" &&
    !event.isComposing &&
    !document.querySelector("dialog[open]") &&
    !event.target.closest("textarea, select, input:not([type=radio], [type=checkbox])")
  );
}
