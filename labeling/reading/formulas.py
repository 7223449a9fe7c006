"""LaTeX inside Markdown: finds $...$, $$...$$, \\(...\\) and \\[...\\], and makes MathML of them.

What cannot be read as LaTeX stays on the page as it was written. MathML can link, load and cover
what is beside it, so only the elements and attributes named here come through.
"""

import re
from collections.abc import Sequence
from html import escape, unescape
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LONGEST = 2_000  # characters of one formula; a page of a textbook has fewer
LONGEST_TOGETHER = 20_000  # characters of all formulas of one text, at least 20 for each
MOST_LINES = 100  # of one formula

# How many children an element needs; with others a browser shows an error in its place.
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3}
PARTS |= {"munder": 2, "mover": 2, "munderover": 3}
TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom"),
    *("msqrt", "mtable", "mtr", "mtd", "menclose"),
    *PARTS,
}

SWITCH = re.compile("true|false")
LENGTH = re.compile(r"\d(\.\d+)?em")  # short: nothing reaches out of its line
# Named here for every element: an attribute that is not, such as href, is dropped.
ATTRIBUTES = {
    "display": re.compile("block|inline"),
    "displaystyle": SWITCH,
    "scriptlevel": re.compile("[0-2]"),
    "stretchy": SWITCH,
    "fence": SWITCH,
    "movablelimits": SWITCH,
    "accent": SWITCH,
    "form": re.compile("prefix|infix|postfix"),
    "mathvariant": re.compile("normal"),
    "minsize": LENGTH,
    "maxsize": LENGTH,
    "width": LENGTH,
    "linethickness": re.compile("0"),
    "notation": re.compile("box|updiagonalstrike|downdiagonalstrike"),
}

# Definitions could double a text with every word.
DEFINES = re.compile(
    r"\\(def|gdef|edef|let|newcommand|renewcommand|newenvironment|DeclareMathOperator)\b"
)

CLOSING = {"$$": "$$", r"\[": r"\]"}
# Each looks no further than to the next of its kind, so that a text full of openings stays cheap.
# A dollar beside a space or right behind or before a word is money, or part of a name.
INLINE = [
    re.compile(rf"\$\$((?:\\.|[^\\$]){{1,{LONGEST}}}+)\$\$", re.DOTALL),
    re.compile(rf"(?<!\w)\$(?!\s)((?:\\.|[^\\$]){{1,{LONGEST}}}+)(?<!\s)\$(?!\w)", re.DOTALL),
    re.compile(rf"\\\(((?:[^\\]|\\[^()]){{1,{LONGEST}}}+)\\\)"),
    re.compile(rf"\\\[((?:[^\\]|\\[^\[\]]){{1,{LONGEST}}}+)\\\]"),
]


def add_formulas(markdown: MarkdownIt) -> None:
    """Teach a Markdown renderer to read formulas."""
    markdown.inline.ruler.before("escape", "formula", _find_inline)
    markdown.block.ruler.before(
        "fence",
        "formula_block",
        _find_block,
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )
    markdown.add_render_rule("formula", _show)
    markdown.add_render_rule("formula_block", _show)


def mathml(latex: str, *, block: bool) -> str | None:
    """A formula as MathML, or None where the text is not LaTeX that we can show."""
    if len(latex) > LONGEST or DEFINES.search(latex):
        return None
    try:
        element = Converter(display="block" if block else "inline").convert_to_element(latex)
        _keep_what_is_named(element)
    except Exception:
        # Any text gets here, and the converter answers what it can't read with errors of many
        # kinds, RecursionError and IndexError among them. The reader sees the text instead.
        return None
    return tostring(element, encoding="unicode")


def _keep_what_is_named(element: Element) -> None:
    if element.tag not in TAGS or len(element) != PARTS.get(element.tag, len(element)):
        raise ValueError(f"<{element.tag}> with {len(element)} parts is not shown.")
    element.attrib = {
        name: value
        for name, value in element.attrib.items()
        if name in ATTRIBUTES and ATTRIBUTES[name].fullmatch(value)
    }
    if element.tag == "math":
        element.set("dir", "ltr")
    if element.text:
        # The converter writes characters as references and counts on what it returns not being
        # escaped again; escaping is left to tostring, which does it for every text.
        element.text = unescape(element.text)
    for child in element:
        _keep_what_is_named(child)


def _find_inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    for pattern in INLINE:
        found = pattern.match(state.src, state.pos, state.posMax)
        if found:
            break
    else:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = found[1]
        token.markup = found[0]
        token.meta = {"display": found[0][:2] in CLOSING}
    state.pos = found.end()
    return True


def _find_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula that begins a line and ends one; blank lines are not part of any."""
    if state.is_code_block(start):
        return False
    opening = _line(state, start)[:2]
    closing = CLOSING.get(opening)
    if closing is None:
        return False
    lines = []
    for at in range(start, min(end, start + MOST_LINES)):
        line = _line(state, at)
        if not line or (at > start and state.sCount[at] < state.blkIndent):
            return False
        if at > start and line.startswith(r"\["):
            return False  # none lies in another, and a text full of openings stays cheap
        inside, found, after = (line[2:] if at == start else line).partition(closing)
        lines.append(inside)
        if found:
            break
    else:
        return False
    content = "\n".join(lines)
    if after or not content.strip() or len(content) > LONGEST:
        return False  # what stands beside other words is found within the line
    if not silent:
        token = state.push("formula_block", "math", 0)
        token.block = True
        token.map = [start, at + 1]
        token.content = content
        token.markup = f"{opening}{content}{closing}"
        token.meta = {"display": True}
        state.line = at + 1
    return True


def _line(state: StateBlock, at: int) -> str:
    return state.src[state.bMarks[at] + state.tShift[at] : state.eMarks[at]].strip()


def _show(
    _self: RendererHTML, tokens: Sequence[Token], at: int, _options: object, env: dict[str, int]
) -> str:
    token = tokens[at]
    display = bool(token.meta["display"])
    env["formulas"] = env.get("formulas", 0) + max(len(token.content), 20)
    html = None
    if env["formulas"] <= LONGEST_TOGETHER:
        html = mathml(token.content.strip(), block=display)
    if html is None:
        html = escape(token.markup)
    elif display:
        # A wide formula scrolls sideways, so it must take the focus.
        html = f'<span class="formula" tabindex="0">{html}</span>'
    return f'<p dir="auto">{html}</p>\n' if token.block else html
