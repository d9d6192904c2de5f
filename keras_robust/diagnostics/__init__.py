"""Seeing what a loss did: the log of every sample, which labels to suspect, and pictures of training."""

from keras_robust.diagnostics import figures, pictures, plots
from keras_robust.diagnostics.accuracy import CleanAccuracy, clean_accuracy
from keras_robust.diagnostics.agreement import Agreement, cleanlab_agreement
from keras_robust.diagnostics.believed import believed_labels, estimated_transition
from keras_robust.diagnostics.class_folders import Copied
from keras_robust.diagnostics.cleaning import Believed, Cleaned, clean_labels, take_believed
from keras_robust.diagnostics.corrections import Corrected, Corrections
from keras_robust.diagnostics.cross_validation import out_of_sample
from keras_robust.diagnostics.noise_report import report_noise
from keras_robust.diagnostics.repeated import Duplicates, duplicates
from keras_robust.diagnostics.report import report_page
from keras_robust.diagnostics.review import review_page
from keras_robust.diagnostics.review_size import ReviewCount, review_count
from keras_robust.diagnostics.runs import LoggedRun, log_names, open_run
from keras_robust.diagnostics.selected import Selection, selection
from keras_robust.diagnostics.statistics import (
    Curve,
    MarginHistograms,
    effective_rate,
    margin_histograms,
    memorization_curves,
    nnce_gradients,
)
from keras_robust.diagnostics.suspects import Suspect, SuspectReport, suspect_sheet, suspect_table, write_suspects
from keras_robust.merging import merged_log
from keras_robust.weight_log import Detection, WeightLog

__all__ = [
    "Agreement",
    "Believed",
    "CleanAccuracy",
    "Cleaned",
    "Copied",
    "Corrected",
    "Corrections",
    "Curve",
    "Detection",
    "Duplicates",
    "LoggedRun",
    "MarginHistograms",
    "ReviewCount",
    "Selection",
    "Suspect",
    "SuspectReport",
    "WeightLog",
    "believed_labels",
    "clean_accuracy",
    "clean_labels",
    "cleanlab_agreement",
    "duplicates",
    "effective_rate",
    "estimated_transition",
    "figures",
    "log_names",
    "margin_histograms",
    "memorization_curves",
    "merged_log",
    "nnce_gradients",
    "open_run",
    "out_of_sample",
    "pictures",
    "plots",
    "report_noise",
    "report_page",
    "review_count",
    "review_page",
    "selection",
    "suspect_sheet",
    "suspect_table",
    "take_believed",
    "write_suspects",
]
