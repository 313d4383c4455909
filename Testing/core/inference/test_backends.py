"""Networks computed by OpenVINO: the same logits as torch's, exported once, kept whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from MedDLCore.inference.backends import Exported, NotExportedError, TorchBackend, disagreement, exported
from MedDLCore.inference.backends.agreement import LEAST_AGREEMENT
from MedDLCore.models.networks import build_network, for_volumes
from MedDLCore.spec import Network

SHAPE = (1, 16, 16, 16)


def small() -> nn.Module:
    """A network with what is common: strides, instance normalisation, a transposed convolution."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, stride=2, padding=1),
        nn.InstanceNorm3d(8, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
        nn.ConvTranspose3d(8, 8, 2, stride=2),
        nn.GroupNorm(4, 8),
        nn.Conv3d(8, 3, 1),
    ).eval()


def patches(shape: tuple[int, ...] = SHAPE, count: int = 1) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1)) + 1


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "layers": (small, SHAPE),
    "residual": (
        lambda: build_network(
            Network(
                "UNet",
                {"spatial_dims": 3, "in_channels": 2, "out_channels": 3, "channels": [8, 16], "strides": [2]}
                | {"num_res_units": 2},
            )
        ),
        (2, 16, 24, 16),
    ),
    "group normalised": (
        lambda: build_network(
            Network("SegResNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_filters": 8})
        ),
        SHAPE,
    ),
    "of slices": (
        lambda: for_volumes(
            build_network(
                Network(
                    "UNet",
                    {"spatial_dims": 2, "in_channels": 1, "out_channels": 3, "channels": [8, 16], "strides": [2]},
                )
            ),
            (1, 32, 32),
        ),
        (1, 1, 32, 32),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_gives_the_logits_that_torch_gives(name: str) -> None:
    make, shape = NETWORKS[name]
    network, images = make().eval(), patches(shape, 2)
    expected, found = TorchBackend(network)(images), Exported(network, shape, None).open()(images)
    assert found.dtype == torch.float32
    assert float((expected - found).abs().max()) < 2e-5 * float(expected.abs().max())
    assert not disagreement(expected, found, None)


def test_a_norm_over_many_voxels_is_as_exact_as_torchs() -> None:
    """Adding them up one by one made the variance of 2 million voxels wrong by 7e-4, and 3 of 10,000 labels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8)).eval()
    images = patches((1, 96, 96, 96))
    found = Exported(network, images.shape[1:], None).open()(images)
    with torch.inference_mode():
        exact = network.double()(images.double())
    assert float((found - exact).abs().max()) < 5e-5


def test_patches_are_computed_alike_alone_and_together_and_stay_what_they_were() -> None:
    backend = Exported(small(), SHAPE, None).open()
    images = patches(count=3)
    together = backend(images)
    kept = together.clone()
    alone = [backend(images[n : n + 1]) for n in range(3)]
    backend.release()
    assert torch.equal(together, kept)
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(backend(images.flip(2).flip(2)), kept)  # after its memory was given back


def test_an_export_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = small(), patches()
    first = Exported(network, SHAPE, tmp_path / "network")
    assert not first.is_kept
    expected = first.open()(images)
    assert sorted(path.name for path in (tmp_path / "network").iterdir()) == [
        "openvino-1-16-16-16.bin",
        "openvino-1-16-16-16.json",
        "openvino-1-16-16-16.xml",
    ]
    monkeypatch.setattr(exported, "export", never)
    again = Exported(network, SHAPE, tmp_path / "network")
    assert again.is_kept
    assert torch.equal(again.open()(images), expected)


def never(*_: object) -> None:
    raise AssertionError("it was exported again")


def other_network(folder: Path) -> None:
    """A whole export, with a note that was true of another file: one of a network whose logits differ."""
    Exported(nn.Conv3d(1, 3, 1), SHAPE, folder / "other").open()
    for suffix in ("xml", "bin"):
        (folder / f"openvino-1-16-16-16.{suffix}").write_bytes(
            (folder / "other" / f"openvino-1-16-16-16.{suffix}").read_bytes()
        )


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def older_versions(folder: Path) -> None:
    path = folder / "openvino-1-16-16-16.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "versions": "MedDL 0.0.1, torch 1, openvino 1"}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit of the weights": lambda folder: flip_a_bit(folder / "openvino-1-16-16-16.bin"),
    "weights cut short": lambda folder: (folder / "openvino-1-16-16-16.bin").write_bytes(b""),
    "no network": lambda folder: (folder / "openvino-1-16-16-16.xml").unlink(),
    "a note that is no JSON": lambda folder: (folder / "openvino-1-16-16-16.json").write_bytes(b"\xff{"),
    "a note of another kind": lambda folder: (folder / "openvino-1-16-16-16.json").write_text("[1]"),
    "another network": other_network,
    "older versions": older_versions,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    Exported(small(), SHAPE, folder).open()
    return folder


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_export_that_is_damaged_or_foreign_or_old_is_made_anew(tmp_path: Path, whole: Path, kind: str) -> None:
    network, images, folder = small(), patches(), tmp_path / "network"
    shutil.copytree(whole, folder)
    DAMAGE[kind](folder)
    found = Exported(network, SHAPE, folder).open()(images)
    assert not disagreement(TorchBackend(network)(images), found, None)
    weights = "openvino-1-16-16-16.bin"
    assert (folder / weights).read_bytes() == (whole / weights).read_bytes()
    assert Exported(network, SHAPE, folder).is_kept


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    network, images = small(), patches()
    found = Exported(network, SHAPE, tmp_path / "file" / "folder").open()(images)
    assert not disagreement(TorchBackend(network)(images), found, None)


def test_a_network_that_openvino_lacks_an_operation_for_is_told_with_the_reason() -> None:
    class Spectral(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j1(x)

    with pytest.raises(NotExportedError, match="bessel_j1"):
        Exported(Spectral(), SHAPE, None).open()


def test_logits_that_differ_are_told_in_words() -> None:
    logits = patches((3, 8, 8, 8))
    assert disagreement(logits, logits, None) == ""
    assert disagreement(logits, logits + 1e-6, 0.0) == ""
    assert "shape" in disagreement(logits, logits[:, :2], None)
    assert "differs" in disagreement(logits, logits + 1, None)
    wrong = logits.clone()
    wrong[0, 0, 0, 0, 0] = torch.nan
    assert "differs" in disagreement(logits, wrong, None)


@pytest.mark.parametrize("cut", [None, 0.0])
def test_labels_that_differ_count_even_where_the_logits_are_near(cut: float | None) -> None:
    expected = torch.zeros(1, 2, 100, 10, 10)
    expected[:, 1] = -1e-4
    expected[0, 0, 0, 0, 0] = 1.0  # the largest: a difference of 2e-4 is small beside it
    found = expected.clone()
    allowed = int((1 - LEAST_AGREEMENT) * 10_000)
    flat = found[0, 1].flatten()
    flat[100 : 100 + allowed] = 1e-4
    if cut is None:
        assert disagreement(expected, found, cut) == ""
    flat[100 : 100 + 4 * allowed + 1] = 1e-4
    assert "labels agree" in disagreement(expected, found, cut)
