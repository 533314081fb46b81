#include "py/types/notifier.hpp"

#include <vector>

#include "py/conversion_state.hpp"

namespace pyport::py {
namespace {

constexpr const char* kDoc =
    "Notifier()\n--\n\n"
    "A descriptor for an event loop to watch, and the tokens of the waits that are over.\n\n"
    "For erlang._async. Raises OSError (no more descriptors). Any thread.";

[[nodiscard]] NotifierObject* notifier_of(PyObject* self) noexcept {
  return reinterpret_cast<NotifierObject*>(self);
}

PyObject* notifier_new(PyTypeObject* type, PyObject* arguments, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  if (PyTuple_GET_SIZE(arguments) != 0 || (names != nullptr && PyDict_Size(names) != 0)) {
    PyErr_SetString(PyExc_TypeError, "Notifier() takes no arguments");
    return nullptr;
  }
  auto opened = store::Notifier::open_descriptor();
  if (!opened.ok()) {
    PyErr_SetString(PyExc_OSError, opened.error().detail.c_str());
    return nullptr;
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  std::construct_at(&notifier_of(self)->notifier,
                    std::make_shared<store::Notifier>(std::move(opened).value()));
  return self;
}

void notifier_dealloc(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  PyTypeObject* const type = Py_TYPE(self);
  std::destroy_at(&notifier_of(self)->notifier);
  type->tp_free(self);
  drop(reinterpret_cast<PyObject*>(type));
}

PyObject* notifier_fileno(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return PyLong_FromLong(notifier_of(self)->notifier->fd());
}

PyObject* notifier_take(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  const std::vector<std::uint64_t> tokens = notifier_of(self)->notifier->take();
  PyRef list = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(tokens.size())));
  if (!list) return nullptr;
  Py_ssize_t index = 0;
  for (const std::uint64_t token : tokens) {
    PyObject* const number = PyLong_FromUnsignedLongLong(token);
    if (number == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), index++, number);
  }
  return list.release();
}

PyMethodDef methods[] = {
    {"fileno",
     notifier_fileno,
     METH_NOARGS,
     "fileno($self, /)\n--\n\nThe descriptor; readable when there are tokens."},
    {"take",
     notifier_take,
     METH_NOARGS,
     "take($self, /)\n--\n\nThe tokens of the waits that ended since the last call."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(kDoc)},
    {Py_tp_new, reinterpret_cast<void*>(notifier_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(notifier_dealloc)},
    {Py_tp_methods, methods},
    {0, nullptr},
};
PyType_Spec spec{"_erlang.Notifier",
                 sizeof(NotifierObject),
                 0,
                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                 slots};

}  // namespace

PyType_Spec& notifier_spec() noexcept {
  return spec;
}

NotifierObject* to_notifier(PyObject* object) {
  if (Py_TYPE(object) == conversions.notifier_type) return notifier_of(object);
  PyErr_Format(PyExc_TypeError, "a Notifier is expected, not '%.200s'", Py_TYPE(object)->tp_name);
  return nullptr;
}

}  // namespace pyport::py
