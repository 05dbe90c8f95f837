"""Addresses of sites: of the network by their names, of others by the configuration, else none and a warning."""

from pathlib import Path

import pytest

from socorpus.corpus import config
from socorpus.corpus.dump import addresses, site_names
from socorpus.corpus.dump.archives import Member
from socorpus.corpus.dump.sources import Site, Table
from tests.corpus import small_site

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


def test_settings_of_a_site_are_its_own_or_of_all_its_releases() -> None:
    base, dated = {"url": "https://a.example.org", "name": "A", "language": "de"}, {"language": "en"}
    some = config.load(overrides={"sites": {"x": base, "x-2014": dated}})
    assert some.of_site("x-2014", "x") == config.SiteSettings("https://a.example.org", "A", "en")
    assert some.of_site("x", "x") == config.SiteSettings("https://a.example.org", "A", "de")
    assert some.of_site("y", "y") == config.SiteSettings()


def test_a_site_in_a_language_has_a_name_and_keeps_no_other_language(tmp_path: Path) -> None:
    dump = small_site.dump(tmp_path)
    before = small_site.build(tmp_path / "corpus", dump)["sites"][small_site.SITE]
    settings = {small_site.SITE: {"language": "de", "name": "Small Beer"}}
    after = small_site.build(tmp_path / "corpus", dump, sites=settings)["sites"][small_site.SITE]
    assert "language" not in before["dropped"] and after["dropped"]["language"] > 10
    assert (after["name"], after["language"]) == ("Small Beer", "de") and "name" not in before
    report = (tmp_path / "corpus/report.html").read_text("utf-8").replace("<wbr>", "")
    assert f"Small Beer ({small_site.SITE})" in report
    english = {"selection": {"languages": ["de"]}, "sites": {small_site.SITE: {"language": "en"}}}
    kept = small_site.build(tmp_path / "corpus", dump, **english)["sites"][small_site.SITE]
    assert kept["kept"] == before["kept"]
