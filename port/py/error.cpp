#include "py/error.hpp"

#include <string>
#include <vector>

#include "core/check.hpp"
#include "core/limits.hpp"
#include "etf/writer.hpp"
#include "py/error_text.hpp"

namespace pyport::py {

namespace {

constexpr std::size_t kNoteBytesMax = 4096;

// The texts in __notes__, at most kErrorNotesMax.
void write_notes(etf::Writer& writer, PyObject* exception) PYPORT_REQUIRES(gil) {
  std::vector<std::string> texts;
  const PyRef notes = PyRef::steal(PyObject_GetAttrString(exception, "__notes__"));
  PyErr_Clear();
  if (notes && PyList_Check(notes.get())) {
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(notes.get()); ++index) {
      if (texts.size() == limits::kErrorNotesMax) break;
      PyObject* note = keep(PyList_GET_ITEM(notes.get(), index));
      texts.push_back(text_of(note, kNoteBytesMax, "<note is no str>"));
    }
  }
  if (!texts.empty()) writer.list(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts)
    writer.binary(text);
  writer.nil();
}

// What `raise ... from` named, or what was being handled; null when there is nothing to show.
[[nodiscard]] PyRef cause_of(PyObject* exception) PYPORT_REQUIRES(gil) {
  PyRef cause = PyRef::steal(PyException_GetCause(exception));
  if (cause) return cause;
  const PyRef suppress = PyRef::steal(PyObject_GetAttrString(exception, "__suppress_context__"));
  PyErr_Clear();
  if (suppress.get() == Py_True) return {};
  return PyRef::steal(PyException_GetContext(exception));
}

void write_detailed(etf::Writer& writer, PyObject* exception, std::size_t causes_max)
    PYPORT_REQUIRES(gil) {
  writer.map(5);
  writer.atom("type");
  writer.binary(error_type(exception));
  writer.atom("message");
  writer.binary(error_message(exception));
  writer.atom("traceback");
  writer.binary(error_traceback_detailed(exception));
  writer.atom("notes");
  write_notes(writer, exception);
  writer.atom("cause");
  const PyRef cause = causes_max > 0 ? cause_of(exception) : PyRef();
  if (cause) return write_detailed(writer, cause.get(), causes_max - 1);
  writer.atom("none");
}

}  // namespace

#if PY_VERSION_HEX >= 0x030C0000

ErrorScope::ErrorScope() noexcept : raised_(PyErr_GetRaisedException()) {}
ErrorScope::~ErrorScope() {
  PyErr_SetRaisedException(raised_);
}

PyRef take_exception() {
  return PyRef::steal(PyErr_GetRaisedException());
}

#else

ErrorScope::ErrorScope() noexcept {
  PyErr_Fetch(&type_, &value_, &traceback_);
}
ErrorScope::~ErrorScope() {
  PyErr_Restore(type_, value_, traceback_);
}

PyRef take_exception() {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (type == nullptr) return {};
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  drop(type);
  drop(traceback);
  return PyRef::steal(value);
}

#endif

void encode_exception(Bytes& out, ErrorForm form) {
  const PyRef exception = take_exception();
  PYPORT_CHECK(static_cast<bool>(exception));
  etf::Writer writer(out);
  writer.version();
  if (form == ErrorForm::detailed) {
    write_detailed(writer, exception.get(), limits::kErrorCausesMax);
  } else {
    writer.tuple(3);
    writer.binary(error_type(exception.get()));
    writer.binary(error_message(exception.get()));
    writer.binary(error_traceback(exception.get()));
  }
  PyErr_Clear();
}

}  // namespace pyport::py
