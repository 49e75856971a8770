"""deploy/coriolis.conf.example: usable, and naming nothing that is no setting (oslo.config would ignore it)."""

import configparser
import re
from pathlib import Path

from coriolis.config import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "coriolis.conf.example"


def test_it_can_be_used() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.conductor.regions == ("eu",)
    assert settings.messaging.transport_url is not None
    assert not settings.embedded


def test_every_key_is_a_setting_also_those_that_are_commented_out() -> None:
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(re.sub(r"^#(\w+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
    for section in parser.sections():
        model = Settings.model_fields["default" if section == "DEFAULT" else section].annotation
        assert isinstance(model, type)
        assert set(parser[section]) <= set(model.model_fields), section
