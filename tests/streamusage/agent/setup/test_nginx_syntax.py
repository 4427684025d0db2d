"""nginx's configuration language: words, quotes, blocks, and errors with their place."""

import pytest

from streamusage.agent.setup.nginx_syntax import Directive, NginxSyntaxError, parse_nginx


def shape(directives: tuple[Directive, ...]) -> list[object]:
    return [
        [directive.name, *directive.arguments, *([shape(directive.block)] if directive.block is not None else [])]
        for directive in directives
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b c  d;", [["a"], ["b", "c", "d"]]),
        ("# a comment {\na; # another }\n", [["a"]]),
        ("http{server{listen 80;}}", [["http", [["server", [["listen", "80"]]]]]]),
        ("""f 'a "b" \\'c\\'' "d; {e}";""", [["f", "a \"b\" 'c'", "d; {e}"]]),
        ("""f '';""", [["f", ""]]),
        ("location ~ ^/a\\.(b|c)#d$ {}", [["location", "~", "^/a\\.(b|c)#d$", []]]),
        ("set $x ${y}z; return 200 a\\;b;", [["set", "$x", "${y}z"], ["return", "200", "a\\;b"]]),
        ("f 'one\ntwo'\n  'three';", [["f", "one\ntwo", "three"]]),
        ("content_by_lua_block { if a then {} end } b;", [["content_by_lua_block", []], ["b"]]),
        ('"{" a;', [["{", "a"]]),
        ("", []),
    ],
)
def test_directives(text: str, expected: list[object]) -> None:
    assert shape(parse_nginx(text, "nginx.conf")) == expected


def test_places_are_those_of_the_first_word() -> None:
    directives = parse_nginx("a;\n\nb 'x\ny' {\n c; }\nlua_by_lua_block {\n\n}\nd;", "nginx.conf")
    block = directives[1].block
    assert block is not None
    assert [(found.name, found.line) for found in (*directives, *block)] == [
        ("a", 1), ("b", 3), ("lua_by_lua_block", 6), ("d", 9), ("c", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;\nb", "nginx.conf:2: the directive 'b' does not end with ;"),
        ("a {\n b;", "nginx.conf:1: the block that begins here does not end"),
        ("a;\n}", "nginx.conf:2: unexpected }"),
        ("a { b }", "nginx.conf:1: unexpected }"),
        (";", "nginx.conf:1: unexpected ;"),
        ("a 'b;\n", "nginx.conf:1: the text that begins here does not end"),
        ("a_by_lua_block {\n{}", "the block of code that begins here does not end"),
    ],
)
def test_errors_name_file_and_line(text: str, message: str) -> None:
    with pytest.raises(NginxSyntaxError, match=message):
        parse_nginx(text, "nginx.conf")
