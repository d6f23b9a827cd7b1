"""The Tiltfile runs in a real Starlark, and everything that it names is there.

Tilt itself cannot run here: it is a program with a web page, for a cluster with a container engine. Its functions are stood in for by ones
with the parameters that Tilt documents, which note how they are called. So this proves that the file is valid, that no function gets a
parameter which it does not have, and that folders, build targets, images, objects and changed actors fit; not what Tilt does with them.
"""

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import starlark

from asya_schemas.actor.validate import validate
from tests.support.console import ROOT
from tests.support.manifests import as_yaml, objects, tree, whole

JSON = dict[str, Any]
FROM_OUTSIDE = {"rabbitmq:4.1-management"}


class Tilt:
    """What a Tiltfile may call, and how it was called. Paths are those of a copy in `folder`."""

    def __init__(self, folder: Path, examples: list[str] | None = None) -> None:
        self.folder = folder
        self.examples = examples
        self.calls: dict[str, list[JSON]] = {}

    def run(self) -> None:
        """Execute the Tiltfile.

        Raises:
            starlark.StarlarkError: it is not valid, or a function was called as it may not be.
        """
        library = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
        module = starlark.Module()
        for name, function in {**self._noted(), **self._answering()}.items():
            module.add_callable(name, function)
        dialect = starlark.Dialect.extended()
        prelude = (
            "config = struct(define_string_list = define_string_list, parse = parse)\n"
            "os = struct(getenv = getenv, path = struct(exists = exists))\n"
        )
        starlark.eval(module, starlark.parse("prelude", prelude, dialect=dialect), library)
        file = starlark.parse("Tiltfile", (ROOT / "Tiltfile").read_text(), dialect=dialect)
        starlark.eval(module, file, library, starlark.FileLoader(self._extension))

    def _extension(self, name: str) -> starlark.FrozenModule:
        assert name == "ext://restart_process"
        module = starlark.Module()
        module.add_callable("docker_build_with_restart", self._note("docker_build_with_restart", with_restart))
        return module.freeze()

    def _note(self, name: str, documented: Callable[..., None]) -> Callable[..., JSON]:
        signature = inspect.signature(documented)

        def called(*arguments: Any, **named: Any) -> JSON:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            found = {"is": name, **bound.arguments}
            found.update(found.pop("kwargs", {}))
            self.calls.setdefault(name, []).append(found)
            return found

        return called

    def _noted(self) -> dict[str, Callable[..., Any]]:
        return {function.__name__: self._note(function.__name__, function) for function in DOCUMENTED}

    def _answering(self) -> dict[str, Callable[..., Any]]:
        def define_string_list(name: str, args: bool = False) -> None:
            assert name == "examples"
            assert args

        def local(command: str) -> str:
            raise AssertionError(f"the copy has everything: {command}")

        return {
            "define_string_list": define_string_list,
            "parse": lambda: {"examples": self.examples} if self.examples else {},
            "getenv": lambda _name, default=None: default,
            "exists": lambda path: (self.folder / path).exists(),
            "local": local,
            "kustomize": lambda path: whole(self.folder / path),
            "decode_yaml_stream": objects,
            "encode_yaml_stream": lambda documents: as_yaml(*documents),
            "read_yaml_stream": lambda path: objects(Path(path).read_text()),
            "listdir": lambda path: sorted(str(found) for found in (self.folder / path).iterdir()),
        }

    def of(self, *names: str) -> list[JSON]:
        """The calls of these functions."""
        return [call for name in names for call in self.calls.get(name, [])]

    def applied(self) -> list[JSON]:
        """Every object that was given to Tilt."""
        return [found for call in self.of("k8s_yaml") for found in objects(call["yaml"])]


# The parameters as Tilt's API reference has them.
def docker_build(
    ref: Any, context: Any, build_args: Any = None, dockerfile: Any = "Dockerfile", dockerfile_contents: Any = "",
    live_update: Any = (), match_in_env_vars: bool = False, ignore: Any = (), only: Any = (), entrypoint: Any = (), target: str = "",
    ssh: Any = "", network: str = "", secret: Any = "", extra_tag: Any = "", container_args: Any = None, cache_from: Any = (),
    pull: bool = False, platform: str = "", extra_hosts: Any = (),
) -> None: ...  # fmt: skip
def with_restart(
    ref: Any, context: Any, entrypoint: Any, live_update: Any, base_suffix: str = "", restart_file: str = "", trigger: Any = (),
    **kwargs: Any,
) -> None: ...  # fmt: skip
def fall_back_on(files: Any) -> None: ...
def sync(local_path: str, remote_path: str) -> None: ...
def run(cmd: Any, trigger: Any = (), echo_off: bool = False) -> None: ...
def k8s_yaml(yaml: Any, allow_duplicates: bool = False) -> None: ...
def k8s_kind(
    kind: str, api_version: Any = None, *, image_json_path: Any = (), image_object_json_path: Any = None, pod_readiness: str = ""
) -> None: ...  # fmt: skip
def k8s_resource(
    workload: str = "", new_name: str = "", port_forwards: Any = (), extra_pod_selectors: Any = (), trigger_mode: Any = None,
    resource_deps: Any = (), objects: Any = (), auto_init: bool = True, pod_readiness: str = "", links: Any = (), labels: Any = (),
    discovery_strategy: str = "",
) -> None: ...  # fmt: skip
def link(url: str, name: Any = None) -> None: ...
def port_forward(
    local_port: int, container_port: Any = None, name: Any = None, link_path: Any = None, host: Any = None
) -> None: ...  # fmt: skip


