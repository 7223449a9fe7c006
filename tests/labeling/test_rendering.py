"""What becomes of texts that people and models wrote, the hostile ones among them."""

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.reading import formulas, highlighting, tables
from labeling.reading.rendering import ALLOWED_CLASSES, ALLOWED_TAGS, LONGEST, render_markdown

CSS = Path(__file__).resolve().parents[2] / "static" / "css"


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def tags(html: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9-]+)", html))


# Code --------------------------------------------------------------------------------------------


def test_code_in_a_known_language_is_coloured_by_classes_alone():
    html = render_markdown('```python\ndef f():  # why\n    return "<b>"\n```')
    assert '<span class="code-keyword">def</span>' in html
    assert '<span class="code-comment"># why</span>' in html
    assert "style=" not in html
    assert words(html).strip() == 'def f():  # why\n    return "<b>"'


@pytest.mark.parametrize("language", ["", "nosuch", "objective-c", "../../etc", "python.lexers"])
def test_code_in_an_unknown_language_stays_plain(language):
    html = render_markdown(f"```{language}\ndef f(): pass\n```")
    assert "<span" not in html
    assert "def f(): pass" in html


@pytest.mark.parametrize("language", sorted(highlighting.LANGUAGES))
def test_every_language_that_is_offered_exists_and_keeps_the_code_as_it_was(language):
    code = '\n\n  a = "<x>" /* 1 */ # it\'s\n\n'
    assert words(highlighting.highlighted(code, language)) == code


def test_a_huge_block_of_code_is_shown_without_colours():
    code = "x = 1\n" * highlighting.LONGEST
    html = render_markdown(f"```python\n{code}```")
    assert "<span" not in html
    assert words(html).count("x = 1") == highlighting.LONGEST


def test_many_blocks_are_coloured_only_up_to_a_common_length():
    block = "```python\n" + "x = 1\n" * 100 + "```\n"
    html = render_markdown(block * 40)
    assert html.count("<pre") == 40
    assert html.count('class="code-number"') <= highlighting.LONGEST_TOGETHER / len("x = 1\n")


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_colours_of_code_can_be_read_in_both_themes(theme):
    found = re.findall(
        r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (CSS / "tokens.css").read_text()
    )
    colours = {name: values[theme] for name, *values in found}
    paper = luminance(colours["sunken"])
    coloured = re.findall(
        r"\.(code-\w+) \{\n  color: var\(--([\w-]+)\)", (CSS / "prose.css").read_text()
    )
    assert {name for name, _ in coloured} == set(highlighting.CLASSES)
    for _, name in coloured:
        low, high = sorted([luminance(colours[name]), paper])
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


# Formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        r"so $\frac{a}{b}$ it is",
        r"so \(\frac{a}{b}\) it is",
        r"so $$\frac{a}{b}$$ it is",
        r"so \[\frac{a}{b}\] it is",
        "$$\n\\frac{a}{b}\n$$",
        "so\n\\[\n\\frac{a}{b}\n\\]\nit is",
        "> $$\n> \\frac{a}{b}\n> $$",
        "- so\n\n  \\[ \\frac{a}{b} \\]",
    ],
)
def test_latex_becomes_mathml(text):
    html = render_markdown(text)
    assert re.search(r"<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>", html)
    assert "frac{" not in html


def test_a_line_of_a_formula_that_begins_like_a_list_is_no_list():
    html = render_markdown("\\[\na\n+ b\n= c\n\\]")
    assert tags(html).isdisjoint({"ul", "li", "h4", "h5"})
    assert html.count("<math") == 1


def test_a_wide_formula_can_be_reached_by_keyboard():
    assert '<span class="formula" tabindex="0"><math display="block"' in render_markdown("$$x$$")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 to $10, or $5-$10.",
        "From $1,000 (US$20) up to 30$.",
        "echo $HOME/bin:$PATH",
        r"a \$x\$ b",
        "`$x$`",
        "$ x $",
    ],
)
def test_money_and_names_are_no_formulas(text):
    html = render_markdown(text)
    assert "<math" not in html
    assert words(html).strip() == text.replace("\\", "").strip("`")


