"""Tables in Markdown, as many as a page can bear: a few signs of text can make a cell each.

Rows are filled up to the width of the head, so a text of 100 kB could become a million cells.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table

DASHES = re.compile("-+")  # one run for each column
MOST_CELLS = 5_000  # of all tables of one text; 500 rows of ten columns


def add_tables(markdown: MarkdownIt) -> None:
    """Let a Markdown renderer read tables until their cells get too many for one text."""
    markdown.enable("table")
    markdown.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table that is too large stays as it was written, and so does all that follows it.

    Thus no line is counted twice, whatever the text.
    """
    env = state.env
    if env.get("tables_end") or not table(state, start, end, True):
        return False
    if silent:
        return True
    env["cells"] = env.get("cells", 0) + _most_cells(state, start, end, MOST_CELLS)
    env["tables_end"] = env["cells"] > MOST_CELLS
    return not env["tables_end"] and table(state, start, end, False)


def _most_cells(state: StateBlock, start: int, end: int, enough: int) -> int:
    """How many cells a table has at most; counted no further than to what is too many."""
    below_the_head = state.src[state.bMarks[start + 1] : state.eMarks[start + 1]]
    columns = len(DASHES.findall(below_the_head))
    rows = 1
    for line in range(start + 2, end):
        if state.isEmpty(line) or rows * columns > enough:
            break
        rows += 1
    return rows * columns
