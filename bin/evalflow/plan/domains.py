"""Domains of a config, by name or by definition, as specs have them."""

from collections.abc import Iterable

from evalflow.config.showcase import DomainConfig
from evalflow.drawing.names import EXTENTS, DomainEntry, DomainName


def domain_entries(domains: Iterable[DomainName | DomainConfig]) -> list[DomainEntry]:
    """Return the parts of the globe to draw."""
    return [
        DomainEntry(name=domain.name, extent=domain.extent, projection=domain.projection)
        if isinstance(domain, DomainConfig)
        else DomainEntry(name=domain, extent=EXTENTS[domain], projection="orthographic")
        for domain in domains
    ]
