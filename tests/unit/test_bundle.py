"""One archive for a site without internet: complete, checked, and the same bytes each time."""

import hashlib
import tarfile
from pathlib import Path

import pytest
import yaml

import charts
from ops import bundle
from ops.commands import main
from ops.plugins import plugins
from tests.unit.chart_archives import digests_of, write_archive
from tests.unit.stacks import DEV, PROD, Stacks, stacks

__all__ = ["stacks"]

Capture = pytest.CaptureFixture[str]
USED = (charts.TEMPO_DISTRIBUTED, charts.OPENTELEMETRY_COLLECTOR)


@pytest.fixture(autouse=True)
def without_helm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.fixture
def site(stacks: Stacks, tmp_path: Path) -> Path:
    """A directory of archives that both stacks accept."""
    directory = tmp_path / "archives"
    digests = digests_of(directory, *USED)
    stacks.write(dev=DEV + digests, prod=PROD + digests)
    return directory


def packed(out: Path, site: Path, *more: str) -> int:
    arguments = ["--stack", "prod", "--charts", str(site), "--out", str(out)]
    return main(["bundle", *arguments, *more])


def content(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_two_runs_give_the_same_bytes(site: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert packed(tmp_path / name, site) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_it_holds_the_program_the_charts_and_a_stack_file_that_names_them(
    site: Path, tmp_path: Path
) -> None:
    assert packed(tmp_path / "out", site) == 0
    made = content(tmp_path / "out")
    assert all(name.startswith("tracing-bundle/") for name in made)
    program = {
        name.removeprefix("tracing-bundle/program/"): text
        for name, text in made.items()
        if name.startswith("tracing-bundle/program/")
    }
    assert {"__main__.py", "Pulumi.yaml", "requirements.txt", "config/load.py"} <= set(program)
    text = program["Pulumi.prod.yaml"].decode()
    source = yaml.safe_load(text)["config"]["tracing:charts"]
    assert source["directory"] == "charts"
    for chart in USED:
        archive = program[f"charts/{chart.archive_name}"]
        assert source["digests"][chart.archive_name] == hashlib.sha256(archive).hexdigest()
    # The rest of the file is as it was, encrypted values and comments too.
    assert text.startswith(PROD)
    assert "tracing-bundle/rendered/prod/README.md" in made


def test_the_sums_are_those_of_all_files(site: Path, tmp_path: Path) -> None:
    packed(tmp_path / "out", site)
    made = {name.partition("/")[2]: data for name, data in content(tmp_path / "out").items()}
    listed = made.pop("SHA256SUMS").decode().splitlines()
    sums = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(made.items())]
    assert listed == sums


def test_several_stacks_share_the_program_and_the_charts(site: Path, tmp_path: Path) -> None:
    assert packed(tmp_path / "out", site, "--stack", "dev") == 0
    made = content(tmp_path / "out")
    for stack in ("dev", "prod"):
        assert f"tracing-bundle/program/Pulumi.{stack}.yaml" in made
        assert f"tracing-bundle/rendered/{stack}/SHA256SUMS" not in made
        assert f"tracing-bundle/rendered/{stack}/README.md" in made


def test_a_missing_archive_refuses_unless_that_is_wanted(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    (site / USED[0].archive_name).unlink()
    assert packed(tmp_path / "out", site) == 1
    said = capsys.readouterr().err
    assert f"{USED[0].archive_name}: not at hand" in said
    assert "--incomplete" in said
    assert not (tmp_path / "out").exists()
    assert packed(tmp_path / "out", site, "--incomplete") == 0
    page = content(tmp_path / "out")["tracing-bundle/README.md"].decode()
    assert "**Incomplete.** Put these archives into `program/charts/`" in page
    assert USED[0].archive_name in page


def test_an_archive_whose_digest_nobody_wrote_down_refuses_with_it(
    site: Path, stacks: Stacks, tmp_path: Path, capsys: Capture
) -> None:
    digest = write_archive(site, charts.TRAEFIK)
    stacks.write(prod=stacks.text("prod") + "  tracing:traefik: {routeNamespaces: [shop]}\n")
    assert packed(tmp_path / "out", site) == 1
    said = capsys.readouterr().err
    assert f"{charts.TRAEFIK.archive_name}: {digest}" in said
    assert "tracing:charts.digests in Pulumi.prod.yaml" in said


def test_another_archive_than_the_accepted_one_refuses(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    (site / USED[0].archive_name).write_bytes(b"another")
    assert packed(tmp_path / "out", site) == 1
    assert "SHA-256 is" in capsys.readouterr().err


def test_wheels_that_are_not_in_the_lock_refuse(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    assert packed(tmp_path / "out", site, "--wheels", str(wheels)) == 1
    assert "--wheels: there is no *" in capsys.readouterr().err
    (wheels / "evil-1.0-py3-none-any.whl").touch()
    assert packed(tmp_path / "out", site, "--wheels", str(wheels)) == 1
    assert "not in requirements.txt: evil-1.0" in capsys.readouterr().err


def test_wheels_that_are_not_all_refuse(
    site: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "a-1.0-py3-none-any.whl").write_bytes(b"")
    empty = hashlib.sha256(b"").hexdigest()
    (tmp_path / "requirements.txt").write_text(
        f"a==1.0 --hash=sha256:{empty}\nb==1.0 --hash=sha256:{empty}\n"
    )
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    assert packed(tmp_path / "out", site, "--wheels", str(wheels)) == 1
    assert "does not hold all of requirements.txt" in capsys.readouterr().err


def test_plugins_are_packed_if_there_is_one_of_each(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    directory = tmp_path / "plugins"
    directory.mkdir()
    needed = plugins({"kubernetes", "minio", "random"})
    assert [plugin.name for plugin in needed] == ["kubernetes", "minio", "random"]
    for plugin in needed:
        assert packed(tmp_path / "out", site, "--plugins", str(directory)) == 1
        assert plugin.archive_pattern in capsys.readouterr().err
        (directory / plugin.archive_pattern.replace("*", "linux-amd64")).touch()
    (directory / "pulumi-resource-minio-v0.0.1-linux-amd64.tar.gz").touch()
    assert packed(tmp_path / "out", site, "--plugins", str(directory)) == 0
    made = [name for name in content(tmp_path / "out") if "/plugins/" in name]
    assert len(made) == len(needed)


def test_the_versions_of_the_plugins_are_those_that_the_lock_has() -> None:
    locked = (bundle.ROOT / "requirements.txt").read_text(encoding="utf-8")
    for plugin in plugins({"kubernetes", "minio", "random", "grafana"}):
        package = "pulumiverse-grafana" if plugin.name == "grafana" else f"pulumi-{plugin.name}"
        assert f"\n{package}=={plugin.version} " in locked


def test_an_authority_that_a_stack_names_comes_along(
    site: Path, stacks: Stacks, tmp_path: Path
) -> None:
    file = "examples/private-ca/ca.pem"
    stacks.write(
        prod=stacks.text("prod")
        + f"  tracing:objectStore: {{type: external-minio, endpoint: 'm:9000', caFile: {file}}}\n"
    )
    assert packed(tmp_path / "out", site) == 0
    found = content(tmp_path / "out")[f"tracing-bundle/program/{file}"]
    assert found == (bundle.ROOT / file).read_bytes()


def test_a_directory_that_is_not_there_is_refused(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert packed(tmp_path / "no/where", site) == 1
    assert "make it first" in capsys.readouterr().err
    assert packed(tmp_path / "out", tmp_path / "nothing") == 1
    assert "--charts: there is no directory" in capsys.readouterr().err


def test_images_that_are_not_known_are_said_with_the_way_to_find_them(
    site: Path, stacks: Stacks, tmp_path: Path, capsys: Capture
) -> None:
    assert packed(tmp_path / "out", site) == 0
    assert "without the images" not in capsys.readouterr().out
    made = content(tmp_path / "out")
    assert "lacks the images" not in made["tracing-bundle/README.md"].decode()
    listed = made["tracing-bundle/images.txt"].decode().splitlines()
    assert "docker.io/grafana/tempo:2.10.7" in listed

    cluster = "{context: prod, existingNamespaces: [harness]}"
    stacks.write(
        prod=stacks.text("prod").replace("{context: prod}", cluster)
        + "  tracing:harness: {install: release}\n"
    )
    assert packed(tmp_path / "out", site, "--incomplete") == 0
    said = "harness-release: helm template harness --repo"
    assert f"without the images of {said}" in capsys.readouterr().out
    page = content(tmp_path / "out")["tracing-bundle/README.md"].decode()
    assert f"- {said.replace(': ', ': `')}" in page
