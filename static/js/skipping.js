// Escape closes the part of the page in which a pair is skipped; a key or a click opens it.

document.addEventListener("keydown", (event) => {
  const part = document.querySelector("#pair .skipping");
  if (!part || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape" && part.open && part.contains(event.target)) {
    part.open = false;
    part.querySelector("summary").focus();
  }
});
