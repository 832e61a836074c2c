"""What is measured on a pair: the table of features, and the function that fills one row of it."""

from defaceqa.features.extract import FeatureRow, extract
from defaceqa.features.table import FEATURES, Feature

__all__ = ["FEATURES", "Feature", "FeatureRow", "extract"]
