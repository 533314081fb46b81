#include "py/error_text.hpp"

#include "core/limits.hpp"
#include "core/utf8.hpp"

namespace pyport::py {

namespace {

constexpr std::string_view kCutMark = "... [cut]";
constexpr std::size_t kNameBytesMax = 1024;
constexpr std::size_t kOuterFramesMax = 16;  // of a deep traceback; the inner ones tell more
static_assert(kOuterFramesMax < limits::kTracebackFramesMax);

[[nodiscard]] std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::string shorter(utf8_prefix(text, bytes_max - kCutMark.size()));
  return shorter.append(kCutMark);
}

[[nodiscard]] PyTracebackObject* traceback_at(PyObject* traceback) noexcept {
  return reinterpret_cast<PyTracebackObject*>(traceback);
}

[[nodiscard]] std::string frame_line(PyTracebackObject* entry) PYPORT_REQUIRES(gil) {
  const PyRef code = PyRef::steal(reinterpret_cast<PyObject*>(PyFrame_GetCode(entry->tb_frame)));
  const auto* const fields = reinterpret_cast<PyCodeObject*>(code.get());
  // -1: not computed yet.
  const int line =
      entry->tb_lineno >= 0
          ? entry->tb_lineno
          : PyCode_Addr2Line(reinterpret_cast<PyCodeObject*>(code.get()), entry->tb_lasti);
  return "  File \"" + text_of(keep(fields->co_filename), kNameBytesMax, "?") + "\", line " +
         std::to_string(line) + ", in " + text_of(keep(fields->co_name), kNameBytesMax, "?") + "\n";
}

[[nodiscard]] std::size_t frame_count(PyTracebackObject* entry) noexcept {
  std::size_t count = 0;
  for (; entry != nullptr; entry = entry->tb_next)
    ++count;
  return count;
}

[[nodiscard]] std::string frame_lines(PyTracebackObject* entry) PYPORT_REQUIRES(gil) {
  const std::size_t count = frame_count(entry);
  const std::size_t left_out =
      count > limits::kTracebackFramesMax ? count - limits::kTracebackFramesMax : 0;
  std::string text;
  for (std::size_t index = 0; entry != nullptr; entry = entry->tb_next, ++index) {
    if (left_out != 0 && index == kOuterFramesMax)
      text += "  [" + std::to_string(left_out) + " frames left out]\n";
    if (index >= kOuterFramesMax && index < kOuterFramesMax + left_out) continue;
    text += frame_line(entry);
  }
  return text;
}

}  // namespace

// Takes the reference.
std::string text_of(PyObject* text, std::size_t bytes_max, const char* otherwise) {
  const PyRef owned = PyRef::steal(text);
  PyRef utf8;
  // `replace` turns what has no UTF-8 form (lone surrogates) into '?'.
  if (owned && PyUnicode_Check(owned.get()))
    utf8 = PyRef::steal(PyUnicode_AsEncodedString(owned.get(), "utf-8", "replace"));
  if (!utf8) {
    PyErr_Clear();
    return otherwise;
  }
  return cut(
      {PyBytes_AS_STRING(utf8.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(utf8.get()))},
      bytes_max);
}

std::string error_type(PyObject* exception) {
  return text_of(PyType_GetName(Py_TYPE(exception)), kNameBytesMax, "?");
}

std::string error_message(PyObject* exception) {
  return text_of(
      PyObject_Str(exception), limits::kErrorMessageBytesMax, "<str() of the exception failed>");
}

std::string error_traceback(PyObject* exception) {
  constexpr std::size_t kLastLineBytesMax = 1024;
  const PyRef traceback = PyRef::steal(PyException_GetTraceback(exception));
  std::string text;
  if (traceback && PyTraceBack_Check(traceback.get())) {
    text = "Traceback (most recent call last):\n";
    text += frame_lines(traceback_at(traceback.get()));
  }
  text += error_type(exception);
  const std::string message = cut(error_message(exception), kLastLineBytesMax);
  if (!message.empty()) text += ": " + message;
  return cut(text, limits::kTracebackBytesMax);
}

std::string error_traceback_detailed(PyObject* exception) {
  const PyRef module = PyRef::steal(PyImport_ImportModule("traceback"));
  PyRef lines;
  if (module) {
    const PyRef format = PyRef::steal(PyObject_GetAttrString(module.get(), "format_exception"));
    const PyRef arguments = PyRef::steal(Py_BuildValue("(O)", exception));
    const PyRef options = PyRef::steal(Py_BuildValue("{s:O}", "chain", Py_False));
    if (format && arguments && options)
      lines = PyRef::steal(PyObject_Call(format.get(), arguments.get(), options.get()));
  }
  const PyRef nothing = PyRef::steal(PyUnicode_FromString(""));
  PyObject* text = lines && nothing ? PyUnicode_Join(nothing.get(), lines.get()) : nullptr;
  if (text != nullptr) return text_of(text, limits::kTracebackBytesMax, "?");
  PyErr_Clear();
  return error_traceback(exception);
}

}  // namespace pyport::py
