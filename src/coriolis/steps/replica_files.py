"""Where the leaf lists and journals of replicas lie, below the state directory: one directory a disk."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from coriolis.config import Settings
from coriolis.store.key_file import read_key_file
from coriolis.transfer.journal import base_of
from coriolis.transfer.signing import SigningKeys, derive_signing_keys

MANIFESTS = "manifests"


def manifests_of(transfer_id: str, instance_name: str) -> Path:
    """Of one instance; relative to the state directory."""
    return Path(MANIFESTS) / _file_name(transfer_id) / _file_name(instance_name)


def manifest_of(transfer_id: str, instance_name: str, disk_id: str, generation: int, token: int) -> Path:
    """Relative to the state directory. The fencing token keeps an owner of before, who comes back late, from
    replacing the list of the one that the database knows."""
    return manifests_of(transfer_id, instance_name) / _file_name(disk_id) / f"{generation}.{token}"


def journal_of(manifest: Path) -> Path:
    return manifest.with_name(manifest.name + ".journal")


def remove_files(settings: Settings, transfer_id: str, instance_name: str) -> None:
    """Of replicas that are no more."""
    manifests = settings.state_dir / manifests_of(transfer_id, instance_name)
    if manifests.exists():
        shutil.rmtree(manifests)


def tidy(directory: Path, keep: Iterable[Path]) -> None:
    """Leaves only these files, and what belongs to a journal among them."""
    names = {path.name for path in keep} | {base_of(path).name for path in keep}
    for found in directory.iterdir() if directory.exists() else ():
        if found.name not in names:
            found.unlink() if found.is_file() else shutil.rmtree(found)


def signing_keys(settings: Settings) -> SigningKeys:
    """Raises SecretsUnreadable."""
    found = read_key_file(settings.key_file)
    known = found.keys if found.upcoming is None else (*found.keys, found.upcoming)
    return derive_signing_keys(known)


def _file_name(name: str) -> str:
    """Any name as one path component: a slash or a leading dot would leave the directory."""
    return quote(name, safe="").replace(".", "%2E")
