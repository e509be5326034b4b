"""A stack as files: the same ones each time, complete, and without a secret."""

import hashlib
from pathlib import Path

import pytest
import yaml

import charts
from ops.commands import main
from ops.stack_files import STACK_FILES
from tests.unit.chart_archives import digests_of, write_archive
from tests.unit.stacks import DEV, PROD, Stacks, stacks

__all__ = ["stacks"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def without_helm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def render(out: Path, *more: str) -> int:
    return main(["render", "--stack", "prod", "--out", str(out), *more])


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("stack", ["dev", "prod", "strimzi"])
def test_two_runs_give_the_same_bytes(stack: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        arguments = ["--stack", stack, "--stack-file", str(STACK_FILES[stack])]
        assert main(["render", *arguments, "--out", str(tmp_path / name)]) == 0
    one = files(tmp_path / "one")
    assert one == files(tmp_path / "two")
    assert "tempo/releases" in "".join(one)
    for name, content in one.items():
        if name.endswith(".yaml") and content:
            yaml.safe_load(content)


def test_each_component_has_its_objects_its_releases_and_the_rest(
    stacks: Stacks, tmp_path: Path
) -> None:
    assert render(tmp_path / "out") == 0
    made = files(tmp_path / "out")
    secret = yaml.safe_load(made["store/manifests/store-access.yaml"])
    assert (secret["kind"], secret["metadata"]["namespace"]) == ("Secret", "tempo")
    chart = yaml.safe_load(made["tempo/releases/tempo-distributed/chart.yaml"])
    assert chart == {
        "release": "tempo-distributed",
        "namespace": "tempo",
        "chart": "tempo-distributed",
        "version": charts.TEMPO_DISTRIBUTED.version,
        "repository": charts.TEMPO_DISTRIBUTED.repository,
        "sha256": charts.TEMPO_DISTRIBUTED.sha256,
    }
    values = yaml.safe_load(made["tempo/releases/tempo-distributed/values.yaml"])
    assert values["compactor"]["config"]["compaction"]["block_retention"] == "336h"
    bucket = yaml.safe_load(made["store/other/store-bucket.yaml"])
    assert bucket["type"] == "minio:index/s3Bucket:S3Bucket"


def test_the_sums_are_those_of_all_files(stacks: Stacks, tmp_path: Path) -> None:
    render(tmp_path / "out")
    made = files(tmp_path / "out")
    listed = made.pop("SHA256SUMS").decode().splitlines()
    assert listed == [
        f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(made.items())
    ]


def test_secrets_are_placeholders_and_the_index_says_what_they_are(
    stacks: Stacks, tmp_path: Path
) -> None:
    stacks.write(
        prod=PROD
        + "  tracing:objectStore: {type: s3, endpoint: s3.example.com}\n"
        + "  tracing:objectStoreAccessKey: {secure: v1:hidden-one}\n"
        + "  tracing:objectStoreSecretKey: {secure: v1:hidden-two}\n"
        + "  tracing:grafana: {url: 'https://grafana'}\n"
    )
    assert render(tmp_path / "out") == 0
    made = files(tmp_path / "out")
    assert not [name for name, content in made.items() if b"hidden" in content]
    data = yaml.safe_load(made["store/manifests/store-access.yaml"])["stringData"]
    assert set(data.values()) == {"secret-objectStoreAccessKey", "secret-objectStoreSecretKey"}
    index = made["README.md"].decode()
    [row] = [line for line in index.splitlines() if line.startswith("| `secret-objectStoreAc")]
    assert "the secret `tracing:objectStoreAccessKey`: access key of an `s3` store" in row
    assert "`store/manifests/store-access.yaml`" in row
    # Grafana's credential is only the provider's, which is no resource of the platform.
    assert "secret-grafanaAuth" not in index


def test_a_generated_password_is_a_placeholder_as_well(stacks: Stacks, tmp_path: Path) -> None:
    render(tmp_path / "out")
    made = files(tmp_path / "out")
    data = yaml.safe_load(made["minio/manifests/minio-root.yaml"])["stringData"]
    assert data["MINIO_ROOT_PASSWORD"] == "generated-minio-root-password"
    index = made["README.md"].decode()
    [row] = [line for line in index.splitlines() if "`generated-minio-root-password`" in line]
    assert "that the first update makes" in row


def test_values_for_charts_of_others_are_files_too(stacks: Stacks, tmp_path: Path) -> None:
    stacks.write(prod=PROD + "  tracing:linkerd: {}\n")
    render(tmp_path / "out")
    values = yaml.safe_load(files(tmp_path / "out")["linkerd/values.yaml"])
    assert values["proxy"]["tracing"]["enabled"] is True


def test_what_an_earlier_run_wrote_and_is_no_more_goes_and_nothing_else(
    stacks: Stacks, tmp_path: Path
) -> None:
    stacks.write(prod=PROD + "  tracing:linkerd: {}\n")
    out = tmp_path / "out"
    render(out)
    (out / ".git").mkdir()
    (out / ".git/HEAD").touch()
    stacks.write(prod=PROD)
    assert render(out) == 0
    assert not (out / "linkerd").exists()
    assert (out / ".git/HEAD").exists()


def test_a_list_of_files_that_was_tampered_with_reaches_nothing_outside(
    stacks: Stacks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    render(out)
    (tmp_path / "precious").touch()
    with (out / "SHA256SUMS").open("a", encoding="utf-8") as sums:
        sums.write(f"0  ../precious\n0  {tmp_path}/precious\n")
    render(out)
    assert (tmp_path / "precious").exists()


def test_a_directory_of_other_things_is_refused(
    stacks: Stacks, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "mine").touch()
    assert render(tmp_path) == 1
    assert "holds files that are not of an earlier run" in capsys.readouterr().err


def test_without_helm_it_says_what_is_missing(
    stacks: Stacks, tmp_path: Path, capsys: Capture
) -> None:
    render(tmp_path / "out")
    assert "`helm` is not on PATH" in capsys.readouterr().out
    assert "`manifests.yaml` is missing: `helm`" in (tmp_path / "out/README.md").read_text()


def test_archives_that_only_an_update_needs_may_be_missing(stacks: Stacks, tmp_path: Path) -> None:
    stacks.write(prod=PROD + "  tracing:charts: {directory: not-here}\n")
    assert render(tmp_path / "out") == 0
    chart = files(tmp_path / "out")["tempo/releases/tempo-distributed/chart.yaml"]
    assert yaml.safe_load(chart)["chart"] == "tempo-distributed"


def test_another_archive_than_the_pinned_one_is_not_rendered(
    stacks: Stacks, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/helm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/helm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    actual = write_archive(tmp_path / "charts", charts.TEMPO_DISTRIBUTED)
    assert render(tmp_path / "out", "--charts", str(tmp_path / "charts")) == 1
    said = capsys.readouterr().err
    assert actual in said
    assert str(charts.TEMPO_DISTRIBUTED.sha256) in said
    # Where the site says that it is its own, it is helm's turn, which is a failing one here.
    own = digests_of(tmp_path / "charts", charts.TEMPO_DISTRIBUTED)
    stacks.write(prod=PROD + own)
    assert render(tmp_path / "out", "--charts", str(tmp_path / "charts")) == 1
    assert "helm can't render tempo-distributed" in capsys.readouterr().err


def test_a_stack_file_with_mistakes_is_refused(
    stacks: Stacks, tmp_path: Path, capsys: Capture
) -> None:
    stacks.write(prod=DEV + "  tracing:tempoo: {}\n")
    assert render(tmp_path / "out") == 1
    assert "tracing:tempoo: is not a known key" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
