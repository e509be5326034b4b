"""A chart's lock lists what it can be told; what it can't be told is found in a set of values."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ops import UserError, chart_lock
from ops.chart_lock import ChartLock, from_archive, load, unknown_paths
from ops.commands import main

CHART = {
    "shop/Chart.yaml": """
        name: shop
        version: 1.2.3
        appVersion: 4.5
        kubeVersion: ">=1.25.0-0"
        dependencies: [{name: store, alias: warehouse}, {name: absent}]
        """,
    "shop/values.yaml": """
        replicas: 2
        ratio: 0.5
        name: shop
        enabled: true
        tag:
        labels: {}
        ports: [80]
        service: {http: {port: 80}}
        annotations: {app.kubernetes.io/name: shop}
        warehouse: {size: 2Gi}
        """,
    "shop/charts/store/Chart.yaml": "{name: store, version: 0.1.0}",
    "shop/charts/store/values.yaml": "{size: 1, shelves: {high: true}}",
    # Neither is a chart's values: the one would add paths that do nothing, the other isn't YAML.
    "shop/ci/values.yaml": "ci: true",
    "shop/templates/values.yaml": "{{ if .Values.enabled }}",
}


def archive(file: Path, contents: dict[str, str]) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for name, text in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return file


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return archive(tmp_path / "shop-1.2.3.tgz", CHART)


def lock(paths: dict[str, str], chart: str = "shop") -> ChartLock:
    return ChartLock(
        chart=chart,
        version="1.2.3",
        app_version=None,
        kube_version=None,
        repository=None,
        sha256=None,
        value_paths=paths,
    )


# From an archive


def test_a_lock_has_every_path_of_the_archive_with_its_kind(shop: Path) -> None:
    assert from_archive(shop).value_paths == {
        "replicas": "int",
        "ratio": "float",
        "name": "str",
        "enabled": "bool",
        "tag": "null",
        "labels": "map",
        "ports": "list",
        "service.http.port": "int",
        "annotations.app\\.kubernetes\\.io/name": "str",
        "warehouse.size": "str",
        "warehouse.shelves.high": "bool",
    }


def test_a_lock_says_which_archive_it_is_of(shop: Path) -> None:
    made = from_archive(shop, "https://charts.example")
    assert (made.chart, made.version, made.app_version) == ("shop", "1.2.3", "4.5")
    assert (made.kube_version, made.repository) == (">=1.25.0-0", "https://charts.example")
    assert made.sha256 == hashlib.sha256(shop.read_bytes()).hexdigest()


def test_the_order_of_a_lock_is_not_that_of_the_archive(tmp_path: Path) -> None:
    about = {"shop/Chart.yaml": "{name: shop, version: 1.0.0}"}
    one = archive(tmp_path / "one.tgz", about | {"shop/values.yaml": "{a: 1, b: 2}"})
    two = archive(tmp_path / "two.tgz", about | {"shop/values.yaml": "{b: 2, a: 1}"})
    assert [line for line in from_archive(one).text().splitlines() if "sha256" not in line] == [
        line for line in from_archive(two).text().splitlines() if "sha256" not in line
    ]


def test_a_chart_without_values_has_no_paths(tmp_path: Path) -> None:
    bare = archive(tmp_path / "bare.tgz", {"bare/Chart.yaml": "{name: bare, version: 1.0.0}"})
    assert from_archive(bare).value_paths == {}


@pytest.mark.parametrize(
    ("contents", "reason"),
    [({"shop/values.yaml": "a: 1"}, "no Chart.yaml"), (None, "not a chart archive")],
)
def test_what_is_no_chart_archive_is_refused_by_name(
    tmp_path: Path, contents: dict[str, str] | None, reason: str
) -> None:
    file = tmp_path / "wrong.tgz"
    if contents is None:
        file.write_text("<html>404</html>")
    else:
        archive(file, contents)
    with pytest.raises(UserError, match=rf"wrong\.tgz: {reason}"):
        from_archive(file)


# The command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(chart_lock, "ROOT", tmp_path)
    monkeypatch.setattr(chart_lock, "LOCKS", tmp_path / "chart_values")
    (tmp_path / "chart_values").mkdir()
    return tmp_path


def test_the_command_writes_a_lock_that_reads_back_the_same(project: Path, shop: Path) -> None:
    assert main(["chart-lock", "--archive", str(shop), "--repository", "https://x.example"]) == 0
    written = load("shop", "1.2.3", project / "chart_values")
    assert written == from_archive(shop, "https://x.example")
    assert (project / "chart_values" / "shop-1.2.3.json").read_text() == written.text()


def test_a_lock_written_again_keeps_its_repository(project: Path, shop: Path) -> None:
    main(["chart-lock", "--archive", str(shop), "--repository", "https://x.example"])
    before = (project / "chart_values" / "shop-1.2.3.json").read_text()
    main(["chart-lock", "--archive", str(shop)])
    assert (project / "chart_values" / "shop-1.2.3.json").read_text() == before


def test_without_arguments_the_archives_of_the_charts_directory_are_locked(project: Path) -> None:
    (project / "charts").mkdir()
    archive(project / "charts" / "shop-1.2.3.tgz", CHART)
    assert main(["chart-lock"]) == 0
    assert load("shop", "1.2.3", project / "chart_values").chart == "shop"


def test_a_missing_lock_is_an_error_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"python -m ops chart-lock --archive charts/shop-9\.tgz"):
        load("shop", "9", tmp_path)


# What a chart doesn't know


KNOWN = {
    "replicas": "int",
    "labels": "map",
    "ports": "list",
    "tag": "null",
    "service.http.port": "int",
    "service.http.name": "str",
    "annotations.app\\.kubernetes\\.io/name": "str",
}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"replicas": 3, "service": {"http": {"port": 81}}},
        {"labels": {"anything": {"at": "all"}}},
        {"ports": [{"name": "http"}]},
        {"tag": {"anything": True}},
        {"annotations": {"app.kubernetes.io/name": "shop"}},
        {"service": None},
        {"service": {}},
    ],
)
def test_what_the_chart_names_or_leaves_open_is_known(values: dict[str, Any]) -> None:
    assert unknown_paths(values, lock(KNOWN)) == []


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"replicaCount": 3}, ["replicaCount"]),
        ({"replicas": {"min": 1}}, ["replicas"]),
        ({"service": 80}, ["service"]),
        ({"service": [80]}, ["service"]),
        # Helm takes a key with dots as one key: it is not the path it looks like.
        ({"service.http.port": 80}, ["service\\.http\\.port"]),
        ({"annotations": {"app": {"kubernetes": {"io/name": "x"}}}}, ["annotations.app"]),
        ({"annotations": {"app.name": "x"}}, ["annotations.app\\.name"]),
    ],
)
def test_what_the_chart_does_not_name_is_found(values: dict[str, Any], unknown: list[str]) -> None:
    assert unknown_paths(values, lock(KNOWN)) == unknown


def test_all_unknown_paths_are_told_at_once_the_topmost_of_each() -> None:
    values = {"service": {"http": {"prot": 81}, "https": {"a": {"b": 1}, "c": 2}}, "x": 1}
    assert unknown_paths(values, lock(KNOWN)) == ["service.http.prot", "service.https", "x"]


def test_what_the_templates_hand_on_is_known_for_that_chart_alone() -> None:
    tempo = load("tempo-distributed", "2.26.2")
    values = {"storage": {"trace": {"s3": {"bucket": "traces"}, "s4": {"bucket": "traces"}}}}
    assert unknown_paths(values, tempo) == ["storage.trace.s4"]
    as_another = lock(dict(tempo.value_paths))
    assert unknown_paths(values, as_another) == ["storage.trace.s3", "storage.trace.s4"]


@pytest.mark.parametrize("file", sorted(chart_lock.LOCKS.glob("*.json")), ids=lambda f: f.stem)
def test_a_checked_in_lock_is_as_the_command_writes_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    chart, _, version = file.stem.rpartition("-")
    checked_in = load(chart, version)
    assert (checked_in.file_name, checked_in.text()) == (file.name, text)


@pytest.mark.parametrize("chart", sorted(chart_lock.HANDED_ON))
def test_what_is_handed_on_is_not_named_by_the_chart_already(chart: str) -> None:
    locked = [lock for lock in map(_of, chart_lock.LOCKS.glob("*.json")) if lock.chart == chart]
    assert locked
    for lock in locked:
        assert [path for path in chart_lock.HANDED_ON[chart] if path in lock.value_paths] == []


def _of(file: Path) -> ChartLock:
    chart, _, version = file.stem.rpartition("-")
    return load(chart, version)
