"""The operators that an exported network may call: arithmetic of tensors, and nothing else.

ATen has operators that read files, print, or trust sizes that they are given, so a list of what is
allowed stands in place of one of what is not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import torch

_POINTWISE = """
abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or
bitwise_xor ceil celu clamp clamp_max clamp_min copysign cos cosh cumsum deg2rad div dropout elu eq
erf erfc exp exp2 expm1 feature_dropout fill floor floor_divide fmod frac ge gelu glu gt hardsigmoid
hardswish hardtanh isfinite isinf isnan le leaky_relu lerp log log10 log1p log2 log_sigmoid
logical_and logical_not logical_or logical_xor lt masked_fill maximum minimum mish mul nan_to_num ne
neg pow prelu reciprocal relu relu6 remainder round rsqrt rsub selu sigmoid sign silu sin sinc sinh
softplus softshrink sqrt square sub tan tanh threshold true_divide trunc where
"""
_SHAPES = """
_to_copy _unsafe_view alias arange broadcast_to cat chunk clone concat constant_pad_nd contiguous
copy detach diagonal expand expand_as eye flatten flip full full_like gather hstack index
index_select lift_fresh_copy linspace meshgrid movedim narrow new_full new_ones new_zeros numpy_T
ones ones_like pad permute pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d repeat
repeat_interleave replication_pad1d replication_pad2d reshape roll scalar_tensor select slice split
split_with_sizes squeeze stack swapaxes sym_numel sym_size t tile to transpose tril triu type_as
unbind unflatten unsqueeze view view_as vstack zeros zeros_like
"""
_REDUCTIONS = """
all amax amin any argmax argmin linalg_vector_norm logsumexp max mean min norm prod sort std
std_mean sum topk var var_mean
"""
_LAYERS = """
_adaptive_avg_pool2d _batch_norm_no_update _log_softmax _native_batch_norm_legit_no_training
_softmax _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact2d
adaptive_avg_pool1d adaptive_avg_pool2d addmm affine_grid_generator avg_pool1d avg_pool2d baddbmm
batch_norm bilinear bmm channel_shuffle col2im conv1d conv2d conv3d conv_transpose1d
conv_transpose2d conv_transpose3d convolution cosine_similarity dot einsum embedding grid_sampler
grid_sampler_2d group_norm im2col instance_norm layer_norm linear log_softmax matmul max_pool2d
max_pool2d_with_indices mm mv native_group_norm native_layer_norm outer rms_norm
scaled_dot_product_attention softmax upsample_bicubic2d upsample_bilinear2d upsample_linear1d
upsample_nearest1d upsample_nearest2d
"""
_ATEN = frozenset(f"{_POINTWISE} {_SHAPES} {_REDUCTIONS} {_LAYERS}".split())

_OF_SIZES: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "eq", "floordiv", "ge", "gt", "le", "lt", "mod", "mul", "ne", "neg", "sub")
}
"""Arithmetic of sizes, which depend on the batch."""

CHECKS = ("torch.ops.aten._assert_scalar.default", "torch.ops.aten._assert_tensor_metadata.default")
"""Operators without an output, which hold what was true at the export."""

_UNCHECKED = ("_batch_norm_no_update", "_native_batch_norm_legit_no_training")
"""What reads as many numbers of its vectors as there are channels, whatever their length."""

_TARGET = re.compile(
    r"torch\.ops\.aten\.(?P<name>[A-Za-z0-9_]{1,60})\.(?P<overload>[A-Za-z_0-9]{1,40})"
)


def operator_of(target: str) -> Callable[..., Any] | None:
    """Return what a node calls, by the name that torch.export gives it; None when not allowed.

    Examples
    --------
    >>> operator_of("torch.ops.aten.relu.default") is torch.ops.aten.relu.default
    True
    >>> operator_of("torch.ops.aten.from_file.default") is None
    True
    """
    if target in _OF_SIZES:
        return _OF_SIZES[target]
    found = _TARGET.fullmatch(target)
    # A trailing underscore writes the result in place.
    if found is None or found["name"].removesuffix("_") not in _ATEN:
        return None
    packet = getattr(torch.ops.aten, found["name"], None)
    overload = getattr(packet, found["overload"], None)
    if not isinstance(overload, torch._ops.OpOverload):
        return None
    return _checked(overload) if found["name"] in _UNCHECKED else overload


def _checked(norm: torch._ops.OpOverload) -> Callable[..., Any]:
    """Return the operator behind a check of what it takes on trust."""
    names = [argument.name for argument in norm._schema.arguments]

    def call(*positional: Any, **by_name: Any) -> Any:
        given = {**dict(zip(names, positional, strict=False)), **by_name}
        wanted = given["input"].shape[1:2]
        for name in ("weight", "bias", "running_mean", "running_var"):
            vector = given.get(name)
            if vector is not None and vector.shape != wanted:
                raise ValueError(f"{name} of {tuple(vector.shape)} for channels {tuple(wanted)}")
        return norm(*positional, **by_name)

    return call
