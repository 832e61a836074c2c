"""Learning a model from a training table: `run.train` is the whole job, one file per idea beside it.

`table` reads and checks the rows, `columns` knows the features, `folds` keeps people apart, `candidates` are the kinds
of model, `nested` the inner and outer loop, `calibration` the sigmoid, `results` the tables of scores, `artefact` the
files of the model folder.
"""

from defaceqa.training.run import PAPER_4, TrainingResult, monotone_directions, train
from defaceqa.training.table import TrainingTable, read_table

__all__ = ["PAPER_4", "TrainingResult", "TrainingTable", "monotone_directions", "read_table", "train"]
