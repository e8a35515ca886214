"""
Here     one page of HTML that shows a compiled program: its graph, passes, memory, chunks.
Imports  system
Never    an equation, a kernel, the network: data comes in as lists, numbers and texts.
Add one  a view: a file of JavaScript here, its name in SCRIPTS of page.py, a tab in main.js
Tests    tests/explorer/ tests/browser/

    tm.explain(f, *args).save("step.html")
        | jit/page_data.py   an explained program as lists, numbers and texts
        | layout.py          where each equation lies in its lane
        | page.py            data, style and scripts in one page, escaped
    step.html                opens from a file; asks for nothing

What the page is made of, in reading order:
    page.html       the frame: a header with tabs, one view, details beside it
    explorer.css    colours by order, light and dark, narrow and wide
    model.js        the data, and what is selected: a set of traced equations, in every view
    graph.js        lanes by scope, zoom, fold, search
    passes.js       one pass after another, with what it changed; kernels beside their equations
    memory.js       offsets over steps, the peak; what second order costs
    threads.js      chunks, groups of chunks, the time of each kind of step
    main.js         tabs, details, keys
"""

__all__: list[str] = []  # names are imported from the files
