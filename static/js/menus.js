// A small menu that a button of the header opens: Escape closes it, and so does whatever is done
// elsewhere. Without this module the button closes what it opened.

for (const menu of document.querySelectorAll("details[data-menu]")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  for (const elsewhere of ["pointerdown", "focusin"]) {
    document.addEventListener(elsewhere, ({ target }) => {
      if (!menu.contains(target)) menu.open = false;
    });
  }
}
