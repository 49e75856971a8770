"""Scripts that the guest runs once, when it first starts on the new cloud. Pure."""

from typing import TYPE_CHECKING

from coriolis.morphing.guest.actions import Link, WriteFile

if TYPE_CHECKING:
    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts

_DIRECTORY = "/usr/lib/coriolis/first-boot"
_UNIT = "/etc/systemd/system/coriolis-first-boot.service"
_WANTED = "/etc/systemd/system/multi-user.target.wants/coriolis-first-boot.service"
TEXTS = (_DIRECTORY + "/*", _UNIT)
PATHS = (_WANTED,)
# A script that fails stays and runs again at the next start; the unit goes when none is left.
_RUNNER_TEXT = """\
#!/bin/sh
# Runs what Coriolis left for the first start of this machine on its new cloud.
cd {directory} || exit 0
failed=0
for script in [0-9]*; do
    [ -f "$script" ] || continue
    if "./$script" >>/var/log/coriolis-first-boot.log 2>&1; then rm -f "$script"; else failed=1; fi
done
[ $failed = 1 ] || rm -f {wanted}
exit $failed
"""
_UNIT_TEXT = """\
[Unit]
Description=First start after the move to another cloud
Wants=network-online.target
After=network-online.target
ConditionPathExistsGlob={directory}/[0-9]*

[Service]
Type=oneshot
ExecStart={directory}/run
TimeoutStartSec=900

[Install]
WantedBy=multi-user.target
"""


def plan_script(name: str, text: str, facts: "Facts") -> "list[Action]":
    """`name` starts with its two-digit place in the order. The scripts may hold secrets: for root's eyes
    only."""
    wanted: list[Action] = [
        WriteFile(f"{_DIRECTORY}/{name}", text, 0o700),
        WriteFile(_DIRECTORY + "/run", _RUNNER_TEXT.format(directory=_DIRECTORY, wanted=_WANTED), 0o755),
        WriteFile(_UNIT, _UNIT_TEXT.format(directory=_DIRECTORY)),
        Link(_WANTED, _UNIT),
    ]
    return [action for action in wanted if not _is_done(action, facts)]


def _is_done(action: "Action", facts: "Facts") -> bool:
    if isinstance(action, WriteFile):
        return facts.files.get(action.path) == action.text
    return isinstance(action, Link) and action.path in facts.paths


def installation_script(names: "tuple[str, ...]") -> str:
    """For packages that could not be had during the morphing."""
    return """\
#!/bin/sh
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install {names}
""".format(names=" ".join(names))
