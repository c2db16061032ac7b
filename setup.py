"""What pyproject.toml cannot say in a stable way yet: the compiled loops."""

from setuptools import Extension, setup

LOOPS = Extension(
    "schemas._loops",
    sources=["schemas/_loops.c", "schemas/_baskets.c", "schemas/_encoding_loops.c"],
    depends=["schemas/_loops.h"],
    extra_compile_args=["-O3"],  # some of them take twice as long with less
    optional=True,  # where there is no compiler, NumPy and Arrow do the same
    py_limited_api=True,  # one file for all releases of Python
)

setup(ext_modules=[LOOPS], options={"bdist_wheel": {"py_limited_api": "cp311"}})
