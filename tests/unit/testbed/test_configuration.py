"""The templates of the real OpenStack: all filled in, and readable to those who read them."""

import configparser
from pathlib import Path

from testbed.openstack.configuration import Configuration
from testbed.openstack.settings import API_ADDRESS, APIS, Testbed

_INI = {".conf", ".ini"}
_OTHER = {"rabbitmq.conf", "libvirtd.conf", "qemu.conf"}  # keys without sections


def _texts(directory: Path) -> dict[Path, str]:
    testbed = Testbed(directory)
    testbed.prepare()
    return {path: text for path, _, text in Configuration(testbed).texts()}


def test_every_file_is_complete(tmp_path: Path) -> None:
    texts = _texts(tmp_path)
    assert len(texts) > 20
    for path, text in texts.items():
        assert "$" not in text, path
        if path.suffix in _INI and path.name not in _OTHER:
            parser = configparser.ConfigParser(strict=False, interpolation=None, default_section="")
            parser.read_string(text)
            assert parser.sections(), path


def test_the_services_share_the_password_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    texts = _texts(tmp_path)
    password = Testbed(tmp_path).password
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0
    for name in ("nova.conf", "neutron.conf", "cinder.conf", "glance-api.conf", "proxy-server.conf"):
        assert any(path.name == name and f"password = {password}" in text for path, text in texts.items())


def test_every_api_stands_behind_the_balancer(tmp_path: Path) -> None:
    (balancer,) = (text for path, text in _texts(tmp_path).items() if path.name == "haproxy.cfg")
    for api in APIS:
        assert f"bind {API_ADDRESS}:{api.port}" in balancer
