// Erlang terms to Python objects (docs/types.md). All functions need the GIL; a failure is a null
// or false with a Python exception set. A malformed term is a ValueError that says at which byte.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "core/bytes.hpp"
#include "etf/cursor.hpp"
#include "py/ref.hpp"

namespace pyport::py {

// Takes one term (no version byte) off the cursor. A new reference.
[[nodiscard]] PyObject* to_python(etf::Cursor& in) PYPORT_REQUIRES(gil);

// One whole term: version byte, term, and nothing behind it.
[[nodiscard]] PyRef decode_term(ByteView term) PYPORT_REQUIRES(gil);

// An encoded atom or UTF-8 binary as an interned str. `what` ("module", "function") names it in the
// error. TypeError: neither. ValueError: NUL inside. UnicodeDecodeError: not UTF-8.
[[nodiscard]] PyRef decode_name(ByteView encoded, const char* what) PYPORT_REQUIRES(gil);

// The text of EVAL and EXEC as a str. UnicodeDecodeError: not UTF-8. ValueError: NUL inside.
[[nodiscard]] PyRef decode_code(ByteView code) PYPORT_REQUIRES(gil);

// An encoded map as a dict with str keys: `locals` of EVAL. TypeError: anything else.
[[nodiscard]] PyRef decode_locals(ByteView encoded) PYPORT_REQUIRES(gil);

// The arguments of one call, laid out for vectorcall; no tuple and no dict is made.
class ArgVector {
 public:
  ArgVector() noexcept = default;
  ~ArgVector() PYPORT_REQUIRES(gil);
  ArgVector(const ArgVector&) = delete;
  ArgVector& operator=(const ArgVector&) = delete;

  // `arguments` as etf::split_call returns it: Args, Kwargs, nothing behind. Once per object.
  // TypeError: Args is not a proper list, Kwargs not a map, or a keyword neither atom nor binary.
  [[nodiscard]] bool decode(ByteView arguments) PYPORT_REQUIRES(gil);

  // REQUIRES: decode() returned true.
  [[nodiscard]] PyRef call(PyObject* callable) PYPORT_REQUIRES(gil);

  [[nodiscard]] std::size_t positional_count() const noexcept { return positional_count_; }
  [[nodiscard]] std::size_t keyword_count() const noexcept { return count_ - positional_count_; }

 private:
  static constexpr std::size_t kInlineCount = 8;
  [[nodiscard]] bool decode_positional(etf::Cursor& in) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool decode_keywords(etf::Cursor& in) PYPORT_REQUIRES(gil);
  [[nodiscard]] bool push(PyObject* owned) PYPORT_REQUIRES(gil);
  [[nodiscard]] PyObject** arguments() noexcept {
    return heap_.empty() ? inline_.data() : heap_.data();
  }

  // Slot 0 stays free: PY_VECTORCALL_ARGUMENTS_OFFSET lends it to the callee (for `self`).
  std::array<PyObject*, kInlineCount + 1> inline_{};
  std::vector<PyObject*> heap_;  // used instead of inline_ once that is full
  std::size_t count_ = 0;        // owned references, positional and keyword values
  std::size_t positional_count_ = 0;
  PyObject* keyword_names_ = nullptr;  // an owned tuple, or null when there are none
};

}  // namespace pyport::py
