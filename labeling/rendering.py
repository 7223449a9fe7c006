"""Turns what people and models wrote into HTML that can do nothing but be read.

Markdown is rendered with raw HTML, links and images switched off: what a response wrote there
stays visible as plain text, calls nobody and leads nowhere. A list of allowed tags with hardly any
attribute comes after, so that a mistake in the first step is harmless.
"""

from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

ALLOWED_TAGS = {
    *("p", "br", "hr", "blockquote", "pre", "code"),
    *("strong", "em", "s", "ul", "ol", "li"),
    *("h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ALLOWED_ATTRIBUTES = {"ol": {"start"}, "pre": {"tabindex"}, "table": {"tabindex"}}

# The page's own headings end at h3; those of a response go on below it.
PAGE_LEVELS = 3
DEEPEST = 6


def _sink_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + PAGE_LEVELS, DEEPEST)}"


def _reach_by_keyboard(state: StateCore) -> None:
    """Wide tables scroll sideways, so they must take the focus; code does below."""
    for token in state.tokens:
        if token.type == "table_open":
            token.attrSet("tabindex", "0")


def _code(
    _self: RendererHTML, tokens: Sequence[Token], at: int, _options: object, _env: object
) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>\n'


def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
    markdown.enable(["table", "strikethrough"])
    markdown.disable(["link", "image", "autolink", "reference", "html_block", "html_inline"])
    markdown.core.ruler.push("sink_headings", _sink_headings)
    markdown.core.ruler.push("reach_by_keyboard", _reach_by_keyboard)
    markdown.add_render_rule("fence", _code)
    markdown.add_render_rule("code_block", _code)
    return markdown


_MARKDOWN = _renderer()


def render_markdown(text: str) -> str:
    """HTML of a text by a stranger: formatting stays, anything active is gone."""
    return nh3.clean(
        _MARKDOWN.render(text),
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        link_rel=None,
    )
