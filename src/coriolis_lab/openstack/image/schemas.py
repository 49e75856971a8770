"""JSON schemas, as far as clients look at them."""

from coriolis_lab.openstack.web import Call, Json, Reply, Route

_STRING: Json = {"type": ["null", "string"]}
_IMAGE: Json = {
    "name": "image",
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "name": _STRING,
        "status": {"type": "string", "readOnly": True},
        "visibility": {"type": "string", "enum": ["community", "public", "private", "shared"]},
        "protected": {"type": "boolean"},
        "owner": _STRING,
        "size": {"type": ["null", "integer"], "readOnly": True},
        "virtual_size": {"type": ["null", "integer"], "readOnly": True},
        "container_format": {
            "type": ["null", "string"],
            "enum": [None, "ami", "ari", "aki", "bare", "ovf", "ova"],
        },
        "disk_format": {
            "type": ["null", "string"],
            "enum": [None, "raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso"],
        },
        "min_ram": {"type": "integer"},
        "min_disk": {"type": "integer"},
        "checksum": _STRING,
        "os_hash_algo": _STRING,
        "os_hash_value": _STRING,
        "os_hidden": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "created_at": {"type": "string", "readOnly": True},
        "updated_at": {"type": "string", "readOnly": True},
        "self": {"type": "string", "readOnly": True},
        "file": {"type": "string", "readOnly": True},
        "schema": {"type": "string", "readOnly": True},
    },
    "additionalProperties": {"type": "string"},
}


def _image(_call: Call) -> Reply:
    return Reply(_IMAGE)


def _images(_call: Call) -> Reply:
    return Reply({"name": "images", "properties": {"images": {"type": "array", "items": _IMAGE}}})


ROUTES = [Route("GET", "/v2/schemas/image", _image), Route("GET", "/v2/schemas/images", _images)]
