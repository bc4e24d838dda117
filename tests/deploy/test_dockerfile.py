"""The Dockerfile, held to the repository: no image is built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from typing import Any

from tocsin.kernels.common import cache

from .compose import ROOT, mounts, seconds


class TestDockerfile:
    text = (ROOT / "Dockerfile").read_text()

    def instructions(self) -> list[tuple[str, str]]:
        """Those of the last stage."""
        joined = re.sub(r"\\\n(\s*#.*\n)*", " ", self.text)
        lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
        split = [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]
        last = max(i for i, (name, _) in enumerate(split) if name == "FROM")
        return split[last:]

    def test_it_has_two_stages_of_one_pinned_base(self) -> None:
        bases = re.findall(r"^FROM (\S+)", self.text, re.MULTILINE)
        assert len(bases) == 2
        assert set(bases) == {"python:3.11-slim-bookworm"}

    def test_it_does_not_run_as_root(self) -> None:
        users = [value for name, value in self.instructions() if name == "USER"]
        assert users
        assert users[-1] not in ("root", "0")

    def test_it_has_a_healthcheck_and_an_entrypoint(self) -> None:
        found = dict(self.instructions())
        assert '"/opt/healthcheck.py"' in found["HEALTHCHECK"]
        assert json.loads(found["ENTRYPOINT"]) == ["tocsin"]

    def test_what_it_copies_exists_and_is_not_ignored(self) -> None:
        kept = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
        copied: set[str] = set()
        for line in re.findall(r"^COPY (?!--from)(.*)$", self.text, re.MULTILINE):
            copied |= {source.rstrip("/") for source in line.split()[:-1]}
        assert all((ROOT / source).exists() for source in copied)
        assert copied == kept

    def test_it_copies_every_package(self) -> None:
        folders = {"tocsin", *(link.name for link in (ROOT / "tocsin").iterdir() if link.is_symlink())}
        assert len(folders) == 6
        assert {f"COPY {folder}/ {folder}/" for folder in folders} <= set(self.text.splitlines())

    def test_the_requirements_that_it_prints_are_those_of_the_project(self) -> None:
        script = re.search(r'python -c "(import sys, tomllib;.*?)" "\$EXTRAS"', self.text, re.DOTALL)
        assert script is not None
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extras in ("", "gpu", "gpu,embedded"):
            code = script[1].replace("\\\n", "")
            printed = subprocess.run([sys.executable, "-c", code, extras], cwd=ROOT, capture_output=True, text=True)
            wanted = [need for extra in extras.split(",") if extra for need in project["optional-dependencies"][extra]]
            assert printed.stdout.splitlines() == [*project["dependencies"], *wanted], printed.stderr

    def test_compiled_kernels_outlive_a_container(self, services: dict[str, Any]) -> None:
        (folder,) = re.findall(rf"{cache.VARIABLE}=(\S+)", self.text)
        # numba's own variable would name a folder for all releases, whose kernels are then mixed up.
        assert "NUMBA_CACHE_DIR" not in self.text
        assert folder in dict(self.instructions())["VOLUME"].split()
        assert re.search(rf"install --directory --owner=tocsin --group=tocsin\b.* {folder}\b", self.text)
        assert any(source == "tocsin-cache" and target == folder for source, target, _ in mounts(services["tocsin"]))
        assert not any(mount.startswith(folder) for mount in services["tocsin"]["tmpfs"])

    def test_the_first_start_may_compile_for_longer_than_it_takes(self) -> None:
        (period,) = re.findall(r"--start-period=(\w+)", dict(self.instructions())["HEALTHCHECK"])
        assert seconds(period) >= 300

    def test_triton_finds_a_compiler_and_a_folder_of_its_own_where_the_image_is_for_a_gpu(self) -> None:
        [needed] = [value for name, value in self.instructions() if name == "RUN" and "gcc" in value]
        for extras, installs in (("", False), ("gpu", True), ("embedded,gpu", True), ("gpux", False)):
            shell = needed.replace("apt-get update", "true").replace("apt-get install", "echo install")
            code = shell.replace("rm -rf /var/lib/apt/lists/*", "true")
            done = subprocess.run(
                ["sh", "-c", code], env={"EXTRAS": extras, "PATH": "/bin:/usr/bin"}, capture_output=True
            )
            assert done.returncode == 0, done.stderr
            assert (b"gcc libc6-dev" in done.stdout) is installs
        (folder,) = re.findall(r"TRITON_CACHE_DIR=(\S+)", self.text)
        assert folder.startswith("/var/cache/tocsin/")
