// Runs test/python/test_*.py of the package in this interpreter, which has the built-in `_erlang`.
#include <filesystem>

#include <doctest/doctest.h>

#include "python_scope.hpp"

namespace {

using pyport::test::PythonScope;

// The source tree, from where this file was compiled.
std::string tree() {
  const std::filesystem::path here = std::filesystem::absolute(__FILE__);
  return here.parent_path().parent_path().parent_path().parent_path().string();
}

TEST_CASE("package: the unittest suite of `erlang` passes") {
  const PythonScope python;
  const pyport::py::PyRef result = pyport::test::run(
      "import io, sys, unittest\n"
      "root = '" +
      tree() +
      "'\n"
      "sys.path[:0] = [root + '/python_lib', root + '/test/python']\n"
      "sys.dont_write_bytecode = True\n"
      "suite = unittest.defaultTestLoader.loadTestsFromName('test_erlang_package')\n"
      "log = io.StringIO()\n"
      "outcome = unittest.TextTestRunner(log, verbosity=2).run(suite)\n"
      "del sys.path[:2]\n"
      "result = '' if outcome.wasSuccessful() and outcome.testsRun else log.getvalue()\n");
  REQUIRE_MESSAGE(static_cast<bool>(result), "the suite could not be loaded");
  CHECK(std::string(PyUnicode_AsUTF8(result.get())).empty());
}

}  // namespace
