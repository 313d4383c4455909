"""What computes a network: when OpenVINO is tried, what is remembered, and what becomes of its failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fixtures.models import spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Device, Predictor, engine, make_engines
from MedDLCore.inference.backends import Exported, OpenVINOBackend, TorchBackend
from MedDLCore.inference.engine import Engine, Wanted
from MedDLCore.inference.records import Record, Records, Speed
from MedDLCore.spec import Channel, Inference, Output

SHAPE = (1, 8, 8, 8)
CPU = Device("cpu", "a CPU", 10**12)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv3d(1, 3, 3, padding=1).eval()


def patches(count: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


class Clocked:
    """An engine whose backends are logged, and take the seconds that are given here."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path | None, backend: Wanted = "auto", **seconds: float
    ) -> None:
        self.log: list[str] = []
        self.net = network()
        exported = Exported(self.net, SHAPE, folder)
        self.engine = Engine(self.net, backend, exported=exported, records=Records(folder, "here"))
        by = self.engine._by

        def logged(backend: Any, images: Tensor) -> Tensor:
            self.log.append(backend.name)
            logits = by(backend, images)
            self.engine._seconds[backend.name][-len(images) :] = [seconds.get(backend.name, 1.0)] * len(images)
            return logits

        monkeypatch.setattr(self.engine, "_by", logged)

    def run(self, count: int) -> list[Tensor]:
        """A run over so many patches, each of which must have the right logits."""
        self.log.clear()
        predictor = Predictor([self.engine], 3, patches=count)
        found = []
        with predictor:
            for n in range(count):
                images = patches(seed=n)
                found.append(predictor(images))
                assert torch.allclose(found[-1], TorchBackend(self.net)(images), atol=1e-5)
        self.codes = [notice.code for notice in predictor.notices]
        self.backends = predictor.backends
        return found


T, OV = "torch", "openvino"


def test_both_are_timed_on_the_patches_at_hand_and_only_one_patch_is_computed_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = Clocked(monkeypatch, tmp_path, torch=10.0, openvino=4.0)
    one.run(6)
    assert one.log == [T, T, OV, OV, OV, OV, OV]
    assert one.backends == {T, OV}
    assert Records(tmp_path, "here").read().choice == OV
    one.run(2)  # of a model that is kept
    assert (one.log, one.backends) == ([OV, OV], {OV})


def test_torch_stays_where_it_is_the_faster_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = Clocked(monkeypatch, tmp_path, torch=10.0, openvino=11.0)
    one.run(6)
    assert one.log == [T, T, OV, OV, T, T, T]
    again = Clocked(monkeypatch, tmp_path, torch=10.0)
    again.run(6)
    assert (again.log, again.codes) == ([T] * 6, [])


def test_what_was_chosen_is_remembered_and_gives_the_same_logits_every_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Clocked(monkeypatch, tmp_path, torch=10.0, openvino=4.0).run(4)
    runs = [Clocked(monkeypatch, tmp_path) for _ in range(2)]
    results = [one.run(3) for one in runs]
    assert [one.log for one in runs] == [[OV] * 3] * 2
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(("seconds", "count", "tried"), [(1.0, 25, False), (1.0, 26, True), (20.0, 2, True)])
def test_an_export_is_made_only_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, count: int, tried: bool
) -> None:
    one = Clocked(monkeypatch, tmp_path, torch=seconds)
    one.run(count)
    assert (OV in one.log) is tried


def test_runs_that_are_too_short_for_an_export_pay_for_one_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = []
    for _ in range(4):
        one = Clocked(monkeypatch, tmp_path, torch=1.0, openvino=0.5)
        one.run(10)
        tried.append(OV in one.log)
    assert tried == [False, False, True, True]


def test_an_export_that_is_there_is_tried_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = Clocked(monkeypatch, tmp_path, OV, openvino=0.5)
    asked.run(1)
    assert (asked.log, asked.backends) == ([T, OV], {OV})  # the first patch is compared
    asked.run(1)
    assert asked.log == [OV]
    short = Clocked(monkeypatch, tmp_path, torch=1.0, openvino=0.5)
    short.run(4)
    assert short.log == [OV, OV, OV, OV]  # torch was timed by the comparison


def test_where_nothing_is_kept_each_run_chooses_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        one = Clocked(monkeypatch, None, torch=10.0, openvino=4.0)
        one.run(4)
        assert one.log == [T, T, OV, OV, OV]


