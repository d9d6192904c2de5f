"""The verbs about labels: noise draws wrong ones, suspects finds them, review and report show them, clean corrects."""

import time

from keras_robust.cli.arguments import add_data_arguments, add_run_arguments, dataset, noise


def add_noise(verbs):
    verb = verbs.add_parser("noise", help="wrong labels: their rate and matrix, pictures of both")
    add_data_arguments(verb)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", help="a new folder for the results (default: one under runs/)")
    verb.set_defaults(run=_report_noise)


def _report_noise(options) -> int:
    from keras_robust.diagnostics import report_noise

    out = _folder("noise", options)
    print(report_noise(out, dataset(options), noise(options), options.seed, options.data_dir).report())
    print(f"Written to {out}: labels.npz, noise.txt, transition.png, mislabeled.png")
    return 0


def add_suspects(verbs):
    verb = verbs.add_parser("suspects", help="which labels of a training run are most likely wrong: table and pictures")
    _add_sample_arguments(verb, 100)
    verb.add_argument("--out", help="folder for suspects.csv and suspects.png (default: FOLDER)")
    told = "also write believed.csv: corrections that take the believed label of the first N (default: as many as are "
    told += "likelier wrong than right), without a reviewer"
    verb.add_argument("--believed", nargs="?", type=int, default=False, metavar="N", help=told)
    verb.set_defaults(run=_suspects)


def add_review(verbs):
    verb = verbs.add_parser("review", help="a page to decide on suspects in the browser: keep, correct or drop each")
    _add_sample_arguments(verb, 500)
    verb.add_argument("--out", metavar="FILE", help="the page (default: FOLDER/review.html)")
    verb.set_defaults(run=_review)


def add_report(verbs):
    verb = verbs.add_parser("report", help="a page about a training run, or about several side by side")
    _add_sample_arguments(verb, 24)
    verb.add_argument("--out", metavar="FILE", help="the page (default: FOLDER/report.html)")
    verb.set_defaults(run=_report)


def _add_sample_arguments(verb, n):
    add_run_arguments(verb)
    verb.add_argument("--n", type=int, default=n, metavar="N", help=f"how many (default: {n})")
    verb.add_argument("--images", metavar="FOLDER", help="your own images, in class folders or in the log's order")
    verb.add_argument("--class-names", nargs="+", metavar="NAME", help="in the order of their numbers")
    verb.add_argument("--dataset", help='data set of the images (default: the run\'s own); "none" for no images')
    verb.add_argument("--data-dir", help="its folder (default: the run's own)")


def _suspects(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    found = diagnostics.write_suspects(run, options.out or run.folder, n=options.n, **_samples(options))
    print(found)
    if options.believed is not False:
        print(diagnostics.take_believed(run, options.out or run.folder, options.believed))
    return 0


def _review(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    page = diagnostics.review_page(run, options.out or run.folder, n=options.n, **_samples(options))
    print(f"Written to {page}: open it in a browser, decide, and download corrections.csv there")
    return 0


def _report(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log) if options.log else options.folder
    folder = run.folder if options.log else options.folder
    page = diagnostics.report_page(run, options.out or folder, n=options.n, **_samples(options))
    print(f"Written to {page}: open it in a browser")
    return 0


def _samples(options):
    return {name: getattr(options, name) for name in ("images", "class_names", "dataset", "data_dir")}


def add_clean(verbs):
    verb = verbs.add_parser("clean", help="the labels of a run, corrected by what a reviewer decided")
    add_run_arguments(verb)
    verb.add_argument("--corrections", required=True, metavar="FILE", help="corrections.csv of the review page")
    verb.add_argument("--out", metavar="FILE", help="a new npz file (default: corrected.npz in the run's folder)")
    verb.add_argument("--overwrite", action="store_true", help="replace it, if it is there")
    verb.add_argument("--folders", metavar="NEW_FOLDER", help="copy your own images into corrected class folders too")
    verb.add_argument("--data-dir", help="folder that holds your own images now (default: the run's own)")
    verb.set_defaults(run=_clean)


def _clean(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    folders = {"folders": options.folders, "data_dir": options.data_dir}
    print(diagnostics.clean_labels(run, options.corrections, options.out, options.overwrite, **folders))
    return 0


def _folder(verb, options):
    named = f"{verb}-{dataset(options)}-{(noise(options) or 'none').replace(':', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
    return options.out or f"runs/{named}"
