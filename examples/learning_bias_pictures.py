"""The pictures of learning_bias.py: waves, the functions a net can imagine, changed pictures."""

import numpy as np

import tinymeta as tm
from tinymeta.runs import pictures
from tinymeta.runs.pictures import figure_legend, save_figure


def draw_waves(predictions, truth, support, grid, learners, path):
    """Three waves down, learners across: the examples, the predictions, the truth."""
    plt = pictures.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(
        min(3, len(truth)), len(learners), figsize=(15, 7), sharex=True, sharey=True, squeeze=False
    )
    for t, row in enumerate(axes):
        for axis, name in zip(row, learners):
            axis.plot(grid, truth[t], color="tab:orange", alpha=0.8, label="the wave")
            if f"{name}, 10 steps" in predictions:  # it is adapted
                for steps, style in ((0, ":"), (1, "--"), (10, "-")):
                    axis.plot(
                        grid,
                        predictions[f"{name}, {steps} steps"][t],
                        style,
                        color="tab:blue",
                        label=f"after {steps} step" + "s" * (steps != 1),
                    )
            else:
                axis.plot(grid, predictions[name][t], color="tab:blue")
            axis.plot(support.x[t], support.y[t], "o", color="black", markersize=4, label="seen")
            axis.axvspan(0, 5, color="gray", alpha=0.08, label="no point was seen here")
            axis.set_ylim(-6, 6)
            if t == 0:
                axis.set_title(name)
            axes[-1, learners.index(name)].set_xlabel("x")
        row[0].set_ylabel("y")
    figure.suptitle("what each learner makes of five points on the left")
    figure_legend(figure, axes[0, 0])
    save_figure(figure, path)


def draw_beliefs(maml, params, path):
    """What each net predicts after one example, at many heights: the functions it can imagine."""
    plt = pictures.pyplot()
    if plt is None:
        return
    heights = np.linspace(-4, 4, 17, dtype=np.float32)
    seen = np.full((len(heights), 5, 1), -1.5, np.float32)
    support = tm.Batch(seen, np.broadcast_to(heights[:, None, None], seen.shape))
    grid = np.linspace(-5, 5, 201, dtype=np.float32)[:, None]
    x = np.broadcast_to(grid, (len(heights), *grid.shape))
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), sharey=True)
    for axis, name in zip(axes, params):
        for height, y in zip(heights, maml(3).predict(params[name], support, x).numpy()):
            axis.plot(grid, y, color=plt.cm.coolwarm((height + 4) / 8), linewidth=1)
            axis.plot(-1.5, height, "o", color=plt.cm.coolwarm((height + 4) / 8), markersize=4)
        axis.set(title=f"{name}: 3 steps on one point", xlabel="x", ylim=(-6, 6))
    axes[0].set_ylabel("y: the point, and the function learned from it, by colour")
    axes[0].yaxis.label.set_size(8)
    save_figure(figure, path)


def draw_changes(rows, changes, chance: float, path):
    """The share of right answers over how much the picture was changed; rows: with their head."""
    plt = pictures.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    for axis, change in zip(axes, changes):
        mine = [row for row in rows if row[0] == change]
        for column, name in enumerate(rows[0][2:], 2):
            axis.plot(
                [row[1] for row in mine],
                [row[column] for row in mine],
                "o-",
                label=name,
                markersize=3,
            )
        axis.axhline(chance, color="gray", linestyle=":", label="chance")
        axis.set(xlabel=f"the seen picture, {change}", ylim=(0, 1.03))
    axes[0].set_ylabel("accuracy")
    figure.suptitle("one picture of each class was seen; asked is the same, changed more and more")
    figure_legend(figure, axes[0])
    save_figure(figure, path)