DOCUMENTED = (docker_build, fall_back_on, sync, run, k8s_yaml, k8s_kind, k8s_resource, link, port_forward)
EVERY_EXAMPLE = sorted(path.name for path in (ROOT / "gitops" / "examples").iterdir())


@pytest.fixture(scope="module")
def tilt(tmp_path_factory: pytest.TempPathFactory) -> Tilt:
    folder = tree(tmp_path_factory.mktemp("tilt"))
    for name in ("gitops", "controller", "schemas/asya_schemas", "transport", "runtime", "sidecar", "crew", "cli"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    for name in ("Dockerfile", "pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        (folder / name).symlink_to(ROOT / name)
    found = Tilt(folder, EVERY_EXAMPLE)
    found.run()
    return found


def test_hello_is_what_starts_without_a_choice(tilt: Tilt) -> None:
    found = Tilt(tilt.folder)
    found.run()
    names = {item["metadata"]["name"] for item in found.applied() if item["kind"] == "AsyncActor"}
    assert names == {"hello", "x-sink", "x-sump"}


def test_a_parameter_that_tilt_does_not_have_is_noticed(tilt: Tilt) -> None:
    called = Tilt(tilt.folder)._noted()["sync"]
    with pytest.raises(TypeError):
        called("a", "b", "c")


def test_every_build_has_its_folder_its_target_and_its_files(tilt: Tilt) -> None:
    targets = {line.split()[-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM ")}
    builds = tilt.of("docker_build", "docker_build_with_restart")
    assert len(builds) == 3 + len(EVERY_EXAMPLE)
    for build in builds:
        context = tilt.folder / build["context"]
        assert context.is_dir()
        assert not build.get("target") or build["target"] in targets
        assert all((context / name).exists() for name in build.get("only") or ()), build
        for step in build["live_update"]:
            if step["is"] == "sync":
                assert (tilt.folder / step["local_path"]).exists(), step
                assert os.path.isabs(step["remote_path"])  # noqa: PTH117 - of a container


def test_every_image_is_built_here_or_known(tilt: Tilt) -> None:
    built = {
        build["ref"].rpartition(":")[0] or build["ref"]
        for build in tilt.of("docker_build", "docker_build_with_restart")
    }
    text = json.dumps(tilt.applied())
    used = {
        container["image"]
        for item in tilt.applied()
        if (
            template := (item.get("spec") or {}).get("template")
            or item.get("spec", {}).get("workload", {}).get("template")
        )
        for container in template["spec"]["containers"]
    }
    for image in used - FROM_OUTSIDE:
        assert (image.rpartition(":")[0] or image) in built, image
    assert '{"name": "ASYA_SIDECAR_IMAGE", "value": "asya-sidecar"}' in text


def test_every_resource_is_an_object_that_was_given_and_every_actor_is_a_resource_with_links(tilt: Tilt) -> None:
    given = {item["metadata"]["name"] for item in tilt.applied()}
    resources = {call["workload"]: call for call in tilt.of("k8s_resource")}
    assert set(resources) <= given
    assert {name for call in resources.values() for name in call["resource_deps"]} <= set(resources)
    for item in tilt.applied():
        if item["kind"] == "AsyncActor":
            name = item["metadata"]["name"]
            assert resources[name]["extra_pod_selectors"] == [{"asya.sh/actor": name}]
            assert [entry["name"] for entry in resources[name]["links"]] == ["queue", "dead letters"]


def test_the_changed_actors_are_still_valid(tilt: Tilt) -> None:
    actors = [item for item in tilt.applied() if item["kind"] == "AsyncActor"]
    assert len(actors) > len(EVERY_EXAMPLE)
    for actor in actors:
        assert validate(actor) == []
