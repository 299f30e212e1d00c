"""What a trained network looks at, and how its layers are: saliency, Grad-CAM, units that are dead, gradients."""

from convgrad.inspection.attribution import grad_cam, saliency
from convgrad.inspection.health import Health, LayerHealth, health

__all__ = ["Health", "LayerHealth", "grad_cam", "health", "saliency"]
