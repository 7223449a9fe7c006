// Parts that refresh themselves keep what a reader did to them: opened tables, the place in a log.
// While the tab is hidden nothing is asked for.

const opened = new Set();

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.closest?.("[data-live]")) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  for (const details of part.querySelectorAll("details[id]")) {
    if (details.open) opened.add(details.id);
    else opened.delete(details.id);
  }
  for (const log of part.querySelectorAll(".log")) {
    log.dataset.atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8 ? "yes" : "";
  }
  // Someone who reads the log further up, or picks text from it, must not lose the place.
  const log = part.querySelector(".log[data-at-end='']");
  const picking = part.contains(getSelection()?.anchorNode) && !getSelection().isCollapsed;
  if (log?.scrollTop > 0 || picking) event.detail.shouldSwap = false;
});

function restore() {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
}

document.addEventListener("htmx:afterSwap", restore);
restore();
