"""
Here     how fast a meta-gradient is: against others, against the machine, and where time goes;
         which checker of gradients finds which mistakes;
         what becomes of it when disks fill, bits flip and runs are killed; how dense code is.
Imports  tinymeta, torch and jax where they are installed; tests/ and, for faults, examples/
Never    a figure without a check first that all contenders compute the same thing.
Add one  work in work.py -> its net in torch_models.py and jax_models.py
Tests    tests/peers/test_benchmarks.py, tests/peers/test_checkers.py, tests/test_faults.py,
         tests/test_density.py, tests/cuda/test_ptx_counts.py, tests/cuda/test_gpu_benchmark.py,
         tests/ranks/test_model.py

    python -m benchmarks                            # every work against PyTorch and JAX
    python -m benchmarks sinusoid --compile sinusoid
    python -m benchmarks growth                     # cost over tasks, inner steps, filters: a plot
    python -m benchmarks compile_time               # its time over a program's length: a plot
    python -m benchmarks profile                    # time per primitive of the eager conv4 step
    python -m benchmarks floor                      # its operations, and BLAS's time for them
    python -m benchmarks product_rates              # each of its products, beside every BLAS
    python -m benchmarks operations                 # tanh, softmax, norms by themselves
    python -m benchmarks density [FOLDER ...]       # how dense code is to read, by counts
    python -m benchmarks.checkers                   # wrong and right functions, judged by checkers
    python -m benchmarks.faults                     # faults of all kinds: one table of their ends
    mpiexec -n 2 python -m mpi4py -m benchmarks.ranks   # several ranks: gain, sums, a model of more
    python -m benchmarks.ranks --kills 20           # ranks that are killed, jobs relaunched
    python -m benchmarks.gpu                        # all there is to know about a GPU
    python -m benchmarks.gpu --first                # the same, after what a new GPU is asked
    python -m benchmarks.gpu_kernels                # its kernels, compiled without one
    python -m benchmarks.gpu_model                  # what a step does there, counted without one
"""

__all__: list[str] = []  # commands, not names to import
