// What a context remembers about functions it called and code it evaluated. One per context, used
// by its thread only.
//
// Functions themselves are not cached: each call looks the name up in the module, so a reloaded or
// patched module behaves as in Python.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/bytes.hpp"
#include "etf/request.hpp"
#include "py/ref.hpp"
#include "py/run_stats.hpp"

namespace pyport::py {

struct CallTarget {
  PyRef module;  // interned names
  PyRef function;
  bool in_main = false;   // the module is `__main__`
  bool imported = false;  // an import of it has succeeded in this context
  RunStats stats;
};

struct CompiledCode {
  PyRef code;
  bool nested_scopes = false;  // holds lambdas, generators or comprehensions
  RunStats stats;
};

class CallCache {
 public:
  // Both are valid until the next call of the same function. Null: a Python exception is set.
  CallTarget* target(const etf::CallSplit& call) PYPORT_REQUIRES(gil);
  CompiledCode* expression(ByteView code) PYPORT_REQUIRES(gil);

  void clear() PYPORT_REQUIRES(gil);

 private:
  static constexpr std::size_t kTargetsMax = 4096;
  static constexpr std::size_t kExpressionsMax = 512;
  static constexpr std::size_t kExpressionBytesMax = 4096;  // longer code is compiled each time

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept {
      return std::hash<std::string_view>{}(key);
    }
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  // Cleared whole when full, and by clear(): always with the GIL, which the analysis cannot see.
  Map<CallTarget> targets_;
  Map<CompiledCode> expressions_;
  CompiledCode uncached_;
};

// Compiles an expression or a module's worth of statements; `filename` appears in tracebacks.
[[nodiscard]] PyRef compile(ByteView code, const char* filename, int start) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
