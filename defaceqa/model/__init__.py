"""The trained model: a folder with an artefact and its card, and the probabilities it gives.

`folder` loads and verifies, `card` is what a model says about itself, `trees` and `linear` evaluate the two kinds of
artefact with numpy alone: a prediction imports neither xgboost nor scikit-learn.
"""

from defaceqa.model.card import CRITERIA, Calibration, Card, Column, Thresholds
from defaceqa.model.folder import Model, load_model

__all__ = ["CRITERIA", "Calibration", "Card", "Column", "Model", "Thresholds", "load_model"]
