// Result<T>: the one way a function in port/ reports an operating error.
//
// An operating error is something the BEAM, the Python user or the OS can cause: it is a value, it
// is handled, it never unwinds. A programmer error is not a Result: it is PYPORT_CHECK (check.hpp).
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace pyport {

enum class Errc {
  truncated,
  too_large,
  bad_tag,
  bad_term,
  too_deep,
  closed,
  python,
  usage,
  protocol,
  os
};

// The value of a Result whose success carries none.
struct Done {};

struct Error {
  Errc code;
  std::string detail;  // for humans: what was being done, with the values that made it fail
};

template <class T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor) -- `return value;` is the point
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor) -- and `return Error{...};`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }

  // REQUIRES: ok()
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }

  // REQUIRES: !ok()
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace pyport

#define PYPORT_CONCAT_IMPL(a, b) a##b
#define PYPORT_CONCAT(a, b) PYPORT_CONCAT_IMPL(a, b)
#define PYPORT_TRY_IMPL(tmp, decl, expr)        \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()

// PYPORT_TRY(auto n, read_u32(in)); binds the value, or returns the error to the caller.
// Standard C++ only (no statement expressions), so -Wpedantic stays on. One per source line.
#define PYPORT_TRY(decl, expr) PYPORT_TRY_IMPL(PYPORT_CONCAT(pyport_try_, __LINE__), decl, expr)
