// The namespaces of one context: its own, and an environment per Erlang process that uses it.
//
// Belongs to the context's thread. An environment begins as a copy of the context's own namespace
// at the first use; names that the context gets later do not appear in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <unordered_map>

#include "py/ref.hpp"

namespace pyport::py {

class Namespaces {
 public:
  // `pristine` is what every context begins with; it is copied, never changed.
  Namespaces(PyObject* pristine, std::atomic<std::uint64_t>& env_count) noexcept
      : pristine_(pristine), env_count_(env_count) {}
  ~Namespaces() = default;
  Namespaces(const Namespaces&) = delete;
  Namespaces& operator=(const Namespaces&) = delete;

  // The dict of environment `env`, 0 for the context's own, made at the first use; borrowed. Null:
  // a Python exception is set.
  [[nodiscard]] PyObject* get(std::uint64_t env) PYPORT_REQUIRES(gil);

  void drop(std::uint64_t env) PYPORT_REQUIRES(gil);
  void drop_all() PYPORT_REQUIRES(gil);

 private:
  [[nodiscard]] PyObject* own() PYPORT_REQUIRES(gil);

  PyObject* const pristine_;
  std::atomic<std::uint64_t>& env_count_;
  PyRef own_;
  // Emptied by drop_all() with the GIL: the analysis does not see destructors in containers.
  std::unordered_map<std::uint64_t, PyRef> envs_;
};

// The pristine namespace: `__name__` is `__main__`, `erlang` is imported. Once, when Python has
// started: later somebody's code may have replaced the modules. Null: a Python exception is set.
[[nodiscard]] PyRef make_pristine_namespace() PYPORT_REQUIRES(gil);

}  // namespace pyport::py
