"""The package `erlang`, run by the unit tests inside an interpreter that has `_erlang`."""
from __future__ import annotations

import ast
import inspect
import unittest
from pathlib import Path

import _erlang

import erlang

STUB = Path(erlang.__file__).parent.parent / "_erlang.pyi"


def names_in_stub() -> set[str]:
    """Return the public names that the stub of the built-in module declares."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    declared = (n for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef)))
    return {node.name for node in declared if not node.name.startswith("_")}


class PackageTest(unittest.TestCase):
    def test_the_stub_declares_exactly_what_the_built_in_module_has(self) -> None:
        found = {name for name in dir(_erlang) if not name.startswith("_")}
        self.assertEqual(found, names_in_stub())

    def test_all_lists_what_the_package_offers(self) -> None:
        for name in erlang.__all__:
            self.assertTrue(hasattr(erlang, name), name)
        self.assertEqual(erlang.__all__, sorted(erlang.__all__))

    def test_every_public_name_has_a_docstring(self) -> None:
        for name in erlang.__all__:
            self.assertTrue(inspect.getdoc(getattr(erlang, name)), name)

    def test_types_name_the_package_as_their_module(self) -> None:
        for name in ("Pid", "Ref", "Fun", "Port", "Atom", "Error", "ProcessError"):
            self.assertEqual(getattr(erlang, name).__module__, "erlang")

    def test_atom_tells_its_signature(self) -> None:
        self.assertEqual(str(inspect.signature(erlang.atom)), "(name, /)")

    def test_suspension_required_is_not_caught_as_an_exception(self) -> None:
        self.assertFalse(issubclass(erlang.SuspensionRequired, Exception))
        self.assertTrue(issubclass(erlang.SuspensionRequired, BaseException))

    def test_process_error_is_an_ordinary_exception(self) -> None:
        with self.assertRaises(erlang.Error):
            raise erlang.ProcessError("gone")


if __name__ == "__main__":
    unittest.main()
