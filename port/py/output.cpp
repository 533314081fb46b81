#include "py/output.hpp"

#include <algorithm>

namespace pyport::py {
namespace {

// What one thread has printed since its last newline, by stream.
struct Unfinished {
  std::uint64_t context = kNoContext;
  std::string text[2];
};
thread_local Unfinished unfinished;

std::string& unfinished_text(wire::Stream stream) noexcept {
  return unfinished.text[stream == wire::Stream::out ? 0 : 1];
}

bool is_utf8_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// write_output(stream: int, text: str) -> None; `self` is a capsule of the Output.
PyObject* write_output(PyObject* self, PyObject* arguments) noexcept {
  int stream = 0;
  PyObject* text = nullptr;
  if (PyArg_ParseTuple(arguments, "iU", &stream, &text) == 0) return nullptr;
  auto* const output = static_cast<Output*>(PyCapsule_GetPointer(self, nullptr));
  if (output == nullptr) return nullptr;
  // Lone surrogates (surrogateescape in file names) must not make print() fail.
  PyObject* const bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
  if (bytes == nullptr) return nullptr;
  const std::string_view view(PyBytes_AS_STRING(bytes),
                              static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
  output->write(stream == 2 ? wire::Stream::err : wire::Stream::out, view);
  Py_DECREF(bytes);  // tidy: allow decref -- slots that CPython enters have no GilHeld to name
  Py_RETURN_NONE;
}

PyMethodDef write_output_method = {
    "write_output", write_output, METH_VARARGS, "Sends text to the Erlang side, line by line."};

}  // namespace

bool Output::install() {
  const PyRef self = PyRef::steal(PyCapsule_New(this, nullptr, nullptr));
  if (!self) return false;
  const PyRef function = PyRef::steal(PyCFunction_New(&write_output_method, self.get()));
  if (!function) return false;
  const PyRef module = PyRef::steal(PyImport_ImportModule("erlang._output"));
  if (!module) return false;
  return static_cast<bool>(
      PyRef::steal(PyObject_CallMethod(module.get(), "install", "O", function.get())));
}

void Output::tag_this_thread(std::uint64_t context) noexcept {
  unfinished.context = context;
}

void Output::write(wire::Stream stream, std::string_view text) {
  std::string& pending = unfinished_text(stream);
  for (std::size_t newline = text.find('\n'); newline != std::string_view::npos;
       newline = text.find('\n')) {
    pending.append(text.substr(0, newline));
    static_cast<void>(send_pieces(stream, pending, Rest::send));
    pending.clear();
    text.remove_prefix(newline + 1);
  }
  pending.append(text);
  pending = std::string(send_pieces(stream, pending, Rest::keep));
  if (!writer_.try_flush()) reader_wake_.wake();
}

void Output::end_of_request() {
  for (const wire::Stream stream : {wire::Stream::out, wire::Stream::err}) {
    std::string& pending = unfinished_text(stream);
    if (pending.empty()) continue;
    static_cast<void>(send_pieces(stream, pending, Rest::send));
    pending.clear();
  }
}

std::string_view Output::send_pieces(wire::Stream stream, std::string_view line, Rest rest) {
  while (line.size() > limits_.line_bytes_max) {
    std::size_t cut = limits_.line_bytes_max;
    while (is_utf8_continuation(line[cut]))
      --cut;  // the text is UTF-8, so this goes back three bytes at most
    send(stream, line.substr(0, cut));
    line.remove_prefix(cut);
  }
  if (rest == Rest::keep) return line;
  send(stream, line);
  return {};
}

void Output::send(wire::Stream stream, std::string_view line) {
  std::uint64_t dropped_before = 0;
  {
    MutexLock lock(mutex_);
    if (!admit()) {
      ++dropped_;
      dropped_total_.fetch_add(1);
      return;
    }
    dropped_before = std::exchange(dropped_, 0);
  }
  Bytes message;
  if (dropped_before != 0) {
    const std::string notice = "[" + std::to_string(dropped_before) + " lines dropped]";
    wire::put_output(message, kNoContext, wire::Stream::err, as_bytes(notice));
    writer_.append(message);
    message.clear();
  }
  wire::put_output(message, unfinished.context, stream, as_bytes(line));
  writer_.append(message);
}

bool Output::admit() {
  const TimePoint now = Clock::now();
  const std::chrono::duration<double> elapsed = now - refilled_;
  refilled_ = now;
  tokens_ = std::min(limits_.burst_lines, tokens_ + elapsed.count() * limits_.lines_per_s);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace pyport::py
