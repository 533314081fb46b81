// Whatever the converters accept comes back as a term that they accept again, and from then on it
// stays the same: one trip through Python is the normal form. A failure leaves its exception.
#include <cstdlib>

#include "py/from_python.hpp"
#include "py/module_erlang.hpp"
#include "py/to_python.hpp"

namespace py = pyport::py;

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  PyPreConfig before;
  PyPreConfig_InitIsolatedConfig(&before);
  before.allocator = PYMEM_ALLOCATOR_MALLOC;  // so that AddressSanitizer sees Python's objects
  Py_PreInitialize(&before);
  if (!py::register_module()) std::abort();
  Py_InitializeEx(0);
  py::gil.assert_held();
  if (!py::prepare_conversions()) std::abort();
  return 0;
}

// False: no term. An exception must say why, and is cleared.
static bool trip(pyport::ByteView term, pyport::Bytes& out) PYPORT_REQUIRES(py::gil) {
  const py::PyRef object = py::decode_term(term);
  const bool done = object && py::encode_term(object.get(), out);
  if (done != (PyErr_Occurred() == nullptr)) std::abort();
  PyErr_Clear();
  return done;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  py::gil.assert_held();
  pyport::Bytes once;
  pyport::Bytes twice;
  if (trip({data, size}, once) && (!trip(once, twice) || once != twice)) std::abort();
  return 0;
}
