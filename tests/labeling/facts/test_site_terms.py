"""Names of a site's own tools: what says their type, and what corroborates it."""

from typing import Any

import pytest

from socorpus.labeling.facts import site_terms

SAID = ["Daedalus is a wallet for it.", "As you know, Daedalus is a full node wallet", "Yoroi is a thing"]


APP = "Application"


def types(*texts: str, bodies: tuple[str, ...] = ()) -> dict[str, dict[str, int]]:
    return {name: of["types"] for name, of in site_terms.counted(texts, bodies).items()}


def settled(*parts: dict[str, Any], tags: tuple[str, ...] = ()) -> tuple[dict[str, str], list[str]]:
    return site_terms.settled(parts, tags)


def test_several_posts_must_agree_on_what_a_name_is() -> None:
    parts = [site_terms.counted(SAID[:1]), site_terms.counted(SAID[1:])]
    assert settled(*parts) == ({"Daedalus": "Application"}, [])
    assert settled(parts[0]) == ({}, [])
    # A name that nearly all posts speak of is the site's subject: two of them that call it a wallet say nothing.
    everywhere = ["The Daedalus", *["Daedalus is it"] * 200]
    assert settled(*parts, site_terms.counted([*SAID, *everywhere])) == ({}, [])
    differ = ["Frob is a wallet.", "Frob is a wallet.", "Frob is a programming language"]
    assert settled(site_terms.counted(differ)) == ({}, [])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Frob is a command line tool", {"Frob": "Application"}),
        ("I use Frob, a light wallet, for it", {"Frob": "Application"}),
        ("Take a light wallet called Frob", {"Frob": "Application"}),
        (
            "There are wallets such as Frob, Zork Lite and Plugh.",
            dict.fromkeys(("Frob", "Zork Lite", "Plugh"), "Application"),
        ),
        ("Some frameworks (like Frob or Zork) do", {"Frob": "Library", "Zork": "Library"}),
        ("The Frob wallet", {"Frob": "Application"}),
        # Other fields have programs, tools and packages too, and the website of a brewery is no name of a website.
        ("Pioneer is a program for members. The Hops package. See the Chimay website.", {}),
        ("There are beers such as Chimay, and tools like Park Tool", {}),
        ("It is a dog called Frob", {}),
        ("This is a wallet. Here, a wallet", {}),
    ],
)
def test_what_sentences_say(text: str, names: dict[str, str]) -> None:
    assert types(text) == {name: {label: 1} for name, label in names.items()}


def test_what_links_say() -> None:
    def link(address: str, name: str) -> str:
        return f'<p>See <a rel="nofollow" href="{address}">{name}</a></p>'

    library = link("https://pypi.org/project/frob-tools/", "Frob-Tools")
    app = link("https://play.google.com/store/apps/details?id=zork", "Zork")
    other = link("https://pypi.org/project/else/", "Plugh")
    assert types(bodies=(library, app, other)) == {"Frob-Tools": {"Library": 1}, "Zork": {"Application": 1}}
    home, question = (
        link("https://www.daedaluswallet.io/en", "Daedalus"),
        link("https://x.stackexchange.com/q/daedalus", "Daedalus"),
    )
    linked = [site_terms.counted(SAID, [body])["Daedalus"]["links"] for body in (home, question, other, home + home)]
    assert linked == [1, 0, 0, 1]


def test_a_name_is_corroborated_if_it_is_repeated_and_has_a_tag_or_a_link() -> None:
    used = [f"Then I opened Daedalus, as in post {number}" for number in range(6)]
    home = '<p><a href="https://daedaluswallet.io">Daedalus</a></p>'
    plain = site_terms.counted([*SAID, *used])
    assert settled(plain) == ({"Daedalus": "Application"}, [])
    assert settled(plain, tags=("daedalus",))[1] == ["Daedalus"]
    assert settled(site_terms.counted([*SAID, *used], [home]))[1] == ["Daedalus"]
    # Not what is seldom within a sentence, or as often a word in small letters.
    first = [f"Daedalus did it {number} times" for number in range(6)]
    small = [f"the daedalus of {number}" for number in range(6)]
    assert settled(site_terms.counted([*SAID, *first], [home]), tags=("daedalus",))[1] == []
    assert settled(site_terms.counted([*SAID, *used, *small], [home]), tags=("daedalus",))[1] == []


def test_names_are_counted_text_by_text_however_they_are_written() -> None:
    texts = [
        "Frob+Zork is a wallet",
        "a.Frob Zork is a wallet",
        "Frob Lite, a wallet. Frob Lite",
        "the Frob, Frob. frob",
    ]
    counts = site_terms.counted(["Frob is a wallet", *texts, "is a wallet"])
    assert {name: (of["posts"], of["within"], of["small"]) for name, of in counts.items()} == {
        "Frob": (3, 1, 1),
        "Frob Lite": (1, 0, 0),
        "Frob+Zork": (1, 0, 0),
        "Zork": (1, 1, 0),
    }
