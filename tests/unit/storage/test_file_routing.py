"""The routing table's file."""

import pytest

from treadle.domain.deployments import RoutingTable
from treadle.domain.errors import CorruptData
from treadle.storage.routing import FileRouting


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": []}', '{"revision": 1, "models": [3]}', "\udc80"])
def test_a_file_that_is_no_table_is_told(tmp_path, text):
    (tmp_path / "routing.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CorruptData, match=r"routing\.json"):
        FileRouting(tmp_path).read()


def test_publishing_leaves_one_file(tmp_path):
    routing = FileRouting(tmp_path / "home")
    for revision in range(3):
        routing.publish(RoutingTable(revision))
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["routing.json"]
