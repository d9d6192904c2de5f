"""The verbs about labels: noise draws wrong ones, suspects finds them, clean takes what was decided about them."""

import time

from keras_robust.cli.arguments import add_data_arguments, add_run_arguments, noise


def add_noise(verbs):
    verb = verbs.add_parser("noise", help="wrong labels: their rate and matrix, pictures of both")
    add_data_arguments(verb)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", help="a new folder for the results (default: one under runs/)")
    verb.set_defaults(run=_report_noise)


def _report_noise(options) -> int:
    from keras_robust.diagnostics import report_noise

    out = _folder("noise", options)
    print(report_noise(out, options.dataset, noise(options), options.seed, options.data_dir).report())
    print(f"Written to {out}: labels.npz, noise.txt, transition.png, mislabeled.png")
    return 0


def add_suspects(verbs):
    verb = verbs.add_parser("suspects", help="which labels of a training run are most likely wrong: table and pictures")
    add_run_arguments(verb)
    verb.add_argument("--top", type=int, default=100, help="how many (default: 100)")
    verb.add_argument("--dataset", help='data set of the images (default: the run\'s own); "none" for the table alone')
    verb.add_argument("--data-dir", help="its folder (default: the run's own)")
    verb.add_argument("--out", help="folder for suspects.csv and suspects.png (default: FOLDER)")
    verb.set_defaults(run=_suspects)


def _suspects(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    found = diagnostics.write_suspects(run, options.top, options.dataset, options.data_dir, options.out)
    print(found)
    return 0


def add_clean(verbs):
    verb = verbs.add_parser("clean", help="the labels of a run, corrected by what a reviewer decided")
    add_run_arguments(verb)
    verb.add_argument("--corrections", required=True, metavar="FILE", help="corrections.csv of the review page")
    verb.add_argument("--out", metavar="FILE", help="a new npz file (default: corrected.npz in the run's folder)")
    verb.add_argument("--overwrite", action="store_true", help="replace it, if it is there")
    verb.set_defaults(run=_clean)


def _clean(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    print(diagnostics.clean_labels(run, options.corrections, options.out, options.overwrite))
    return 0


def _folder(verb, options):
    named = f"{verb}-{options.dataset}-{options.noise.replace(':', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
    return options.out or f"runs/{named}"
