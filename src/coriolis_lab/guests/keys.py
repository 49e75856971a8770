"""The lab's own SSH key pair: root of the source guest trusts it."""

from pathlib import Path

from coriolis.runner import run


def ensure_key_pair(cache: Path) -> Path:
    """The private key's path, `cache/keys/id_ed25519`; the public one beside it has the suffix .pub."""
    private = cache / "keys" / "id_ed25519"
    if not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True)
        private.parent.chmod(0o700)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "coriolis-lab", "-f", private])
    return private


def public_key(private: Path) -> str:
    return private.with_name(private.name + ".pub").read_text().strip()
