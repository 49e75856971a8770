"""The validator passes what real engines wrote and flags what is broken."""

from pathlib import Path

import pytest

from coriolis_lab.ovirt.validator import check

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "ovirt-recorded"
HEAD = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def test_real_documents_pass():
    if not RECORDED.is_dir():
        pytest.skip(f"left out: no documents recorded from real engines in {RECORDED}")
    documents = sorted(RECORDED.glob("*.xml"))
    assert len(documents) > 50
    problems = {path.name: check(path.read_bytes()) for path in documents}
    assert {name: found for name, found in problems.items() if found} == {}


@pytest.mark.parametrize(
    ("document", "path", "text"),
    [
        (b"<vm><nmae>x</nmae></vm>", "/vm/nmae", "unknown element of Vm"),
        (b"<vms><vm><memory>1.5</memory></vm></vms>", "/vms/vm[1]/memory", "'1.5' is no integer"),
        (b"<vm><delete_protected>False</delete_protected></vm>", "/vm/delete_protected", "is no boolean"),
        (b"<vm><creation_time>2026-11-22</creation_time></vm>", "/vm/creation_time", "is no date"),
        (b"<vm><status>running</status></vm>", "/vm/status", "is no VmStatus"),
        (b"<vm><name>a</name><name>b</name></vm>", "/vm/name", "repeated element"),
        (b"<vm><cpu>2</cpu></vm>", "/vm/cpu", "text '2' in a structure"),
        (b"<vm><name><b/></name></vm>", "/vm/name", "elements in a string"),
        (b"<vm nam='x'/>", "/vm", "unknown attribute nam"),
        (b"<vms><disk/></vms>", "/vms/disk[1]", "is no item of vms"),
        (b"<vm><nics><disk/></nics></vm>", "/vm/nics/disk[1]", "is no item of nics"),
        (
            b"<vm><os><boot><devices><device>usb</device></devices></boot></os></vm>",
            "device[1]",
            "is no BootDevice",
        ),
        (b"<vm><link rel='volumes' href='/x'/></vm>", "/vm/link", "unknown link rel 'volumes'"),
        (
            b"<vm><actions><link rel='explode' href='/x'/></actions></vm>",
            "link[1]",
            "unknown link rel 'explode'",
        ),
        (b"<vm><link rel='nics'/></vm>", "/vm/link", "is no link with rel and href"),
        (b"<operating_systems/>", "/operating_systems", "unknown root element"),
        (b"<vm>", "/", "malformed"),
        (b"<!DOCTYPE vm [<!ENTITY a 'b'>]><vm>&a;</vm>", "/", "document type declarations"),
    ],
)
def test_broken_documents_are_flagged(document, path, text):
    problems = check(HEAD + document)
    assert any(path in problem.path and text in problem.text for problem in problems), problems


def test_a_good_document_has_no_problems():
    system = b"<operating_system id='5'><name>other_linux</name></operating_system>"
    assert check(HEAD + b"<operation_systems>" + system + b"</operation_systems>") == []
