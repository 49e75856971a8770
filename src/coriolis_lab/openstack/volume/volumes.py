"""/volumes"""

from collections.abc import Callable
from typing import Any

from coriolis_lab.openstack.image.images import size_gib
from coriolis_lab.openstack.paging import next_link, page
from coriolis_lab.openstack.records import Attachment, Image, Volume, now
from coriolis_lab.openstack.volume import quota, tasks
from coriolis_lab.openstack.volume.bodies import (
    check_fields,
    invalid,
    invalid_volume,
    metadata,
    positive,
    text,
)
from coriolis_lab.openstack.volume.types import find_type
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, micros, new_id, refuse_by_fault

MALFORMED = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect."
)
_CREATE_FIELDS = {
    "name",
    "description",
    "display_name",
    "display_description",
    "size",
    "volume_type",
    "metadata",
    "snapshot_id",
    "source_volid",
    "consistencygroup_id",
    "availability_zone",
    "imageRef",
    "image_id",
    "multiattach",
    "group_id",
    "backup_id",
    "user_id",
    "project_id",
    "status",
    "attach_status",
}
_DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
_SIMPLE_FILTERS = ("status", "bootable", "availability_zone", "id")


def summary(call: Call, volume: Volume) -> Json:
    base = f"{call.base}/volume"
    return {
        "id": volume.id,
        "name": volume.name,
        "links": [
            {"rel": "self", "href": f"{base}/v3/{volume.project_id}/volumes/{volume.id}"},
            {"rel": "bookmark", "href": f"{base}/{volume.project_id}/volumes/{volume.id}"},
        ],
    }


def detail(call: Call, volume: Volume) -> Json:
    view: Json = {
        **summary(call, volume),
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.availability_zone,
        "created_at": micros(volume.created),
        "updated_at": micros(volume.updated),
        "attachments": [_attachment(call, attachment) for attachment in volume.attachments],
        "description": volume.description,
        "volume_type": volume.volume_type,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volume_id,
        "metadata": dict(volume.metadata),
        "user_id": volume.user_id,
        "bootable": str(volume.bootable).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": False,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
    }
    if volume.image_metadata:
        view["volume_image_metadata"] = dict(volume.image_metadata)
    if call.is_admin:
        view["os-vol-host-attr:host"] = "lab@ceph#RBD" if call.cloud.rbd else "lab@lvm#LVM"
        view["migration_status"] = None
        view["os-vol-mig-status-attr:migstat"] = None
        view["os-vol-mig-status-attr:name_id"] = None
    view.update(_newer(call, volume))
    return view


def _newer(call: Call, volume: Volume) -> Json:
    """What later microversions added."""
    view: Json = {}
    if call.at_least(13):
        view["group_id"] = None
    if call.at_least(21) and call.is_admin:
        view["provider_id"] = None
    if call.at_least(48):
        view["service_uuid"] = None
        view["shared_targets"] = None if call.at_least(69) else False
    if call.at_least(61) and call.is_admin:
        view["cluster_name"] = None
    if call.at_least(63):
        view["volume_type_id"] = call.cloud.volume_types[volume.volume_type]
    if call.at_least(65):
        view["consumes_quota"] = True
    return view


def _attachment(call: Call, attachment: Attachment) -> Json:
    return {
        "id": attachment.volume_id,
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "server_id": attachment.server_id,
        "host_name": "lab" if call.is_admin else None,
        "device": attachment.device,
        "attached_at": micros(attachment.attached),
    }


def find(call: Call, volume_id: str, status: int = 404) -> Volume:
    volume = call.cloud.volumes.get(volume_id)
    if volume is None or not call.sees(volume.project_id):
        raise ApiError(status, f"Volume {volume_id} could not be found.", "VolumeNotFound")
    return volume


def _wanted(call: Call) -> list[Volume]:
    everyone = call.is_admin and call.flag("all_tenants")
    volumes = [v for v in call.cloud.volumes.values() if everyone or v.project_id == call.project_id]
    if "name" in call.query:
        volumes = [v for v in volumes if v.name == call.query["name"]]
    if "name~" in call.query and call.at_least(34):
        volumes = [v for v in volumes if call.query["name~"] in v.name]
    for name in _SIMPLE_FILTERS:
        if name in call.query:
            volumes = [v for v in volumes if str(getattr(v, name)).lower() == call.query[name].lower()]
    return _sorted(call, volumes)


def _sorted(call: Call, volumes: list[Volume]) -> list[Volume]:
    """By default the newest first."""
    keys = [part.partition(":") for part in call.query.get("sort", "").split(",") if part]
    keys = keys or [(call.query.get("sort_key", "created_at"), ":", call.query.get("sort_dir", "desc"))]
    volumes = list(volumes)
    for key, _, direction in reversed(keys):
        name = {"created_at": "created", "updated_at": "updated"}.get(key, key)
        if name not in {"created", "updated", "id", "name", "size", "status"}:
            raise invalid("Invalid sort key")
        value: Callable[[Volume], Any] = lambda volume, n=name: getattr(volume, n)  # type: ignore[misc]  # noqa: E731
        volumes.sort(key=value, reverse=direction != "asc")
    return volumes