@pytest.mark.parametrize(
    "text",
    [
        r"$\frac{1}$",
        "$x^$",
        r"$\begin{matrix} a$",
        r"$$\left( a$$",
        "$$\n\\frac{a\n$$",
        "$" + "{" * 1500 + "}" * 400 + "$",
        r"$\newcommand{\a}{bb}\a$",
        r"$\def\a{\b\b}\a$",
    ],
)
def test_broken_latex_stays_visible_as_it_was_written(text):
    html = render_markdown(text)
    assert "<math" not in html
    assert words(html).strip() == text


def test_only_so_many_formulas_are_set_and_the_rest_stays_text():
    html = render_markdown("$x$ " * 20_000)
    assert html.count("<math") <= formulas.LONGEST_TOGETHER / 20
    assert html.count("<math") + html.count("$x$") == 20_000


# Languages, emoji, lengths -----------------------------------------------------------------------


def test_every_block_finds_its_own_direction_and_code_runs_left_to_right():
    html = render_markdown("مرحبا\n\nhello\n\n- שלום\n- hi\n\n# سلام\n\n```\nx\n```\n\n$x$")
    assert html.count('<p dir="auto">') == 3
    assert html.count('<li dir="auto">') == 2
    assert '<h4 dir="auto">' in html
    assert '<pre tabindex="0" dir="ltr">' in html
    assert '<math display="inline" dir="ltr">' in html


def test_emoji_come_through_whole():
    family = "👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇦"
    assert family in render_markdown(f"a {family} b")


def test_a_text_of_100_000_characters_is_formatted_whole():
    text = ("Some **bold** words, `code` and $x^2$ again. " * 3000)[:LONGEST]
    html = render_markdown(text)
    assert html.count("<strong>") == text.count("**bold**")


def test_a_longer_text_is_shown_as_it_was_written():
    text = "**a** <b> " * LONGEST
    html = render_markdown(text)
    assert tags(html) == {"pre"}
    assert words(html) == text


# Hostile texts -----------------------------------------------------------------------------------

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "<style>body { display: none }</style>",
    '<img src="https://evil.example/a.png" onerror="document.title=\'owned\'">',
    "![remote](https://evil.example/b.png)",
    "[click](javascript:document.title='owned') <https://evil.example/> https://evil.example/",
    "<svg onload=\"document.title='owned'\"><use href='https://evil.example/c.svg#a'/></svg>",
    "<iframe src='https://evil.example'></iframe><object data='https://evil.example'></object>",
    "<math href=\"javascript:document.title='owned'\"><mi>x</mi></math>",
    "<math><annotation-xml encoding='text/html'><img src='https://evil.example/d.png'></math>",
    "<math><maction actiontype='statusline#https://evil.example'>x</maction></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=\"document.title='owned'\"></math>",
    r"$\href{javascript:document.title='owned'}{x}$",
    r"$\text{<img src=https://evil.example/e.png onerror=document.title='owned'>}$",
    r"$\text{&lt;script&gt;document.title='owned'&lt;/script&gt;}$",
    r"$\text{</mtext></math><script>document.title='owned'</script>}$",
    r"$\style{position:fixed;inset:0;background:url(https://evil.example/f.png)}{x}$",
    r"$\class{verdict}{x}$ $\unicode{x3C}script$ $\hspace{9999em}$ $\rule{99em}{99em}$",
    r"$\text{<annotation-xml encoding=text/html><script>document.title='owned'</script>}$",
    r"$\colorbox{url(https://evil.example/g.png)}{x}$ $\fcolorbox{red}{blue}{x}$",
    "```\"><script>document.title='owned'</script>\nx\n```",
    "```html\n<script>document.title='owned'</script><img src=https://evil.example/h.png>\n```",
]


