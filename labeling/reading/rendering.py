"""Turns what people and models wrote into HTML that can do nothing but be read.

Markdown is rendered with raw HTML, links and images switched off: what a response wrote there
stays visible as plain text, calls nobody and leads nowhere. Code is coloured by classes and
formulas become MathML, both here on the server. A list of allowed tags with few attributes comes
after, so that a mistake in the first steps is harmless.

Anyone may write a long or a cunning text, so every step is bounded by the text's length.
"""

from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from labeling.reading import formulas, highlighting, tables

LONGEST = 100_000  # characters; a longer text is shown as it was written

# Each of these takes its direction from its own first letter: Arabic and English side by side.
DIRECTED = {"p", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table", "th", "td"}
ALLOWED_TAGS = {
    *("br", "hr", "pre", "code", "span", "strong", "em", "s", "thead", "tbody", "tr"),
    *DIRECTED,
    *formulas.TAGS,
}
ALLOWED_ATTRIBUTES = {
    "ol": {"start"},
    **{tag: {"tabindex"} for tag in ("pre", "table", "span")},
    **{tag: set(formulas.ATTRIBUTES) for tag in formulas.TAGS},
}
ALLOWED_VALUES = {
    **{tag: {"dir": {"auto"}} for tag in DIRECTED},
    **{tag: {"dir": {"ltr"}} for tag in ("pre", "math")},
}
ALLOWED_CLASSES = {"span": {"formula", *highlighting.CLASSES}}

# The page's own headings end at h3; those of a response go on below it.
PAGE_LEVELS = 3
DEEPEST = 6


def _sink_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + PAGE_LEVELS, DEEPEST)}"


def _direct_blocks(state: StateCore) -> None:
    for token in state.tokens:
        if token.nesting == 1 and token.tag in DIRECTED:
            token.attrSet("dir", "auto")


def _reach_by_keyboard(state: StateCore) -> None:
    """Wide tables scroll sideways, so they must take the focus; code does below."""
    for token in state.tokens:
        if token.type == "table_open":
            token.attrSet("tabindex", "0")


def _code(
    _self: RendererHTML, tokens: Sequence[Token], at: int, _options: object, env: dict[str, int]
) -> str:
    token = tokens[at]
    env["code"] = env.get("code", 0) + len(token.content)
    if env["code"] <= highlighting.LONGEST_TOGETHER:
        language = (token.info.split() or [""])[0]
        html = highlighting.highlighted(token.content, language)
    else:
        html = escape(token.content)
    return f'<pre tabindex="0" dir="ltr"><code>{html}</code></pre>\n'


def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
    markdown.enable("strikethrough")
    tables.add_tables(markdown)
    markdown.disable(["link", "image", "autolink", "reference", "html_block", "html_inline"])
    formulas.add_formulas(markdown)
    markdown.core.ruler.push("sink_headings", _sink_headings)
    markdown.core.ruler.push("direct_blocks", _direct_blocks)
    markdown.core.ruler.push("reach_by_keyboard", _reach_by_keyboard)
    markdown.add_render_rule("fence", _code)
    markdown.add_render_rule("code_block", _code)
    return markdown


_MARKDOWN = _renderer()


def render_markdown(text: str) -> str:
    """HTML of a text by a stranger: formatting stays, anything active is gone."""
    if len(text) > LONGEST:
        return f'<pre tabindex="0" dir="auto">{escape(text)}</pre>'
    return nh3.clean(
        _MARKDOWN.render(text, {}),
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        tag_attribute_values=ALLOWED_VALUES,
        allowed_classes=ALLOWED_CLASSES,
        link_rel=None,
    )
