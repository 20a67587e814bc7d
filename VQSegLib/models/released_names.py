"""Tensor names of the released VQ-Seg network (repository script-Yang/VQ-Seg) and ours."""

from __future__ import annotations


def released_names(num_layers: int) -> dict[str, tuple[str, ...]]:
    """Return released name to our names; three of ours where one released tensor joins them.

    Args:
        num_layers: Number of transformer blocks.
    """
    names: dict[str, tuple[str, ...]] = {
        "vq.codebook.weight": ("quantizer.codebook",),
        "backbone.cls_token": ("encoder.backbone.embeddings.cls_token",),
        "backbone.pos_embed": ("encoder.backbone.embeddings.position_embeddings",),
    }
    for index in range(num_layers):
        block = f"encoder.backbone.encoder.layer.{index}"
        for part in ("1", "2"):
            names[f"backbone.blocks.{index}.ls{part}.gamma"] = (f"{block}.layer_scale{part}.lambda1",)
    for theirs, ours in {**_encoder_modules(num_layers), **_head_modules()}.items():
        for kind in ("weight", "bias"):
            names[f"{theirs}.{kind}"] = tuple(f"{module}.{kind}" for module in ours)
    for level in range(4):
        ours_name = f"segmentation_decoder.reducers.{level}.weight"
        names[f"head.scratch.layer{level + 1}_rn.weight"] = (ours_name,)
    return names


def _encoder_modules(num_layers: int) -> dict[str, tuple[str, ...]]:
    """Return modules with weight and bias: encoder and quantizer."""
    backbone = "encoder.backbone"
    modules: dict[str, tuple[str, ...]] = {
        "backbone.patch_embed.proj": (f"{backbone}.embeddings.patch_embeddings.projection",),
        "backbone.norm": (f"{backbone}.layernorm",),
        "vq.embedding_proj": ("quantizer.projection",),
    }
    for index in range(num_layers):
        theirs, ours = f"backbone.blocks.{index}", f"{backbone}.encoder.layer.{index}"
        modules[f"{theirs}.attn.qkv"] = tuple(f"{ours}.attention.{part}" for part in ("query", "key", "value"))
        modules[f"{theirs}.attn.proj"] = (f"{ours}.attention.output",)
        for same in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
            modules[f"{theirs}.{same}"] = (f"{ours}.{same}",)
    return modules


def _head_modules() -> dict[str, tuple[str, ...]]:
    """Return modules with weight and bias: DPT head. Level 4 of the release is our fusion 3, the coarsest."""
    head, ours = "head", "segmentation_decoder"
    modules: dict[str, tuple[str, ...]] = {}
    for index in range(4):
        modules[f"{head}.projects.{index}"] = (f"{ours}.projections.{index}",)
        fusion, our_fusion = f"{head}.scratch.refinenet{index + 1}", f"{ours}.fusions.{index}"
        modules[f"{fusion}.out_conv"] = (f"{our_fusion}.project",)
        for conv in ("conv1", "conv2"):
            modules[f"{fusion}.resConfUnit2.{conv}"] = (f"{our_fusion}.refine_sum.{conv}",)
            if index < 3:
                modules[f"{fusion}.resConfUnit1.{conv}"] = (f"{our_fusion}.refine_skip.{conv}",)
    for index in (0, 1, 3):
        modules[f"{head}.resize_layers.{index}"] = (f"{ours}.resizers.{index}",)
    for index in (0, 2):
        modules[f"{head}.scratch.output_conv.{index}"] = (f"{ours}.output.{index}",)
    return modules
