"""Arguments of methods that are not what their names say: refused when the method is made."""

import inspect

import pytest

import tinymeta as tm
from tinymeta import meta

NET, MADE = (
    tm.nn.mlp(3, 4),
    {
        "prototypical": {"way": 2},
        "siamese": {},
        **{
            name: {"lr": 0.1}
            for name in ("maml", "anil", "meta_sgd", "maml_plus", "reptile", "imaml")
        },
    },
)
BAD = [
    ({"model": 3}, "model"),
    ({"transductive": "no"}, "transductive='no' must be True or False"),
    ({"loss": 1.0}, "loss must be a function, got 1.0"),
    ({"steps": 2.5}, "steps=2.5 must be a whole number >= 0"),
    ({"test_steps": "3"}, "test_steps='3' must be"),
    ({"way": 2.5}, "way=2.5 must be a whole number"),
    ({"margin": None}, "margin=None must be a finite number"),
    ({"strength": "much"}, "strength='much' must be"),
]


CASES = [
    (name, bad, message)
    for name in MADE
    for bad, message in BAD
    if {*bad} <= {*inspect.signature(getattr(meta, name)).parameters}
]


@pytest.mark.parametrize("name, bad, message", CASES, ids=lambda b: str(b)[:12])
def test_what_a_method_is_not_made_of(name, bad, message):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{message}"):
        getattr(meta, name)(**{"model": NET, **MADE[name], **bad})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: meta.adapt(3, {}, None, lr=0.1, steps=1), "adapt: loss must be a function, got 3"),
        (
            lambda: meta.adapt(len, {}, None, lr=0.1, steps=1.5),
            "adapt: steps=1.5 must be a whole number >= 0",
        ),
        (
            lambda: meta.maml_loss(len, {}, (), lr=0.1, steps=1),
            r"maml_loss: tasks must be a Tasks, .* got \(\)",
        ),
        (
            lambda: meta.evaluate(3, {}, len),
            "evaluate: method must be a Method, such as tm.meta.maml makes, got 3",
        ),
        (lambda: meta.step_weights(0.5, 0), "step_weights: steps=0 must be a whole number >= 1"),
        (lambda: tm.optim.cosine(0.1, 2.5), "cosine: updates=2.5 must be a whole number"),
        (
            lambda: tm.optim.momentum(0.1, nesterov="yes"),
            "momentum: nesterov='yes' must be True or False",
        ),
    ],
)
def test_other_functions_refuse_at_once_too(call, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()
