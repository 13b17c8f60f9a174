"""As much of C++ as the rules need: text without comments and strings, its blocks, and its lambdas."""

import bisect
import re
from typing import NamedTuple

# What must be blanked before braces and words are looked for. Raw strings come before strings.
_BLANKED = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F_])'(?:\\.|[^'\\\n])+'", re.S)
_DIRECTIVE = re.compile(r"(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\.)*")
_NOT_NEWLINE = re.compile(r"[^\n]")
_CAPTURING_CONTEXT = re.compile(r"(?:^|[(,={;}:?!<>&|+\-*/%]|\b(?:return|co_return|co_await|co_yield|case|else))\s*$")


def blank(text, keep_directives=False):
    """The same text, as long and with the same lines, with spaces for comments, strings and directives."""
    def spaces(match):
        return _NOT_NEWLINE.sub(" ", match.group(0))

    text = _BLANKED.sub(spaces, text)
    return text if keep_directives else _DIRECTIVE.sub(spaces, text)


class Lines:
    """From an offset to its line, counted from 1."""

    def __init__(self, text):
        self._starts = [0] + [match.end() for match in re.finditer("\n", text)]

    def of(self, offset):
        return bisect.bisect_right(self._starts, offset)


class Statement(NamedTuple):
    scope: str  # namespace, type or function: where it stands
    start: int
    text: str


class Function(NamedTuple):
    start: int  # of its first word
    brace: int
    end: int


def _kind_of_block(scope, head, space_before):
    if scope in ("function", "initializer"):
        return scope
    if re.match(r"(?:inline\s+)?namespace\b|extern\s*$", head):
        return "namespace"
    if re.search(r"(?<![<,\w])\s*\b(?:class|struct|union|enum)\b(?![^<]*>\s*$)", head) and not re.search(
            r"\)\s*(?:const|noexcept|override|final|->.*)?\s*$", head):
        return "type"
    if not space_before or re.search(r"=\s*$", head) or "(" not in head:
        return "initializer"
    return "function"


def parse(code):
    """(statements that declare something, functions) of blanked code, found by its braces and semicolons."""
    statements, functions = [], []
    stack = [("namespace", 0, 0)]  # kind, start of head, place of its brace
    start, depth = 0, 0
    for match in re.finditer(r"[{};()]|\b(?:public|private|protected)\s*:", code):
        token, at = match.group(0), match.start()
        scope = stack[-1][0]
        if token == "(":
            depth += 1
        elif token == ")":
            depth = max(0, depth - 1)
        elif token == "{":
            head = code[start:at]
            kind = "function" if depth and scope == "function" else (
                "initializer" if depth else _kind_of_block(scope, head.strip(), head[-1:].isspace()))
            stack.append((kind, start, at, depth))
            depth = 0
            if kind != "initializer":
                start = at + 1
        elif token == "}":
            if len(stack) == 1:
                continue
            kind, head_start, brace, depth = stack.pop()
            if kind == "function" and stack[-1][0] in ("namespace", "type"):
                functions.append(Function(_first_word(code, head_start), brace, at))
            if kind != "initializer":
                start = at + 1
        elif depth == 0:
            if token == ";" and scope != "initializer":
                text = code[start:at]
                if text.strip():
                    statements.append(Statement(scope, _first_word(code, start), text.strip()))
            if scope != "initializer":
                start = match.end()
    return statements, functions


def _first_word(code, offset):
    match = re.compile(r"\S").search(code, offset)
    return match.start() if match else offset


def _closing(code, at, opening, closing):
    depth = 0
    for match in re.compile(re.escape(opening) + "|" + re.escape(closing)).finditer(code, at):
        depth += 1 if match.group(0) == opening else -1
        if depth == 0:
            return match.start()
    return -1


class Lambda(NamedTuple):
    start: int
    captures: str
    body: int
    end: int


def lambdas(code):
    found = []
    for match in re.finditer(r"\[(?!\[)", code):
        at = match.start()
        if code[at - 1:at] == "[" or not _CAPTURING_CONTEXT.search(code[max(0, at - 200):at]):
            continue
        bracket = _closing(code, at, "[", "]")
        if bracket < 0:
            continue
        # <template> (parameters) specifiers -> type {
        rest = re.compile(r"\s*(?:<[^{};()]*>)?\s*").match(code, bracket + 1).end()
        if code[rest:rest + 1] == "(":
            rest = _closing(code, rest, "(", ")") + 1
        brace = re.compile(r"[^{};,()=]*(?:\([^(){};]*\)[^{};,()=]*)?\{").match(code, rest)
        if rest <= 0 or not brace:
            continue
        end = _closing(code, brace.end() - 1, "{", "}")
        found.append(Lambda(at, code[at + 1:bracket].strip(), brace.end() - 1, end if end > 0 else len(code)))
    return found
