// The guidelines beside the pair are the ones its answer says it was made under.
//
// Pairs arrive without the page around them, so a pair may know of a newer version than the page
// shows: then that version is fetched and marked, or, where it can't be, the answer names the old.

import * as bindings from "./bindings.js";
import * as pair from "./pair.js";
import * as server from "./server.js";

const panel = () => document.querySelector("[data-guidelines]");

pair.on(async () => {
  const field = pair.form()?.elements.guidelines;
  const shown = Number(panel()?.dataset.guidelines);
  const wanted = Number(field?.value);
  if (!panel() || !field || wanted === shown) return;
  field.value = panel().dataset.guidelines;
  if (wanted < shown) return;
  const response = await server.part(panel().dataset.address);
  if (!response?.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const newer = page.querySelector("[data-guidelines]");
  if (!newer) return;
  newer.querySelector("[data-changed]").hidden = false;
  const older = panel();
  const reading = older.contains(document.activeElement);
  newer.open = older.open;
  older.replaceWith(document.adoptNode(newer));
  if (reading) newer.querySelector("summary").focus();
  bindings.show();
  const told = document.querySelector("[data-guidelines-changed]");
  told.textContent = told.dataset.guidelinesChanged;
  const now = pair.form()?.elements.guidelines;
  if (now) now.value = newer.dataset.guidelines;
});
