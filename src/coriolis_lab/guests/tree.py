"""Installs a root tree from Debian packages with mmdebstrap."""

from collections.abc import Mapping
from pathlib import Path

from coriolis.runner import run
from coriolis_lab.guests.recipes import GuestFile, RootRecipe

_SUITE = "bookworm"
_HOST_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_SLIM = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "force-unsafe-io",
    "force-confold",
)
# directories that are there (/root) keep their modes
_COPY = 'tar -C {tree} -c . | tar -C "$1" -x --no-overwrite-dir'
_DOWNLOAD = (
    "mkdir -p {target}/partial && "
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q -y --no-install-recommends --download-only '
    "-o Dir::Cache::archives={target} install {packages} && rm -r {target}/partial {target}/lock"
)


def install_tree(recipe: RootRecipe, root: Path, packages_dir: Path) -> None:
    """Fills the new directory `root`. Debian's mirror is the one that this machine's apt uses.

    The recipe's offline packages land in `packages_dir` with everything they need that is not essential
    to Debian: what another installation of the release may lack.
    """
    early = root.with_name(root.name + ".early")
    write_files(early, recipe.early_files)
    overlay = root.with_name(root.name + ".files")
    write_files(overlay, recipe.files)
    hooks = [f"--essential-hook={_COPY.format(tree=early)}", f"--customize-hook={_COPY.format(tree=overlay)}"]
    if recipe.offline_packages:
        # the essential hook sees an installation of the essential packages only
        fetch = _DOWNLOAD.format(target=packages_dir, packages=" ".join(recipe.offline_packages))
        hooks.append(f"--essential-hook={fetch}")
    hooks += [f"--customize-hook=chroot \"$1\" sh -ec '{command}'" for command in recipe.commands]
    mirror = [str(_HOST_SOURCES)] if _HOST_SOURCES.exists() else []
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--format=directory",
            f"--include={','.join(recipe.packages)}",
            '--aptopt=Apt::Install-Recommends "false"',
            *(f"--dpkgopt={option}" for option in _SLIM),
            *hooks,
            _SUITE,
            root,
            *mirror,
        ],
        timeout=1500,
        env={"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "SOURCE_DATE_EPOCH": "1760000000"},
    )
    # mmdebstrap leaves the host's own in place of what it needed for the installation
    write_files(
        root,
        {name: file for name, file in recipe.files.items() if name in ("/etc/hostname", "/etc/resolv.conf")},
    )


def write_files(root: Path, files: Mapping[str, GuestFile]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    for name, file in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(file.content)
        path.chmod(file.mode)
