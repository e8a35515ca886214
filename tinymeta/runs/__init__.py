"""Trainings as commands: what the examples and `python -m tinymeta train` have in common.

Here     flags; a training from flags to saved parameters; its files, its pictures and its end; the
         commands train, evaluate and predict.
Imports  data meta system
Never    arithmetic of its own: it calls the package as its users do, as `tm`.
Add one  a method: a row in methods.py; a command: a file with main(args, name), and in
         commands.py its flags and a row.
Tests    tests/runs/

These functions are shared by the examples, which are read and not installed, and by the commands,
which are installed and have no examples beside them. So they live in the package, and the examples
import them: a run that is begun by one can be judged by the other, and nothing is there twice.
"""

__all__: list[str] = []  # names are imported from the files
