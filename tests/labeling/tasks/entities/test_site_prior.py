from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.entities import site_prior

PIECES = (
    *(" ", " ", "Foo", "Bar-x", "C++", "a.b", "X.y", "is", " is a ", "are the", "was an", "is one of the", "wallet"),
    *(
        "app for",
        "framework",
        ".",
        "\n",
        "the",
        "The",
        "the Foo app",
        " programming language",
        "zz" * 60,
        "!",
        "@",
        "/",
    ),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(TEXTS)
def test_names_that_a_text_presents_are_those_of_the_expression(text: str) -> None:
    expected = [match.span() for match in site_prior.PRESENTED.finditer(text)]
    assert [match.span() for match in site_prior.presented(text)] == expected


@given(TEXTS)
def test_names_with_their_kind_are_those_of_the_expression(text: str) -> None:
    assert [match.span() for match in site_prior.headed(text)] == [
        match.span() for match in site_prior.HEADED.finditer(text)
    ]


@given(st.lists(TEXTS, max_size=4))
def test_posts_with_a_name_are_counted_where_many_names_are_introduced_too(texts: list[str]) -> None:
    many = [f"{chr(65 + i % 26)}{chr(97 + i // 26)}z is a wallet." for i in range(100)]
    few, more = site_prior.introduced(texts), site_prior.introduced([*texts, " ".join(many)])
    assert len(more) > 64
    assert {name: more[name] for name in few} == few
