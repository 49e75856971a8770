"""POST /servers"""

import base64
import binascii
import secrets

from coriolis_lab.openstack.compute import build
from coriolis_lab.openstack.compute.bodies import check_fields, flag, invalid_field, required_text, string_map
from coriolis_lab.openstack.compute.devices import Boot, note_reservations, read_boot, reserve_volumes
from coriolis_lab.openstack.compute.limits import check_server_quota
from coriolis_lab.openstack.compute.nics import OWNER, drop_new, read_groups, read_networks
from coriolis_lab.openstack.compute.server_groups import hinted_group
from coriolis_lab.openstack.compute.views import links
from coriolis_lab.openstack.image.images import size_gib
from coriolis_lab.openstack.records import Flavor, Keypair, Port, Server
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, strike

_FIELDS = {
    "name",
    "imageRef",
    "flavorRef",
    "adminPass",
    "metadata",
    "networks",
    "OS-DCF:diskConfig",
    "accessIPv4",
    "accessIPv6",
    "personality",
    "availability_zone",
    "block_device_mapping",
    "block_device_mapping_v2",
    "config_drive",
    "key_name",
    "min_count",
    "max_count",
    "return_reservation_id",
    "security_groups",
    "user_data",
    "description",
    "tags",
    "hostname",
    "trusted_image_certificates",
}
_USER_DATA_LIMIT = 65535  # bytes of base64


def _create(call: Call) -> Reply:
    given = call.member("server")
    check_fields("server", given, _FIELDS)
    name = required_text("server", given, "name")
    if not given.get("imageRef") and not given.get("block_device_mapping_v2"):
        raise ApiError(400, "Missing imageRef attribute")
    flavor = _flavor(call, given)
    boot = read_boot(call, given)
    _check_image_fits(boot, flavor)
    key = _key(call, given)
    user_data = _user_data(given)
    zone = given.get("availability_zone") or call.cloud.compute_zones[0]
    if zone not in call.cloud.compute_zones:
        raise ApiError(400, "The requested availability zone is not available")
    _check_tags(call, given)
    group = hinted_group(call)
    check_server_quota(call, flavor)
    fault = strike(call, "server.create", name)
    ports = _ports(call, given, boot)
    server = Server(
        id=new_id(),
        name=name,
        project_id=call.project_id,
        user_id=call.user_id,
        flavor=flavor,
        image_id=boot.image.id if boot.image else None,
        image_properties=boot.image_properties,
        key=key,
        user_data=user_data,
        config_drive=flag(given, "config_drive"),
        metadata=string_map(given.get("metadata")),
        tags=[str(tag) for tag in given.get("tags") or ()],
        description=given.get("description"),
        availability_zone=zone,
        ports=[port.id for port in ports],
        reservation_id=f"r-{secrets.token_hex(4)}",
    )
    for port in ports:
        port.device_id, port.device_owner = server.id, OWNER
    call.cloud.servers[server.id] = server
    note_reservations(call.cloud, server, boot)
    if group:
        group.members.append(server.id)
    build.submit(call, server, boot, fault)
    return _created(call, server, given)


def _created(call: Call, server: Server, given: Json) -> Reply:
    body: Json = {
        "id": server.id,
        "links": links(call, "servers", server.id),
        "OS-DCF:diskConfig": given.get("OS-DCF:diskConfig", "MANUAL"),
        "security_groups": given.get("security_groups") or [{"name": "default"}],
        "adminPass": given.get("adminPass") or secrets.token_urlsafe(9),
    }
    return Reply({"server": body}, 202, {"Location": body["links"][0]["href"]})


def _check_tags(call: Call, given: Json) -> None:
    """2.52 lets a new server have tags."""
    if "tags" in given and not call.at_least(52):
        why = "Additional properties are not allowed ('tags' was unexpected)"
        raise invalid_field("server", given, why)


def _flavor(call: Call, given: Json) -> Flavor:
    wanted = str(given.get("flavorRef", "")).rsplit("/", 1)[-1]
    if not wanted:
        raise invalid_field("server", given, "'flavorRef' is a required property")
    flavor = call.cloud.flavors.get(wanted)
    if flavor is None:
        raise ApiError(400, f"Flavor {wanted} could not be found.")
    return flavor


def _check_image_fits(boot: Boot, flavor: Flavor) -> None:
    image = boot.image
    if image is None:
        return
    if image.status != "active":
        raise ApiError(400, f"Image {image.id} is not active.")
    if flavor.ram_mb < image.min_ram:
        raise ApiError(400, "Flavor's memory is too small for requested image.")
    if flavor.disk_gb == 0:
        raise ApiError(403, "Only volume-backed servers are allowed for flavors with zero disk.")
    if flavor.disk_gb < image.min_disk:
        raise ApiError(
            400,
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {flavor.disk_gb << 30} bytes, minimum size is {image.min_disk << 30} bytes.",
        )
    if flavor.disk_gb < size_gib(image):
        raise ApiError(
            400,
            "Flavor's disk is too small for requested image. "
            f"Flavor disk is {flavor.disk_gb << 30} bytes, image is {image.size_bytes} bytes.",
        )


def _key(call: Call, given: Json) -> Keypair | None:
    name = given.get("key_name")
    if not name:
        return None
    key = call.cloud.keypairs.get((call.user_id, name))
    if key is None:
        raise ApiError(400, "Invalid key_name provided.")
    return key


def _user_data(given: Json) -> bytes | None:
    text = given.get("user_data")
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > _USER_DATA_LIMIT:
        raise invalid_field("user_data", f"{str(text)[:40]}...", "It is too long")
    try:
        return base64.b64decode(text)  # lenient with foreign characters, like Nova
    except (binascii.Error, ValueError):
        raise invalid_field("user_data", text, f"'{text}' is not a 'base64'") from None


def _ports(call: Call, given: Json, boot: Boot) -> list[Port]:
    """Ports made and volumes reserved, or neither: a refusal in the middle leaves nothing behind."""
    before = set(call.cloud.ports)
    try:
        ports = read_networks(call, given, read_groups(call, given))
        reserve_volumes(call, boot)
    except ApiError:
        drop_new(call, [port for port_id, port in call.cloud.ports.items() if port_id not in before])
        raise
    return ports


ROUTES = [Route("POST", "/v2.1/servers", _create)]
