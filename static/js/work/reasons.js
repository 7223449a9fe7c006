// A strong preference may need a reason. Answers leave in the background, so the page asks for the
// reason before it lets one go; the server refuses what comes without.

const missing = (form) =>
  form.querySelector("input[name=answer]:checked[data-asks]") && !form.elements.rationale.value.trim();

// First of all that hears of it: what follows takes the answer off the screen.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    const told = form.querySelector("[data-reason-missing]");
    if (!told || !missing(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    form.querySelector(".more").open = true;
    const { rationale } = form.elements;
    rationale.setAttribute("aria-describedby", told.id);
    rationale.setAttribute("aria-invalid", "true");
    told.textContent = told.dataset.reasonMissing;
    rationale.focus();
  },
  { capture: true },
);

document.addEventListener("input", ({ target }) => {
  const told = target.form?.querySelector("[data-reason-missing]");
  if (!told?.textContent || missing(target.form)) return;
  told.textContent = "";
  target.form.elements.rationale.removeAttribute("aria-invalid");
});
