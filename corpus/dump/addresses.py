"""The addresses of sites on the web: by the configuration, else by the site's own name."""

from collections.abc import Sequence
from unicodedata import normalize

from socorpus.corpus.config import Config
from socorpus.corpus.dump.sources import Site


def configured(site: Site, config: Config) -> str | None:
    """The base address that `[sites."NAME"]` gives: for the site's own name, else for all of its releases."""
    url = config.of_site(site.name, site.base).url
    return url.rstrip("/") if url is not None else None


def of(site: Site, config: Config) -> str | None:
    """The site's base address, before `/q/1`; None where none is known."""
    return configured(site, config) or (f"https://{site.host}" if site.host is not None else None)


def warnings(sites: Sequence[Site], config: Config) -> list[str]:
    """Sentences on sites without a known address, and on addresses of sites that are not there."""
    lines = [
        f"{site.name}: no address on the web is known for this site, so the url of its posts is null; give it in the "
        f'configuration: [sites."{site.base}"] url = "https://…"'
        for site in sites
        if of(site, config) is None and any(table.table == "posts" for table in site.tables)
    ]
    names = {name for site in sites for name in (site.name, site.base)}
    return lines + [
        f'[sites."{name}"] is set, and no source holds that site'
        for name in config.sites
        if normalize("NFC", name) not in names
    ]
