#!/usr/bin/python3 -IS
"""Stands in for `ebtables` inside the enclosure.

ebtables-nft 1.8.9 finds no rule with --among-src when it is to delete one by its text, and Neutron's Linux bridge
agent, which has such a rule for each port, then hangs in a loop. Deleting the same rule by its number works.
"""

import subprocess
import sys

_REAL = "/usr/sbin/ebtables-nft"


def value_after(option: str, arguments: list[str], default: str = "") -> str:
    return arguments[arguments.index(option) + 1] if option in arguments else default


def rule_number(listing: str, addresses: str) -> str | None:
    """`listing` is of `-L CHAIN --Ln`: one rule a line, "7. --among-src fa:16:3e:…"."""
    for line in listing.splitlines():
        number, point, rule = line.partition(".")
        if point and number.strip().isdigit() and f"--among-src {addresses}" in rule:
            return number.strip()
    return None


def main(arguments: list[str]) -> int:
    if "-D" in arguments and "--among-src" in arguments:
        table = value_after("-t", arguments, "filter")
        chain = value_after("-D", arguments)
        listed = subprocess.run(
            [_REAL, "-t", table, "-L", chain, "--Ln"], capture_output=True, text=True, check=False
        )
        number = rule_number(listed.stdout, value_after("--among-src", arguments))
        if number is None:  # it is gone already, which is what was asked for
            return 0
        arguments = ["-t", table, "-D", chain, number]
    return subprocess.run([_REAL, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