def _listing(call: Call, view: Callable[[Call, Volume], Json]) -> Reply:
    volumes = _wanted(call)
    shown, more = page(call, volumes, [v.id for v in volumes])
    body: Json = {"volumes": [view(call, v) for v in shown]}
    if more:
        body["volumes_links"] = next_link(call, shown[-1].id)
    if call.at_least(45) and call.flag("with_count"):
        body["count"] = len(volumes)
    return Reply(body)


def _list(call: Call) -> Reply:
    return _listing(call, summary)


def _list_details(call: Call) -> Reply:
    return _listing(call, detail)


def _show(call: Call) -> Reply:
    return Reply({"volume": detail(call, find(call, call.ids["id"]))})


def _create(call: Call) -> Reply:
    given = call.member("volume")
    check_fields("volume", given, _CREATE_FIELDS)
    volume = new_volume(
        call,
        name=text(given, "name") or text(given, "display_name") or "",
        size=given.get("size"),
        volume_type=text(given, "volume_type"),
        image_id=given.get("imageRef") or given.get("image_id"),
        snapshot_id=given.get("snapshot_id"),
        source_volume_id=given.get("source_volid"),
    )
    volume.availability_zone = _zone(call, given, volume)
    volume.description = text(given, "description")
    volume.metadata = metadata(given)
    fault = refuse_by_fault(call, "volume.create", volume.name)
    keep(call, volume, given.get("imageRef") or given.get("image_id"), fault)
    return Reply({"volume": detail(call, volume)}, 202)


def _zone(call: Call, given: Json, volume: Volume) -> str:
    """A clone is where its source is (Cinder's cloned_volume_same_az), and nowhere else."""
    asked = given.get("availability_zone")
    if asked and asked not in call.cloud.volume_zones:
        raise ApiError(400, f"Availability zone '{asked}' is invalid.", "InvalidAvailabilityZone")
    snapshot = call.cloud.snapshots.get(volume.snapshot_id or "")
    source = call.cloud.volumes.get(snapshot.volume_id if snapshot else volume.source_volume_id or "")
    if source is None:
        return str(asked or call.cloud.volume_zones[0])
    if asked and asked != source.availability_zone:
        kind = "snapshot" if snapshot else "source volume"
        raise invalid(f"Volume must be in the same availability zone as the {kind}")
    return source.availability_zone


def new_volume(
    call: Call,
    *,
    name: str,
    size: Any,
    volume_type: str | None = None,
    image_id: Any = None,
    snapshot_id: Any = None,
    source_volume_id: Any = None,
) -> Volume:
    """Checked against its source and the quota, but not yet kept. `size` in GiB; None takes the source's."""
    wanted = None if size is None else positive("size", size)
    volume = Volume(new_id(), name, call.project_id, call.user_id, wanted or 0, find_type(call, volume_type))
    if snapshot_id:
        _from_snapshot(call, volume, str(snapshot_id), volume_type)
    elif source_volume_id:
        _from_volume(call, volume, str(source_volume_id), volume_type)
    elif image_id:
        _from_image(call, volume, str(image_id))
    if not volume.size:
        raise ApiError(400, MALFORMED)
    per_volume = call.cloud.quota(call.project_id).volume["per_volume_gigabytes"]
    if 0 <= per_volume < volume.size:
        words = f"Requested volume size {volume.size} is larger than maximum allowed limit {per_volume}."
        raise ApiError(
            413, f"VolumeSizeExceedsLimit: {words}", "VolumeSizeExceedsLimit", {"Retry-After": "0"}
        )
    quota.check(call.cloud, call.project_id, gigabytes=volume.size, volumes=1)
    return volume


def keep(
    call: Call, volume: Volume, image_id: str | None, fault: str | None = None, *, submit: bool = True
) -> None:
    """From now on it exists; it is made in a job of its own, or (`submit` false) by the caller's."""
    call.cloud.volumes[volume.id] = volume
    if submit:
        tasks.submit_create(call.cloud, volume, image_id, fault)


def _from_snapshot(call: Call, volume: Volume, snapshot_id: str, asked_type: str | None) -> None:
    """Of another type too: all types are of the one backend that there is."""
    snapshot = call.cloud.snapshots.get(snapshot_id)
    if snapshot is None or not call.sees(snapshot.project_id):
        raise ApiError(404, f"Snapshot {snapshot_id} could not be found.", "SnapshotNotFound")
    if snapshot.status != "available":
        raise ApiError(
            400,
            "Invalid snapshot: Originating snapshot status must be one of 'available' values",
            "InvalidSnapshot",
        )
    volume.size = volume.size or snapshot.size
    if volume.size < snapshot.size:
        raise invalid(
            f"Volume size '{volume.size}'GB cannot be smaller than the snapshot size {snapshot.size}GB. "
            "They must be >= original snapshot size."
        )
    volume.snapshot_id = snapshot.id
    origin = call.cloud.volumes.get(snapshot.volume_id)
    if origin:
        volume.bootable, volume.image_metadata = origin.bootable, dict(origin.image_metadata)
        volume.volume_type = volume.volume_type if asked_type else origin.volume_type


