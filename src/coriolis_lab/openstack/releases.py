"""Which versions of their APIs the services of a cloud speak."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """Major versions of Keystone and Glance, and the latest microversions of Nova (`compute`) and Cinder (`volume`),
    as that release had them. Shapes of older microversions follow; what no microversion tells is as in Zed."""

    name: str
    compute: tuple[int, int]
    volume: tuple[int, int]
    identity: tuple[int, ...] = (3,)
    image: tuple[int, ...] = (2,)


MITAKA = Release("Mitaka", (2, 25), (3, 0), identity=(2, 3), image=(1, 2))
"""The first release with Cinder v3; v2 of Keystone ended with Queens, v1 of Glance with Rocky."""
QUEENS = Release("Queens", (2, 60), (3, 50), image=(1, 2))
USSURI = Release("Ussuri", (2, 87), (3, 60))
ZED = Release("Zed", (2, 93), (3, 70))
