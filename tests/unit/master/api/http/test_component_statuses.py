"""Health checks as ComponentStatuses."""

from datetime import UTC, datetime

import orjson
import pytest

from master.api.http.component_statuses import ComponentStatuses
from master.api.kinds.component_status import KIND
from master.api.registry.selection import Selection
from master.client.errors import StatusError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_each_check_is_a_component_and_is_asked_at_each_read() -> None:
    wrong = "the broker does not listen"
    components = ComponentStatuses({"fleet": lambda: "", "broker": lambda: wrong})
    page = components.page(Selection(KIND), 7)
    assert [obj.name for obj in page.objects] == ["api", "broker", "fleet"]
    rows = [KIND.row(orjson.loads(obj.raw), NOW) for obj in page.objects]
    assert rows[1] == ["broker", "Unhealthy", "the broker does not listen", ""]
    assert rows[2] == ["fleet", "Healthy", "ok", ""]
    wrong = ""
    assert KIND.row(orjson.loads(components.get("broker")), NOW)[1] == "Healthy"


def test_only_the_selected_are_listed_and_others_are_not_found() -> None:
    components = ComponentStatuses({"fleet": lambda: ""})
    page = components.page(Selection(KIND, field_selector="metadata.name=fleet"), 1)
    assert [obj.name for obj in page.objects] == ["fleet"]
    with pytest.raises(StatusError) as raised:
        components.get("etcd-0")
    assert raised.value.code == 404
