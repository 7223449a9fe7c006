// Marks the words that the two responses do not share. The server says which; see differences.py.

import { sides, tool } from "./tools.js";

const WORD = /[^ \t\n\r\f\v]+/g;

const note = document.querySelector("[data-tool-note]");

export const { toggle } = tool("differ", "differences", show);

function show(on) {
  note.textContent = "";
  const texts = sides();
  for (const text of texts) unmark(text);
  if (!on || !texts.length) return;
  const counts = texts.map(mark);
  if (counts.includes(null)) {
    for (const text of texts) unmark(text);
    note.textContent = note.dataset.tooLong;
  } else if (counts.every((count) => count === 0)) {
    note.textContent = note.dataset.same;
  } else {
    note.textContent = note.dataset.counted
      .replace("{left}", counts[0])
      .replace("{right}", counts[1]);
  }
}

/** Mark one side; returns how many words that were, or null when they can't be told. */
function mark(side) {
  const words = [...side.textContent.matchAll(WORD)];
  if (side.dataset.words === undefined || words.length !== Number(side.dataset.words)) return null;
  const runs = (side.dataset.differ.match(/\d+-\d+/g) ?? []).map((run) => run.split("-").map(Number));
  for (const [start, end] of runs.reverse()) {
    const last = words[end - 1];
    wrap(side, words[start].index, last.index + last[0].length);
  }
  return runs.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Put the letters from one place up to another into <mark>, piece by piece. */
function wrap(side, start, end) {
  const pieces = [];
  const walker = document.createTreeWalker(side, NodeFilter.SHOW_TEXT);
  for (let at = 0, node; at < end && (node = walker.nextNode()); at += node.length) {
    const part = node.data.slice(Math.max(start - at, 0), Math.max(end - at, 0));
    const from = Math.max(start - at, 0) + part.search(/\S|$/);
    if (part.trim()) pieces.push([node, from, from + part.trim().length]);
  }
  for (const [node, from, to] of pieces) {
    const formula = node.parentElement.closest("math");
    if (formula) {
      formula.classList.add("differs"); // a formula is marked as a whole
      continue;
    }
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    range.surroundContents(document.createElement("mark"));
  }
}

function unmark(side) {
  for (const formula of side.querySelectorAll("math.differs")) formula.classList.remove("differs");
  for (const marked of side.querySelectorAll("mark")) marked.replaceWith(...marked.childNodes);
  side.normalize();
}
