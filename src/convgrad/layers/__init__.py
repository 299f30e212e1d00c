"""Layers: one equation each, with the shapes and initial values that belong to it."""

from convgrad.layers.activation import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from convgrad.layers.base import Built, Layer, Parameter, registry
from convgrad.layers.conv import Conv1D, Conv2D, Conv3D
from convgrad.layers.conv_transpose import ConvTranspose2D
from convgrad.layers.dense import Dense
from convgrad.layers.depthwise import DepthwiseConv2D
from convgrad.layers.graph import Input, Node
from convgrad.layers.pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D

__all__ = [
    "ELU",
    "GELU",
    "AvgPool2D",
    "Built",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvTranspose2D",
    "Dense",
    "DepthwiseConv2D",
    "GlobalAvgPool2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "Node",
    "Parameter",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "registry",
]
