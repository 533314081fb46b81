// The state of one run of from_python: one function per kind of object (from_python.cpp), maps and
// what has no type of its own (encode_map.cpp, encode_other.cpp).
//
// All functions return false with a Python exception set.
#pragma once

#include <vector>

#include "core/limits.hpp"
#include "etf/writer.hpp"
#include "py/from_python.hpp"

namespace pyport::py {

class Encoder {
 public:
  Encoder(Bytes& out, const EncodeOptions& options) noexcept : writer_(out), options_(options) {}

  [[nodiscard]] etf::Writer& writer() noexcept { return writer_; }
  [[nodiscard]] bool term(PyObject* object) PYPORT_REQUIRES(gil);

 private:
  [[nodiscard]] bool container(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool other(PyObject* object) PYPORT_REQUIRES(gil);

  [[nodiscard]] bool integer(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool big_integer(PyObject* object) PYPORT_REQUIRES(gil);
  void floating(double value);
  [[nodiscard]] bool text(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool binary(ByteView bytes) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool list(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool tuple(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool dict(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool key_and_value(PyObject* key, PyObject* value) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool keys_collide(std::size_t first) const;
  [[nodiscard]] bool buffer(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool array(const Py_buffer& view, const char* dtype) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool as_list(PyObject* object) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool as_text(PyObject* object) PYPORT_REQUIRES(gil);

  // Room for `bytes` more within term_bytes_max.
  [[nodiscard]] bool fits(std::size_t bytes) PYPORT_REQUIRES(gil) {
    if (writer_.size() <= options_.term_bytes_max &&
        bytes <= options_.term_bytes_max - writer_.size()) [[likely]]
      return true;
    return too_large(bytes);
  }
  [[nodiscard]] bool too_large(std::size_t bytes) PYPORT_REQUIRES(gil);

  // Where an encoded key lies; offsets, since the bytes move while they grow.
  struct KeySpan {
    std::size_t begin;
    std::size_t end;
  };

  etf::Writer writer_;
  const EncodeOptions& options_;
  std::size_t depth_ = 0;
  std::vector<KeySpan> keys_;  // of all dicts that are being written, the innermost last
};

}  // namespace pyport::py
