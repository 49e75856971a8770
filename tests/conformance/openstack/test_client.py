"""The unmodified `openstack` command, several commands to one process since its start alone takes seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conformance.openstack.conftest import Lab


def run(lab: Lab, *commands: str) -> list[Any]:
    """The JSON answers in order; the prompt "(openstack) " stands between them."""
    environment = {
        **os.environ,
        "OS_AUTH_URL": lab.front.auth_url,
        "OS_USERNAME": "demo",
        "OS_PASSWORD": "secret",
        "OS_PROJECT_NAME": "demo",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    program = str(Path(sys.executable).with_name("openstack"))
    lines = "".join(f"{command} -f json\n" for command in commands)
    done = subprocess.run(
        [program], input=lines, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    answers, text, decoder = [], done.stdout, json.JSONDecoder()
    while starts := [at for at in (text.find("{"), text.find("[")) if at >= 0]:
        answer, end = decoder.raw_decode(text[min(starts) :])
        answers.append(answer)
        text = text[min(starts) + end :]
    assert len(answers) == len(commands), done.stdout + done.stderr
    return answers


def test_a_server_with_a_volume(lab: Lab) -> None:
    server, listed, volume, attached = run(
        lab,
        "server create cli --image debian --flavor small --network private --wait",
        "server list --long",
        "volume create --size 1 cli-data",
        "server add volume cli cli-data",
    )
    assert server["status"] == "ACTIVE"
    assert [(row["Name"], row["Image Name"], row["Flavor"]) for row in listed] == [("cli", "debian", "small")]
    assert volume["size"] == 1
    assert attached["Device"] == "/dev/vdb"
