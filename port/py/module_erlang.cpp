// Tables and thin wrappers. A function that is added gets a line in `functions`, one in
// python_lib/_erlang.pyi and, if public, one in python_lib/erlang/__init__.py.
#include "py/module_erlang.hpp"

#include "core/limits.hpp"
#include "etf/writer.hpp"
#include "py/conversion_state.hpp"
#include "py/to_process.hpp"
#include "py/types/method.hpp"
#include "py/types/own_file.hpp"

namespace pyport::py {

namespace {

[[nodiscard]] PyRef new_atom(PyObject* name) PYPORT_REQUIRES(gil) {
  const PyRef utf8 = PyRef::steal(PyUnicode_AsUTF8String(name));
  if (!utf8) return {};
  Bytes term;
  {
    etf::Writer writer(term);
    writer.atom(
        {PyBytes_AS_STRING(utf8.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(utf8.get()))});
  }
  return PyRef::steal(make_opaque(conversions.opaque.at(OpaqueKind::atom), term));
}

PyObject* atom(PyObject* /*module*/, PyObject* name) noexcept PYPORT_REQUIRES(gil) {
  if (PyUnicode_Check(name) == 0) {
    PyErr_SetString(PyExc_TypeError, "atom() argument must be str");
    return nullptr;
  }
  PyObject* known = PyDict_GetItemWithError(conversions.atoms, name);
  if (known != nullptr || PyErr_Occurred() != nullptr) return keep(known);
  if (static_cast<std::size_t>(PyUnicode_GET_LENGTH(name)) > limits::kAtomCharsMax) {
    PyErr_Format(PyExc_ValueError, "atom name of more than %zu characters", limits::kAtomCharsMax);
    return nullptr;
  }
  if (static_cast<std::size_t>(PyDict_Size(conversions.atoms)) >= limits::kAtomCountMax) {
    PyErr_SetString(PyExc_RuntimeError, "Atom limit reached");
    return nullptr;
  }
  PyRef made = new_atom(name);
  if (!made || PyDict_SetItem(conversions.atoms, name, made.get()) != 0) return nullptr;
  return made.release();
}

constexpr const char* kAtomDoc =
    "atom(name, /)\n--\n\n"
    "The Erlang atom of that name; the same object each time.\n\n"
    "Raises TypeError (name is no str), ValueError (more than 255 characters, or no UTF-8 form),\n"
    "RuntimeError (10000 distinct atoms made: Erlang never frees one). Any thread.";

PyMethodDef functions[] = {
    {"atom", atom, METH_O, kAtomDoc},
    {"send", as_function(send_to_process), METH_FASTCALL, kSendDoc},
    {"reply", as_function(reply_to_process), METH_FASTCALL, kReplyDoc},
    {nullptr, nullptr, 0, nullptr},
};

// isinstance(buffer, io.BufferedIOBase).
[[nodiscard]] bool register_as_file(PyTypeObject* type) PYPORT_REQUIRES(gil) {
  const PyRef io = PyRef::steal(PyImport_ImportModule("io"));
  if (!io) return false;
  const PyRef base = PyRef::steal(PyObject_GetAttrString(io.get(), "BufferedIOBase"));
  if (!base) return false;
  return static_cast<bool>(PyRef::steal(PyObject_CallMethod(base.get(), "register", "O", type)));
}

int execute(PyObject* module) noexcept PYPORT_REQUIRES(gil) {
  if (!conversions.open() || !register_as_file(conversions.buffer_type)) return -1;
  const PyRef own_file = make_own_file_type();
  if (!own_file || !register_as_file(reinterpret_cast<PyTypeObject*>(own_file.get()))) return -1;
  const auto type = [](OpaqueKind kind) PYPORT_REQUIRES(gil) {
    return reinterpret_cast<PyObject*>(conversions.opaque.at(kind));
  };
  const struct {
    const char* name;
    PyObject* value;
  } members[] = {
      {"Pid", type(OpaqueKind::pid)},
      {"Ref", type(OpaqueKind::ref)},
      {"Fun", type(OpaqueKind::fun)},
      {"Port", type(OpaqueKind::port)},
      {"Atom", type(OpaqueKind::atom)},
      {"PyBuffer", reinterpret_cast<PyObject*>(conversions.buffer_type)},
      {"Channel", reinterpret_cast<PyObject*>(conversions.channel_type)},
      {"ByteChannel", reinterpret_cast<PyObject*>(conversions.byte_channel_type)},
      {"BufferFile", own_file.get()},
      {"Notifier", reinterpret_cast<PyObject*>(conversions.notifier_type)},
      {"Error", conversions.error},
      {"ProcessError", conversions.process_error},
      {"ChannelClosed", conversions.channel_closed},
      {"ByteChannelClosed", conversions.byte_channel_closed},
      {"SuspensionRequired", conversions.suspension_required},
  };
  for (const auto& member : members)
    if (PyModule_AddObjectRef(module, member.name, member.value) != 0) return -1;
  return 0;
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_erlang",
    "What the package erlang takes from the program that hosts this Python.",
    0,
    functions,
    slots,
    nullptr,
    nullptr,
    nullptr,
};

PyObject* initialize() noexcept {
  return PyModuleDef_Init(&definition);
}

}  // namespace

bool register_module() {
  return PyImport_AppendInittab("_erlang", initialize) == 0;
}

bool prepare_conversions() {
  const PyRef module = PyRef::steal(PyImport_ImportModule("_erlang"));
  return static_cast<bool>(module);
}

void release_conversions() {
  conversions.close();
}

}  // namespace pyport::py
