"""The stub defines what nm says is missing: objects as objects, functions as functions."""

from bazel.paddle.private.pystub import missing, source

_NM = """\
                 U PyErr_SetString
                 U PyExc_RuntimeError
                 U PyObject_Type
                 U PyType_Type
                 w _ITM_deregisterTMCloneTable
                 U _PyThreadState_UncheckedGet
                 U _Py_NoneStruct
                 U _ZN8pybind11PyFooEv
                 U memcpy@GLIBC_2.14
"""


def test_missing_takes_names_of_libpython_only() -> None:
    assert missing(_NM) == [
        "PyErr_SetString",
        "PyExc_RuntimeError",
        "PyObject_Type",
        "PyType_Type",
        "_PyThreadState_UncheckedGet",
        "_Py_NoneStruct",
    ]


def test_source_tells_objects_from_functions() -> None:
    text = source(missing(_NM))
    for name in ["PyErr_SetString", "PyObject_Type", "_PyThreadState_UncheckedGet"]:
        assert f'void {name}(void) {{ Called("{name}"); }}' in text
    for name in ["PyExc_RuntimeError", "PyType_Type", "_Py_NoneStruct"]:
        assert f"char {name}[1024]" in text
