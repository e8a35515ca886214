"""The pictures of hypergradient.py: learned weights, learned schedules, and what they cost."""

import numpy as np

import tinymeta as tm
from tinymeta.runs import pictures
from tinymeta.runs.pictures import figure_legend, frame, legend_below, save_figure, show_image


def draw_weights(weights, descent, path):
    """The weights of right and of wrong labels, and the images that have the least."""
    plt = pictures.pyplot()
    if plt is None:
        return
    figure = plt.figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axis = left.subplots()
    for name, chosen in (("right", ~descent.is_wrong), ("wrong", descent.is_wrong)):
        axis.hist(weights[chosen], np.linspace(0, 1, 21), alpha=0.6, label=f"label is {name}")
    axis.set(xlabel="learned weight", ylabel="training images", title="what each image counts")
    legend_below(axis)
    right.suptitle("least weight: image and label given (orange: a wrong one)", fontsize=10)
    for axis, k in zip(right.subplots(2, 5).flat, np.argsort(weights)):
        show_image(axis, descent.train.x[k].reshape(14, 14, 1), True, f"“{descent.train.y[k]}”")
        frame(axis, pictures.WRONG_COLOUR if descent.is_wrong[k] else pictures.RIGHT_COLOUR)
    save_figure(figure, path)


def draw_rates(found, descent, step, args, name):
    """Schedules, and the validation loss on the way under each, of one net."""
    plt = pictures.pyplot()
    if plt is None:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    loss_of = tm.jit(descent.outer_loss)
    for label, hyper in found.items():
        left.plot(np.exp(descent.hats @ np.asarray(hyper["rates"])), label=label)
        params, curve = descent.net.init(np.random.default_rng(args.seed)), []
        for k in range(args.steps):
            params = step(params, hyper, np.asarray(k))
            curve.append(float(loss_of(params, hyper)))
        right.plot(curve, label=label)
    left.set(xlabel="inner step", ylabel="learning rate", title="schedules", yscale="log")
    right.set(xlabel="inner step", ylabel="validation loss", title="one net on the way")
    right.set(yscale="log")
    legend_below(left, columns=3)
    legend_below(right, columns=3)
    save_figure(figure, args.out / f"{name}_learned.png")


def draw_cost(rows, path):
    """Peak memory and CPU time over inner steps, a line for each way to keep or recompute."""
    plt = pictures.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for axis, column, what in zip(axes, (2, 3), ("peak memory, MB", "CPU seconds")):
        for name in dict.fromkeys(row[0] for row in rows):
            points = [(row[1], row[column]) for row in rows if row[0] == name]
            axis.plot(*zip(*points), "o-", markersize=3, label=name)
        axis.set(xscale="log", yscale="log", xlabel="inner steps", ylabel=what)
    axes[0].set_title("what a hypergradient keeps")
    axes[1].set_title("what it takes")
    figure_legend(figure, axes[0])
    save_figure(figure, path)