SPEED = '{{"place": "here", "choice": "openvino", "speeds": [{{"backend": "torch", {}}}]}}'
DAMAGED = ["", "{", "[]", "[" * 100_000, '{"place": "here"}', '{"place": "there", "choice": "openvino"}']
IMPOSSIBLE = [
    SPEED.format(measured)
    for measured in (
        '"seconds": 1.0, "voxels": 0, "passes": 1',
        '"seconds": NaN, "voxels": 8, "passes": 1',
        '"seconds": 1e999, "voxels": 8, "passes": 1',
        '"seconds": 1.0, "voxels": 8, "passes": 0',
    )
]


@pytest.mark.parametrize("text", [*DAMAGED, *IMPOSSIBLE])
def test_a_record_that_is_damaged_or_of_another_machine_says_nothing(tmp_path: Path, text: str) -> None:
    records = Records(tmp_path, "here")
    records.write(Record("here", (Speed("torch", 1.0, 8, 2),), True, "openvino"))
    assert records.read().choice == "openvino"
    (path,) = tmp_path.glob("*.json")
    path.write_text(text)
    assert records.read() == Record("here")


def test_a_record_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Records(tmp_path / "file" / "folder", "here").write(Record("here"))


def fails(*_: Any) -> None:
    raise RuntimeError("Exception from somewhere:\nstd::bad_alloc")


WHERE: dict[str, tuple[object, str]] = {
    "exporting": (Exported, "open"),
    "compiling": (OpenVINOBackend, "__init__"),
    "giving memory": (OpenVINOBackend, "_shared"),
    "computing": (OpenVINOBackend, "__call__"),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("wanted", ["auto", OV])
def test_torch_goes_on_where_openvino_runs_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, wanted: Wanted
) -> None:
    monkeypatch.setattr(*WHERE[where], fails)
    one = Clocked(monkeypatch, tmp_path, wanted, torch=100.0)
    one.run(3)
    assert (one.backends, one.codes) == ({T}, [Code.STEPPED_DOWN])
    assert "bad_alloc" in one.engine.notices[0].message
    assert one.log.count(T) == 3  # none is computed twice
    assert Records(tmp_path, "here").read().choice is None  # the next run may have the memory
    one.run(1)
    assert one.codes == ([Code.STEPPED_DOWN] if wanted == OV else [])


def test_torch_goes_on_where_openvino_fails_in_the_middle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = Clocked(monkeypatch, tmp_path, OV)
    original, calls = OpenVINOBackend.__call__, iter([True, True])

    def fails_late(self: OpenVINOBackend, images: Tensor) -> Tensor:
        return original(self, images) if next(calls, False) else fails()  # type: ignore[return-value]

    monkeypatch.setattr(OpenVINOBackend, "__call__", fails_late)
    one.run(4)
    assert one.log == [T, OV, OV, OV, T, T]
    assert (one.backends, one.codes) == ({T, OV}, [Code.STEPPED_DOWN])


def test_errors_of_torch_are_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = Clocked(monkeypatch, tmp_path, OV)
    monkeypatch.setattr(one.net, "forward", fails)
    with pytest.raises(RuntimeError, match="bad_alloc"):
        one.engine(patches())


@pytest.mark.parametrize(
    "change", [lambda logits: logits + 1, lambda logits: -logits, lambda logits: logits * torch.nan]
)
def test_what_differs_from_torch_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[Tensor], Tensor]
) -> None:
    original = OpenVINOBackend.__call__
    monkeypatch.setattr(OpenVINOBackend, "__call__", lambda self, images: change(original(self, images)))
    one = Clocked(monkeypatch, tmp_path, torch=100.0)
    one.run(3)
    assert (one.log, one.backends, one.codes) == ([T, T, OV, T], {T}, [Code.STEPPED_DOWN])
    later = Clocked(monkeypatch, tmp_path, torch=100.0)
    later.run(3)
    assert (later.log, later.codes) == ([T, T, T], [])


def test_logits_that_cease_to_be_finite_are_computed_by_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Clocked(monkeypatch, tmp_path, OV).run(1)
    original = OpenVINOBackend.__call__
    monkeypatch.setattr(OpenVINOBackend, "__call__", lambda self, images: original(self, images) / 0)
    one = Clocked(monkeypatch, tmp_path, OV)
    one.run(2)
    assert (one.log, one.codes) == ([OV, T, T], [Code.STEPPED_DOWN])


