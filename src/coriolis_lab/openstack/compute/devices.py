"""block_device_mapping_v2: which disks a new server gets, and from where."""

from dataclasses import dataclass
from typing import Any

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute.bodies import check_fields, flag, integer, invalid_field
from coriolis_lab.openstack.records import Attachment, Image, Server, Volume
from coriolis_lab.openstack.web import ApiError, Call, Json, new_id

_FIELDS = {
    "boot_index",
    "uuid",
    "source_type",
    "destination_type",
    "delete_on_termination",
    "volume_size",
    "device_name",
    "device_type",
    "disk_bus",
    "guest_format",
    "no_device",
    "tag",
    "volume_type",
    "volume_id",
    "snapshot_id",
    "image_id",
}


@dataclass(frozen=True)
class Device:
    """A Cinder volume to be (made and) attached. `size` in GiB, None for the source's own."""

    source_type: str
    uuid: str | None
    boot_index: int | None
    size: int | None
    delete_on_termination: bool
    volume_type: str | None
    tag: str | None
    disk_bus: str | None = None


@dataclass(frozen=True)
class Boot:
    """What a server boots from: `image` on an ephemeral disk, or the device with boot index 0."""

    image: Image | None
    devices: tuple[Device, ...]
    image_properties: dict[str, str]


def read_boot(call: Call, given: Json) -> Boot:
    """From `imageRef` and `block_device_mapping_v2`; 400 for whatever cannot be booted."""
    entries = given.get("block_device_mapping_v2") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid_field("block_device_mapping_v2", entries, f"{entries!r} is not of type 'array'")
    image_ref = given.get("imageRef") or None
    local = [entry for entry in entries if _is_local_image(entry)]
    image = _image(call, image_ref) if image_ref else None
    if local and image is None:
        raise _invalid("image_ref is required when booting an image to a local disk")
    devices = tuple(_device(entry) for entry in entries if entry not in local)
    boots = [device for device in devices if device.boot_index == 0]
    if len(boots) + (1 if local else 0) > 1 or (not boots and image is None):
        message = "Boot sequence for the instance and image/block device mapping combination is not valid."
        raise _invalid(message)
    for device in devices:
        _check_source(call, device.source_type, device.uuid, device.size)
    for device in boots:
        _check_bootable(call, device)
    # An imageRef beside a boot device (from an older client) only lends its properties.
    if boots:
        return Boot(None, devices, dict(image.properties) if image else _properties(call, boots[0]))
    return Boot(image, devices, dict(image.properties) if image else {})


def _is_local_image(entry: Json) -> bool:
    return entry.get("source_type") == "image" and entry.get("destination_type", "local") == "local"


def _invalid(words: str) -> ApiError:
    return ApiError(400, f"Block Device Mapping is Invalid: {words}")


def _image(call: Call, image_ref: Any) -> Image:
    image = call.cloud.images.get(str(image_ref).rsplit("/", 1)[-1])
    if image is None:
        raise ApiError(
            400,
            f"Can not find requested image (HTTP 400) {image_ref}"
            if not isinstance(image_ref, str)
            else "Can not find requested image",
        )
    return image


def _device(entry: Json) -> Device:
    check_fields("block_device_mapping_v2", entry, _FIELDS)
    source = entry.get("source_type") or next(
        (kind for kind in ("volume", "snapshot", "image") if entry.get(f"{kind}_id")), "blank"
    )
    if source not in {"volume", "snapshot", "image", "blank"}:
        raise invalid_field(
            "source_type", source, f"'{source}' is not one of ['volume', 'image', 'snapshot', 'blank']"
        )
    destination = entry.get("destination_type") or ("local" if source == "blank" else "volume")
    if destination != "volume":
        raise _invalid("the lab has no local disks besides the root disk; use destination_type volume")
    uuid = entry.get("uuid") or entry.get(f"{source}_id")
    size = entry.get("volume_size")
    size = integer("volume_size", size) if size not in (None, "") else None
    index = entry.get("boot_index")
    index = integer("boot_index", index) if index not in (None, "", "None") else None
    return Device(
        source_type=source,
        uuid=uuid,
        boot_index=index if index is not None and index >= 0 else None,
        size=size,
        delete_on_termination=flag(entry, "delete_on_termination"),
        volume_type=entry.get("volume_type"),
        tag=entry.get("tag"),
        disk_bus=entry.get("disk_bus"),
    )


def _check_source(call: Call, source: str, uuid: str | None, size: int | None) -> None:
    if source == "volume":
        volume = call.cloud.volumes.get(uuid or "")
        if volume is None or not call.sees(volume.project_id):
            raise _invalid(f"failed to get volume {uuid}.")
    elif source == "snapshot":
        snapshot = call.cloud.snapshots.get(uuid or "")
        if snapshot is None or not call.sees(snapshot.project_id):
            raise _invalid(f"failed to get snapshot {uuid}.")
    elif source == "image":
        if uuid not in call.cloud.images:
            raise _invalid(f"failed to get image {uuid}.")
        if not size:
            message = "Images with destination_type 'volume' need to have a non-zero size specified"
            raise ApiError(400, message)
    elif not size:
        raise _invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")


def _check_bootable(call: Call, device: Device) -> None:
    volume = call.cloud.volumes.get(device.uuid or "") if device.source_type == "volume" else None
    if volume is not None and not volume.bootable:
        raise _invalid(f"Volume {volume.id} is not bootable.")


def check_available(volume: Volume) -> None:
    if volume.status != "available":
        raise ApiError(
            400,
            f"Invalid volume: Volume {volume.id} status must be available or downloading to reserve, "
            f"but the current status is {volume.status}.",
        )


def reserve_volumes(call: Call, boot: Boot) -> None:
    """400 when one is not available; then none is reserved."""
    volumes = _volumes_of(call.cloud, boot)
    for volume in volumes:
        check_available(volume)
    for volume in volumes:
        volume.status = "reserved"


def note_reservations(cloud: Cloud, server: Server, boot: Boot) -> None:
    for volume in _volumes_of(cloud, boot):
        volume.reservation = Attachment(
            id=new_id(), bdm_id=new_id(), server_id=server.id, volume_id=volume.id, device=""
        )


def _volumes_of(cloud: Cloud, boot: Boot) -> list[Volume]:
    """The user's own, which are to become disks."""
    return [cloud.volumes[d.uuid or ""] for d in boot.devices if d.source_type == "volume"]


def _properties(call: Call, device: Device) -> dict[str, str]:
    """Those that the boot volume got from its image."""
    cloud = call.cloud
    if device.source_type == "image":
        return dict(cloud.images[device.uuid or ""].properties)
    volume_id = device.uuid or ""
    if device.source_type == "snapshot":
        volume_id = cloud.snapshots[volume_id].volume_id
    volume = cloud.volumes.get(volume_id)
    return dict(volume.image_metadata) if volume else {}
