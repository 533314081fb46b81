// One binary for all unit tests, with one interpreter in it. Tests that touch Python attach its
// thread state (py/python_scope.hpp).
#define DOCTEST_CONFIG_IMPLEMENT
#include "py/python_scope.hpp"

namespace {

// Sanitizers see through pymalloc only when it is off.
void choose_allocator() {
#ifdef PYPORT_SANITIZED
  PyPreConfig before;
  PyPreConfig_InitIsolatedConfig(&before);
  before.utf8_mode = 1;
  before.allocator = PYMEM_ALLOCATOR_MALLOC;
  Py_PreInitialize(&before);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  choose_allocator();
  if (!pyport::py::register_module()) return 1;
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  pyport::test::main_state = PyEval_SaveThread();
  const int rc = doctest::Context(argc, argv).run();
  PyEval_RestoreThread(pyport::test::main_state);
  pyport::py::gil.assert_held();
  pyport::py::release_conversions();
  return Py_FinalizeEx() < 0 ? 1 : rc;
}