def _from_volume(call: Call, volume: Volume, source_id: str, asked_type: str | None) -> None:
    source = find(call, source_id)
    if asked_type is not None and volume.volume_type != source.volume_type:
        raise invalid(
            f"Invalid volume_type provided: {asked_type} (requested type is not compatible; either match source "
            "volume, or omit type argument)."
        )
    if source.status not in {"available", "in-use"}:
        raise invalid_volume("Source volume must be one of 'available' or 'in-use' values")
    volume.size = volume.size or source.size
    if volume.size < source.size:
        raise invalid(
            f"Volume size '{volume.size}'GB cannot be smaller than original volume size {source.size}GB. "
            "They must be >= original volume size."
        )
    volume.source_volume_id = source.id
    volume.volume_type = source.volume_type
    volume.bootable, volume.image_metadata = source.bootable, dict(source.image_metadata)


def _from_image(call: Call, volume: Volume, image_id: str) -> None:
    image = call.cloud.images.get(image_id)
    if image is None:
        raise ApiError(400, "Invalid image identifier or unable to access requested image.")
    if image.status != "active":
        raise invalid(f"Image {image.id} is not active.")
    if not volume.size:
        raise ApiError(400, MALFORMED)
    if volume.size < size_gib(image):
        raise invalid(
            f"Size of specified image {size_gib(image)}GB is larger than volume size {volume.size}GB."
        )
    if volume.size < image.min_disk:
        raise invalid(
            f"Volume size {volume.size}GB cannot be smaller than the image minDisk size {image.min_disk}GB."
        )
    volume.bootable = True
    volume.image_id = image.id
    volume.image_metadata = image_metadata(image)


def image_metadata(image: Image) -> dict[str, str]:
    """`volume_image_metadata`: everything of the image, as text."""
    return {
        **image.properties,
        "image_id": image.id,
        "image_name": image.name,
        "container_format": "bare",
        "disk_format": str(image.disk_format),
        "min_disk": str(image.min_disk),
        "min_ram": str(image.min_ram),
        "size": str(image.size_bytes),
    }


def _update(call: Call) -> Reply:
    volume = find(call, call.ids["id"])
    given = call.member("volume")
    check_fields("volume", given, {"name", "description", "display_name", "display_description", "metadata"})
    if "name" in given:
        volume.name = text(given, "name") or ""
    if "description" in given:
        volume.description = text(given, "description")
    if "metadata" in given:
        volume.metadata = metadata(given)
    volume.updated = now()
    return Reply({"volume": detail(call, volume)})


def _delete(call: Call) -> Reply:
    volume = find(call, call.ids["id"])
    cascade = call.flag("cascade")
    snapshots = call.cloud.volume_snapshots(volume.id)
    if volume.status not in _DELETABLE or volume.attachments or (snapshots and not cascade):
        raise invalid_volume(
            f"Volume status must be {' or '.join(_DELETABLE)} and must not be migrating, attached, "
            "belong to a group, have snapshots, awaiting a transfer, "
            "or be disassociated from snapshots after volume transfer."
        )
    fault = refuse_by_fault(call, "volume.delete", volume.name)
    tasks.submit_delete(call.cloud, volume, fault, snapshots)
    return Reply(None, 202)


def _metadata(call: Call) -> Reply:
    volume = find(call, call.ids["id"])
    if call.method == "POST":
        volume.metadata.update(metadata(call.body))
    elif call.method == "PUT":
        volume.metadata = metadata(call.body)
    return Reply({"metadata": dict(volume.metadata)})


def _metadata_key(call: Call) -> Reply:
    volume, key = find(call, call.ids["id"]), call.ids["key"]
    if call.method == "PUT":
        volume.metadata[key] = metadata(call.body, "meta").get(key, "")
    elif key not in volume.metadata:
        raise ApiError(404, f"Volume {volume.id} has no metadata with key {key}.", "VolumeMetadataNotFound")
    elif call.method == "DELETE":
        del volume.metadata[key]
        return Reply(None, 200)
    return Reply({"meta": {key: volume.metadata[key]}})


ROUTES = [
    Route("GET", "/v3/volumes", _list),
    Route("POST", "/v3/volumes", _create),
    Route("GET", "/v3/volumes/detail", _list_details),
    Route("GET", "/v3/volumes/{id}", _show),
    Route("PUT", "/v3/volumes/{id}", _update),
    Route("DELETE", "/v3/volumes/{id}", _delete),
    *(Route(method, "/v3/volumes/{id}/metadata", _metadata) for method in ("GET", "POST", "PUT")),
    *(Route(method, "/v3/volumes/{id}/metadata/{key}", _metadata_key) for method in ("GET", "PUT", "DELETE")),
]
