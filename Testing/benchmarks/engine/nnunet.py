"""nnU-Net's own predictor, as it is and as a judge."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fixtures.nnunet_predictor import open_predictor, single_precision_sums

from .engines import Call, Job, Labels
from .meter import Meter

LARGE = 2e9
"""Classes x voxels of the scan above which the judge resamples by torch: the default takes a quarter of an hour."""


def nnunet(job: Job, scan: Labels, meter: Meter) -> Call:
    """``predict_single_npy_array``; ``nnunet-torch`` with the plans that ask for the resampling by torch."""
    predictor = _predictor(job, job.by_torch if job.engine == "nnunet-torch" else job.model, meter)

    def call() -> Labels:
        labels: Labels = predictor.predict_single_npy_array(scan[None], {"spacing": list(job.voxel)})
        return labels

    return call


def judge(job: Job, scan: Labels, meter: Meter) -> Call:
    """nnU-Net with sums in single precision, which decides what is right.

    Its functions are called as ``predict_single_npy_array`` calls them, except that the logits are resampled class by
    class, so that many classes fit the memory.
    """
    predictor = _predictor(job, job.model, meter)
    from acvl_utils.cropping_and_padding.bounding_boxes import insert_crop_into_image

    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    by_torch = job.case.classes * math.prod(scan.shape) > LARGE

    def call() -> Labels:
        preprocessor = configuration.preprocessor_class(verbose=False)
        given = {"spacing": list(job.voxel)}
        data, _, facts = preprocessor.run_case_npy(
            scan[None], None, given, plans, configuration, predictor.dataset_json
        )
        with single_precision_sums():
            logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        shape = facts["shape_after_cropping_and_before_resampling"]
        resample = configuration.resampling_fn_probabilities
        if by_torch:
            from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet as resample
        best, labels = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.uint8)
        for n in range(len(logits)):
            score = np.asarray(resample(logits[n : n + 1], shape, configuration.spacing, list(job.voxel)))[0]
            labels[score > best] = n
            np.maximum(best, score, out=best)
        whole = np.zeros(facts["shape_before_cropping"], np.uint8)
        result: Labels = insert_crop_into_image(whole, labels, facts["bbox_used_for_cropping"])
        return result

    return call


def _predictor(job: Job, folder: Path, meter: Meter) -> Any:
    predictor = open_predictor(folder)
    if (instead := job.stand_in()) is not None:
        predictor.network, predictor.list_of_parameters = instead, [instead.state_dict()]
    meter.watch(predictor.network)
    return predictor