def test_a_network_that_cannot_be_exported_is_tried_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Undecided(nn.Conv3d):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.bessel_j1(super().forward(x))

    monkeypatch.setattr(engine, "COST", 0.0)
    for codes in ([Code.STEPPED_DOWN], []):
        net = Undecided(1, 3, 3, padding=1).eval()
        one = Engine(net, "auto", exported=Exported(net, SHAPE, tmp_path), records=Records(tmp_path, "here"))
        predictor = Predictor([one], 3, patches=3)
        for n in range(3):
            predictor(patches(seed=n))
        assert (predictor.backends, [notice.code for notice in predictor.notices]) == ({T}, codes)


def test_an_ensemble_has_the_mean_of_its_networks_by_openvino_too(tmp_path: Path) -> None:
    nets = [network(), nn.Conv3d(1, 3, 1).eval()]
    engines = [
        Engine(net, OV, exported=Exported(net, SHAPE, tmp_path / str(n)), records=Records(tmp_path / str(n), "here"))
        for n, net in enumerate(nets)
    ]
    by_torch, by_openvino = Predictor(nets, 3, "cpu", (0, 2)), Predictor(engines, 3, "cpu", (0, 2))
    for seed in range(2):
        expected, found = by_torch(patches(2, seed)), by_openvino(patches(2, seed))
        assert float((expected - found).abs().max()) < 1e-5
    assert by_openvino.backends == {OV}


def made(wanted: Wanted, device: Device = CPU, folders: Sequence[Path | None] | None = None, **changes: Any) -> Engine:
    inference = Inference(patch=(8, 8, 8))
    (one,) = make_engines([network()], spec(**{"inference": inference, **changes}), device, wanted, folders=folders)
    return one


def test_without_openvino_auto_is_torch_and_asking_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("MedDLCore.inference.engines.openvino_version", lambda: None)
    monkeypatch.setattr(engine, "COST", 0.0)
    monkeypatch.setattr("MedDLCore.inference.backends.exported.export", fails)
    predictor = Predictor([made("auto")], 3, patches=1000)
    for n in range(3):
        predictor(patches(seed=n))
    assert (predictor.backends, predictor.notices) == ({T}, [])
    with pytest.raises(MedDLError) as refusal:
        made(OV)
    assert refusal.value.code is Code.EXTRA_MISSING
    assert "meddl[openvino]" in refusal.value.hint


def test_openvino_is_refused_for_a_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MedDLError) as refusal:
        made(OV, Device("cuda:0", "a card", 1))
    assert refusal.value.code is Code.DEVICE_MISSING


def test_a_backend_that_nobody_knows_is_refused() -> None:
    with pytest.raises(MedDLError) as refusal:
        made("tpu")  # type: ignore[arg-type]
    assert refusal.value.code is Code.DEVICE_MISSING


def test_a_model_that_takes_a_scan_at_once_is_computed_by_torch_with_a_notice() -> None:
    predictor = Predictor([made(OV, inference=Inference())], 3)
    predictor(patches())
    assert (predictor.backends, [notice.code for notice in predictor.notices]) == ({T}, [Code.STEPPED_DOWN])


def test_labels_are_compared_as_the_model_decides_them(tmp_path: Path) -> None:
    assert made("auto")._cut is None
    assert made("auto", output=Output(activation="sigmoid"))._cut == 0
    assert made("auto", output=Output(activation="sigmoid", threshold=0.9))._cut == pytest.approx(2.197, abs=1e-3)


def test_times_are_those_of_this_machine_and_this_patch(tmp_path: Path) -> None:
    one = made(T, folders=[tmp_path])
    with Predictor([one], 3) as predictor:
        predictor(patches(2))
    assert one.seconds_per_voxel is not None
    assert made("auto", folders=[tmp_path]).seconds_per_voxel == one.seconds_per_voxel
    assert made(OV, folders=[tmp_path]).seconds_per_voxel is None  # not of this backend
    other = Device("cpu", "another CPU", 10**12)
    assert made(T, other, [tmp_path]).seconds_per_voxel is None
    larger = {"inference": Inference(patch=(16, 8, 8)), "channels": (Channel("image", "CT"),)}
    assert made(T, CPU, [tmp_path], **larger).seconds_per_voxel is None
