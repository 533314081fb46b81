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
  explicit Namespaces(std::atomic<std::uint64_t>& env_count) noexcept : env_count_(env_count) {}
  ~Namespaces() = default;
  Namespaces(const Namespaces&) = delete;
  Namespaces& operator=(const Namespaces&) = delete;

  // Makes the context's own namespace: `__name__` is `__main__`, `erlang` is imported. False: a
  // Python exception is set.
  [[nodiscard]] bool create() PYPORT_REQUIRES(gil);

  // The dict of environment `env`, 0 for the context's own; borrowed. Null: a Python exception.
  [[nodiscard]] PyObject* get(std::uint64_t env) PYPORT_REQUIRES(gil);

  void drop(std::uint64_t env) PYPORT_REQUIRES(gil);
  void drop_all() PYPORT_REQUIRES(gil);

 private:
  std::atomic<std::uint64_t>& env_count_;
  PyRef own_;
  // Emptied by drop_all() with the GIL: the analysis does not see destructors in containers.
  std::unordered_map<std::uint64_t, PyRef> envs_;
};

}  // namespace pyport::py
