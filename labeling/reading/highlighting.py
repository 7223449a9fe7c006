"""Code with its parts marked by classes; the colours are in static/css/prose.css."""

from html import escape
from itertools import groupby

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Literal, Name, Number, String, _TokenType

# Some lexers take time with the square of the length: four times as much could cost seconds.
LONGEST = 4_000  # characters of one block
LONGEST_TOGETHER = 12_000  # characters of all blocks of one text

# Named one by one: among the hundreds that Pygments knows are some that need minutes for a text
# made to slow them down, and who writes a response chooses the language.
LANGUAGES = {
    *("bash", "sh", "shell", "console", "powershell", "dockerfile", "make", "makefile"),
    *("c", "cpp", "c++", "csharp", "c#", "cs", "go", "golang", "java", "kotlin", "rust", "rs"),
    *("swift", "scala", "dart", "zig"),
    *("python", "py", "python3", "pycon", "ruby", "rb", "perl", "php", "lua", "r"),
    *("javascript", "js", "jsx", "typescript", "ts", "tsx", "html", "xml", "css", "scss"),
    *("json", "yaml", "yml", "toml", "ini", "sql", "postgresql", "graphql", "diff", "latex"),
    *("tex", "haskell", "hs", "ocaml", "elixir", "clojure", "matlab"),
}

# The first that a token belongs to gives its class.
KINDS: list[tuple[_TokenType, str]] = [
    (Comment, "comment"),
    (Keyword, "keyword"),
    (String, "string"),
    (Number, "number"),
    (Literal, "string"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Decorator, "name"),
    (Name.Tag, "keyword"),
    (Name.Attribute, "name"),
    (Name.Builtin, "builtin"),
    (Name.Exception, "builtin"),
    (Generic.Deleted, "deleted"),
    (Generic.Inserted, "inserted"),
    (Generic.Heading, "name"),
    (Generic.Prompt, "comment"),
]
CLASSES = {f"code-{name}" for _, name in KINDS}


def highlighted(code: str, language: str) -> str:
    """HTML of a piece of code; one in an unknown language, or a very long one, is plain."""
    lexer = _lexer(language)
    if lexer is None or len(code) > LONGEST:
        return escape(code)
    parts = []
    for name, tokens in groupby(lexer.get_tokens(code), lambda token: _class(token[0])):
        text = escape("".join(text for _, text in tokens))
        parts.append(f'<span class="{name}">{text}</span>' if name else text)
    return "".join(parts)


def _lexer(language: str) -> Lexer | None:
    name = language.lower()
    if name not in LANGUAGES:
        return None
    # The text stays as it is: nothing is stripped and no line is ended.
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


def _class(kind: _TokenType) -> str:
    return next((f"code-{name}" for parent, name in KINDS if kind in parent), "")
