"""Layers: one equation each, with the shapes and initial values that belong to it."""

from convgrad.layers.activation import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from convgrad.layers.base import Built, Input, Layer, Node, Parameter, registry
from convgrad.layers.batch_norm import BatchNorm
from convgrad.layers.channels import GLU, LogSoftmax, PReLU
from convgrad.layers.conv import Conv1D, Conv2D, Conv3D
from convgrad.layers.conv_transpose import ConvTranspose2D
from convgrad.layers.custom import Equation
from convgrad.layers.dense import Dense
from convgrad.layers.depthwise import DepthwiseConv2D
from convgrad.layers.dropout import Dropout
from convgrad.layers.instance_norm import InstanceNorm, LocalResponseNorm, RMSNorm
from convgrad.layers.merge import Add, Concatenate, Multiply
from convgrad.layers.norm import GroupNorm, LayerNorm
from convgrad.layers.pool import (
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    LpPool1D,
    LpPool2D,
    LpPool3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
)
from convgrad.layers.shape import Flatten, Reshape, ZeroPadding2D

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Add",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNorm",
    "Built",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvTranspose2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Equation",
    "Flatten",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "Input",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LocalResponseNorm",
    "LogSoftmax",
    "LpPool1D",
    "LpPool2D",
    "LpPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "Mish",
    "Multiply",
    "Node",
    "PReLU",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "ZeroPadding2D",
    "registry",
]