def harmless(html: str) -> None:
    assert tags(html) <= ALLOWED_TAGS
    for name, value in re.findall(r'<[^>]*?\s([\w:-]+)="([^"]*)"', html):
        assert name in {"dir", "tabindex", "start", "class", *formulas.ATTRIBUTES}
        assert name != "class" or value in ALLOWED_CLASSES["span"]
    for each in ("href", "src", "style", "xlink:href", "actiontype", "onerror", "mathbackground"):
        assert not re.search(rf"<[^>]*\s{each}=", html)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_becomes_harmless(text):
    html = render_markdown(text)
    harmless(html)
    assert not re.search(r'="\d{2,}em"', html), "a length that covers what is beside it"


@given(st.lists(st.sampled_from([*HOSTILE, "$", "$$", "\\(", "\\]", "```\n", "|a|\n|-|\n", "> "])))
def test_hostile_texts_stay_harmless_side_by_side(parts):
    harmless(render_markdown(" ".join(parts)))
    harmless(render_markdown("\n".join(parts)))


@given(st.text(alphabet="\\${}[]()^_&<>\"'`a1 \nfracleftsqrt"))
def test_no_text_makes_the_reading_of_formulas_fail(text):
    harmless(render_markdown(f"$${text}$$"))
    harmless(render_markdown(f"\\({text}\\)"))


def test_no_element_that_loads_links_or_acts_is_let_through():
    active = {"a", "img", "svg", "script", "style", "iframe", "form", "input", "button", "link"}
    active |= {"maction", "annotation", "annotation-xml", "semantics", "mglyph", "foreignobject"}
    assert ALLOWED_TAGS.isdisjoint(active)
    assert set(formulas.ATTRIBUTES).isdisjoint({"href", "src", "style", "class", "id", "altimg"})


# Tables ------------------------------------------------------------------------------------------


def cells(html: str) -> int:
    return len(re.findall(r"<t[hd]\b", html))


def table(columns: int, rows: int, row: str = "") -> str:
    """A table of so many rows below its head; by default each is filled up by the renderer."""
    return "|" + "a|" * columns + "\n|" + "-|" * columns + "\n" + (row or "x\n") * rows


def test_a_table_of_an_honest_size_is_one():
    html = render_markdown(table(9, 500))
    assert cells(html) == 9 * 501
    assert "<table" in html


@pytest.mark.parametrize(
    "text",
    [
        table(100, 45_000),
        table(2, 16_000, "|x|y|\n"),
        table(20_000, 1),
        table(1000, 40_000, "|\n"),
        (table(30, 30) + "\n") * 50,
        "\n".join("> " + line for line in table(50, 9000).splitlines()),
        "|-|\n" * 20_000,
    ],
    ids=["filled up", "long", "wide", "empty rows", "many", "quoted", "heads only"],
)
def test_no_text_makes_more_cells_than_a_page_can_bear(text):
    text = text[:LONGEST]
    html = render_markdown(text)
    assert cells(html) <= tables.MOST_CELLS
    if not cells(html):
        assert words(html).split() == text.replace("> ", "").split(), "something was left out"


@given(
    st.lists(
        st.sampled_from(["|a", "|", "-", "|-|", "\n", "\n\n", "x", "> ", "\\|", "|a|b|\n|-|-|\n"]),
        max_size=60,
    ),
    st.integers(1, 40),
)
def test_cells_never_exceed_what_a_text_may_have(parts, most):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "MOST_CELLS", most)
        assert cells(render_markdown("".join(parts))) <= most


def test_behind_a_table_that_is_too_large_the_text_goes_on_as_written():
    html = render_markdown(table(100, 1000) + "\n**bold** and\n\n|a|\n|-|\n|b|")
    assert cells(html) == 0
    assert "<strong>bold</strong>" in html
    assert "|b|" in html
