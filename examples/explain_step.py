"""One MAML step on waves, explained: its equations by order of derivative, on a page to explore.

    python examples/explain_step.py            prints the story, writes out/maml_step.html
    python examples/explain_step.py --picture  and out/maml_step.png, as the README shows it

What one learns: where the second derivative in an exact meta-gradient is. In the page, search for
"order 2": these equations are what first-order MAML leaves out, and each names the derivative rule
that made it and the equation, of order 1, that it is a derivative of.
"""

import argparse
import shutil
import sys
from pathlib import Path

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm

SIZE = {"width": 1280, "height": 600}  # of the picture, in pixels


def explained(first_order: bool) -> object:
    """The step of the sinusoid's net (Finn et al. 2017, section 5.1), four tasks of 10 + 10."""
    net = tm.nn.mlp(1, 40, 40, 1)
    rng = np.random.default_rng(0)
    tasks = tm.data.Sinusoids().sample(rng, tasks=4, shot=10, query=10)
    method = tm.meta.maml(net, tm.losses.mse, lr=0.01, first_order=first_order)
    return tm.explain(method.meta_grad, net.init(rng), tasks)


def take_picture(page: Path, path: Path) -> None:
    """The page as headless Chromium draws it, with the first equation of order 2 selected."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sys.exit("--picture needs playwright: pip install 'tinymeta[browser]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        opened = browser.new_page(viewport=SIZE)
        opened.goto(page.resolve().as_uri())
        opened.keyboard.press("/")
        opened.keyboard.type("order 2")
        opened.keyboard.press("Enter")
        opened.screenshot(path=path)
        browser.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", action="store_true", help="draw the page by Chromium, too")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    args = parser.parse_args(arguments)
    exact = explained(first_order=False)
    print(exact)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        page = exact.save(args.out / "maml_step.html", first_order=explained(first_order=True))
        print(f"written: {page}: open it in a browser")
        if args.picture:
            take_picture(page, args.out / "maml_step.png")
            print(f"written: {page.with_suffix('.png')}")
    except OSError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
