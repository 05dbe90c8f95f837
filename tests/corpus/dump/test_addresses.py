"""Addresses of sites: of the network by their names, of others by the configuration, else none and a warning."""

import pytest

from socorpus.corpus import config
from socorpus.corpus.dump import addresses, site_names
from socorpus.corpus.dump.archives import Member
from socorpus.corpus.dump.sources import Site, Table

POSTS = (Table("posts", Member("Posts.xml", "Posts.xml", "plain", 1, True, "", 0)),)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "cooking.stackexchange.com",
            "cooking.meta.stackexchange.com",
            "meta.stackexchange.com",
            "es.stackoverflow.com",
        ),
        *("stackoverflow.com", "meta.stackoverflow.com", "superuser.com", "meta.superuser.com", "serverfault.com"),
        *("askubuntu.com", "mathoverflow.net", "meta.mathoverflow.net", "stackapps.com", "ru.meta.stackoverflow.com"),
        *("area51.stackexchange.com", "Cooking.StackExchange.com", "modern.example.com"),
    ],
)
def test_hosts_of_the_network_are_known(name: str) -> None:
    assert site_names.host(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("cooking", "cooking.meta", "stackexchange.com", "qa.company.com", "stackoverflow", "notstackoverflow.com"),
        *(
            "stackoverflow.com.old",
            "stackoverflow.com-copy",
            "x.stackexchange.com.org",
            "日本.stackexchange.com",
            "a b",
        ),
        *(".stackexchange.com", "fr.stackoverflow.com", "dump.backup", "10.0.0.1"),
    ],
)
def test_nothing_is_made_up_of_another_name(name: str) -> None:
    assert site_names.host(name) is None


def test_the_configuration_names_others() -> None:
    known = Site("beer.stackexchange.com-2014", "beer.stackexchange.com", POSTS, "2014")
    own, older = Site("Käse", "Käse", POSTS, None), Site("Käse-2020", "Käse", POSTS, "2020")
    bare = Site("bare", "bare", (), None)
    sites = [known, own, older, bare]
    none = config.load()
    assert [addresses.of(site, none) for site in sites] == ["https://beer.stackexchange.com", None, None, None]
    # A site without posts has no address to lack.
    assert [line.partition(":")[0] for line in addresses.warnings(sites, none)] == ["Käse", "Käse-2020"]
    assert all('[sites."Käse"] url = ' in line for line in addresses.warnings(sites, none))
    given = {"Ka\u0308se": {"url": "https://qa.example.com/"}, "Käse-2020": {"url": "http://old.example.com/qa"}}
    some = config.load(overrides={"sites": given | {"typo": {"url": "https://x.example.com"}}})
    assert [addresses.of(site, some) for site in (known, own, older)] == [
        *("https://beer.stackexchange.com", "https://qa.example.com", "http://old.example.com/qa")
    ]
    assert addresses.warnings(sites, some) == ['[sites."typo"] is set, and no source holds that site']
